package doctor

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// slowKeepalive is the keep-alive above which an outage stays unnoticed for long.
const slowKeepalive = time.Minute

// examineSettings examines the bridge's own configuration.
func (d *doctor) examineSettings() {
	c := d.cfg.Settings
	if err := c.CanServe(); err != nil {
		d.add(finding{level: Fail, check: "auth", seen: strings.TrimPrefix(err.Error(), "auth: "), means: "the bridge does not start"})
	}
	if len(c.Mapper.Rules()) == 0 {
		d.add(finding{
			level: Fail, check: "rules",
			seen:  "there are none",
			means: "the bridge subscribes to nothing",
			set:   d.locations.file + ": rules",
		})
	}
	d.examineJournal()
	if long := c.Broker.Keepalive; long > slowKeepalive {
		d.add(finding{
			level: Note, check: "keepalive",
			seen:  fmt.Sprintf("broker.keepalive is %s", long),
			means: fmt.Sprintf(meansDead, 2*long),
			set:   d.locations.of("broker.keepalive") + ": 15s",
		})
	}
	d.examineBrokerAddress()
	d.examineAccess()
}

// examineJournal compares how long events last at each end.
func (d *doctor) examineJournal() {
	c := d.cfg.Settings
	if !c.Journal.Durable() {
		d.add(finding{
			level: Warn, check: "journal.dir",
			seen:  "the journal is in memory",
			means: meansInMemory,
			set:   d.locations.of("journal.dir") + ": a directory that outlives the bridge",
		})
	}
	if c.Broker.SessionExpiry < c.Journal.MaxAge {
		d.add(finding{
			level: Warn, check: "session_expiry",
			seen:  fmt.Sprintf("broker.session_expiry is %s, journal.max_age %s", c.Broker.SessionExpiry, c.Journal.MaxAge),
			means: fmt.Sprintf(meansAway, c.Journal.MaxAge, c.Broker.SessionExpiry),
			set:   fmt.Sprintf("%s: %s", d.locations.of("broker.session_expiry"), c.Journal.MaxAge),
		})
	}
}

// examineBrokerAddress looks for what others can read on the way to the broker.
func (d *doctor) examineBrokerAddress() {
	b := d.cfg.Settings.Broker
	open := func(u *url.URL) bool { return u.Scheme != "unix" && !mqtt.UsesTLS(u) && !loopback(u.Hostname()) }
	if i := slices.IndexFunc(b.URL, open); i >= 0 && (b.Password != "" || b.PasswordFile != "") {
		d.add(finding{
			level: Note, check: "plain",
			seen:  fmt.Sprintf("the password goes to %s as plain text", b.URL[i]),
			means: meansPlain,
			set:   d.locations.of("broker.url") + ": mqtts://",
		})
	}
	if b.Insecure {
		d.add(finding{
			level: Warn, check: "insecure",
			seen:  "the broker's certificate is not checked",
			means: meansInsecure,
			set:   d.locations.of("broker.insecure") + ": false, with broker.ca_file",
		})
	}
}

// examineAccess looks at who can connect.
func (d *doctor) examineAccess() {
	c := d.cfg.Settings
	if slices.Contains(c.Server.AllowedOrigins, "*") {
		d.add(finding{
			level: Warn, check: "allowed_origins",
			seen:  "pages of any origin may connect",
			means: meansOrigins,
			set:   d.locations.of("server.allowed_origins") + ": your pages' origins",
		})
	}
	if c.Auth.Anonymous {
		d.add(finding{
			level: Warn, check: "auth.anonymous",
			seen:  "clients need no credentials",
			means: meansNoAuth,
			set:   d.locations.of("auth.anonymous") + ": false",
		})
	}
	if open(c.Server.Listen) && c.Server.CertFile == "" {
		d.add(finding{
			level: Note, check: "server.listen",
			seen:  c.Server.Listen + " without TLS",
			means: meansOpen,
			set:   d.locations.of("server.listen") + ": 127.0.0.1, or server.cert_file",
		})
	}
	if open(c.Ops.Listen) {
		d.add(finding{
			level: Note, check: "ops.listen",
			seen:  c.Ops.Listen + " is open to the network",
			means: meansOpenOps,
			set:   d.locations.of("ops.listen") + ": 127.0.0.1:9464",
		})
	}
}

// open reports whether others than this machine reach a listener.
func open(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && !loopback(host)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
