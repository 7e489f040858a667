package doctor

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// slowKeepalive is from where an outage stays unnoticed for long.
const slowKeepalive = time.Minute

// examineSettings looks at the bridge's own configuration.
func (d *doctor) examineSettings() {
	c := d.Settings
	if err := c.CanServe(); err != nil {
		d.add(finding{Fail, "auth", strings.TrimPrefix(err.Error(), "auth: "), "the bridge does not start", ""})
	}
	if len(c.Mapper.Rules()) == 0 {
		d.add(finding{Fail, "rules", "there are none", "the bridge subscribes to nothing", d.places.file + ": rules"})
	}
	d.examineJournal()
	if c.Broker.Keepalive > slowKeepalive {
		d.add(finding{Note, "keepalive", fmt.Sprintf("broker.keepalive is %s", c.Broker.Keepalive),
			fmt.Sprintf("a connection that is dead without an end is noticed after %s", c.Broker.Keepalive*3/2), d.places.of("broker.keepalive") + ": 15s"})
	}
	d.examineBrokerAddress()
	d.examineAccess()
}

// examineJournal looks at how long events last at each end.
func (d *doctor) examineJournal() {
	c := d.Settings
	if c.Journal.Dir == "" {
		d.add(finding{Warn, "journal.dir", "the journal is in memory",
			"a restart of the bridge forgets what it has acknowledged to the broker: clients that were away, or behind, do not get it", d.places.of("journal.dir") + ": a directory that outlives the bridge"})
	}
	if c.Broker.SessionExpiry < c.Journal.MaxAge {
		d.add(finding{Warn, "session_expiry", fmt.Sprintf("broker.session_expiry is %s, journal.max_age %s", c.Broker.SessionExpiry, c.Journal.MaxAge),
			fmt.Sprintf("clients may be away for %s and miss nothing, the bridge itself only for %s: then the broker drops its session", c.Journal.MaxAge, c.Broker.SessionExpiry),
			fmt.Sprintf("%s: %s", d.places.of("broker.session_expiry"), c.Journal.MaxAge)})
	}
}

// examineBrokerAddress looks at what can be listened to on the way to the broker.
func (d *doctor) examineBrokerAddress() {
	b := d.Settings.Broker
	open := func(u *url.URL) bool {
		return slices.Contains([]string{"mqtt", "tcp", "ws"}, u.Scheme) && !loopback(u.Hostname())
	}
	if i := slices.IndexFunc(b.URL, open); i >= 0 && (b.Password != "" || b.PasswordFile != "") {
		d.add(finding{Note, "plain", fmt.Sprintf("the password goes to %s as plain text", b.URL[i]),
			"whoever sits in between can read it, and the events; nobody does on a network of containers on one machine", d.places.of("broker.url") + ": mqtts://"})
	}
	if b.Insecure {
		d.add(finding{Warn, "insecure", "the broker's certificate is not checked", "whoever sits in between can read and change everything", d.places.of("broker.insecure") + ": false, with broker.ca_file"})
	}
}

// examineAccess looks at who can connect.
func (d *doctor) examineAccess() {
	c := d.Settings
	if slices.Contains(c.Server.AllowedOrigins, "*") {
		d.add(finding{Warn, "allowed_origins", "pages of any origin may connect", "what a browser has of the user's, a page of somebody else's can use", d.places.of("server.allowed_origins") + ": your pages' origins"})
	}
	if c.Auth.Anonymous {
		d.add(finding{Warn, "auth.anonymous", "clients need to show nothing", "whoever reaches the port reads every event that has no audience", d.places.of("auth.anonymous") + ": false"})
	}
	if open(c.Server.Listen) && c.Server.CertFile == "" {
		d.add(finding{Note, "server.listen", c.Server.Listen + " without TLS", "tokens and events go as plain text, unless a proxy with TLS stands in front", d.places.of("server.listen") + ": 127.0.0.1, or server.cert_file"})
	}
	if open(c.Ops.Listen) {
		d.add(finding{Note, "ops.listen", c.Ops.Listen + " is open to the network", "health and metrics are for everybody who reaches it", d.places.of("ops.listen") + ": 127.0.0.1:9464"})
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
