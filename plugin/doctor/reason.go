package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// Reason codes that a CONNACK has an explanation for (MQTT 5, 2.4).
const (
	codeUnsupportedVersion byte = 0x84
	codeClientID           byte = 0x85
	codeBadPassword        byte = 0x86
	codeNotAuthorized      byte = 0x87
)

// unreachable explains why there is no connection to u, and what to set.
func (d *doctor) unreachable(u *url.URL, err error) finding {
	var refused *mqtt.BrokerError
	if errors.As(err, &refused) {
		return d.refused(refused.Code)
	}
	if f := d.untrusted(u, err); f.means != "" {
		return f
	}
	var dns *net.DNSError
	at := d.locations.of("broker.url")
	switch {
	case errors.As(err, &dns):
		return finding{
			means: fmt.Sprintf("the name %q cannot be resolved from here", dns.Name),
			set:   at + "; in compose the name is the service's",
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return finding{means: meansRefused, set: at + "; or in mosquitto.conf: " + listenerLine(u)}
	case errors.Is(err, syscall.EHOSTUNREACH) || isTimeout(err):
		return finding{means: meansTimeout, set: at}
	case errors.Is(err, mqtt.ErrNotMQTT):
		return finding{set: at}
	case errors.Is(err, mqtt.ErrNotWebSocket):
		return finding{means: meansNotWebSocket, set: at}
	case errors.Is(err, mqtt.ErrOldMQTT):
		return finding{
			means: meansOldMQTT,
			set:   at + " of a broker with MQTT 5; in mosquitto.conf of 2.1: accept_protocol_versions with 5",
		}
	case errors.Is(err, mqtt.ErrNoAnswer) && u.Scheme == "ws":
		return finding{means: meansNoAnswerWebSocket, set: at + "; or in mosquitto.conf: " + listenerLine(u)}
	case errors.Is(err, mqtt.ErrNoAnswer):
		return finding{means: meansNoAnswer, set: at + ": mqtts:// for TLS"}
	}
	return finding{}
}

// listenerLine is the line of mosquitto.conf that opens a listener for u.
func listenerLine(u *url.URL) string {
	switch u.Scheme {
	case "unix":
		return "listener 0 " + u.Host + u.Path
	case "ws", "wss":
		return "listener " + u.Port() + ", and below it: protocol websockets"
	}
	return "listener " + u.Port()
}

// refused explains the code of a CONNACK.
func (d *doctor) refused(code byte) finding {
	switch code {
	case codeNotAuthorized, codeBadPassword:
		f := finding{means: meansBadUser, set: fmt.Sprintf(setLogin, d.locations.of("broker.username"))}
		if d.cfg.Settings.Broker.Username == "" {
			f.means = meansNoUser
		}
		return f
	case codeUnsupportedVersion:
		return finding{means: meansVersion, set: d.locations.of("broker.url")}
	case codeClientID:
		return finding{means: meansClientID, set: d.locations.of("broker.client_id")}
	}
	return finding{set: setBrokerLog}
}

// untrusted explains what is wrong with TLS, if something is.
func (d *doctor) untrusted(u *url.URL, err error) finding {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return finding{means: meansAuthority, set: d.locations.of("broker.ca_file") + ", the file that mosquitto.conf has as cafile"}
	case errors.As(err, &name):
		return finding{
			means: fmt.Sprintf("the broker's certificate is for %s, not for %s", names(name.Certificate), name.Host),
			set:   d.locations.of("broker.url") + ", with a name that the certificate has; or broker.server_name, the name to expect",
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return finding{
			means: fmt.Sprintf("the broker's certificate is valid from %s to %s, or the clock here is wrong",
				invalid.Cert.NotBefore.Format("2006-01-02"), invalid.Cert.NotAfter.Format("2006-01-02")),
			set: "certfile in mosquitto.conf to a new one, then SIGHUP to the broker",
		}
	case errors.As(err, &invalid):
		return finding{means: "the broker's certificate cannot be used", set: "certfile in mosquitto.conf"}
	case errors.As(err, &record), isEOF(err) && mqtt.UsesTLS(u): // the end of the TLS handshake
		return finding{means: meansNoTLS, set: d.locations.of("broker.url") + ": mqtt:// or another port"}
	case errors.As(err, &alert) && alert.Op == "remote error", // crypto/tls: an alert that was received
		errors.Is(err, mqtt.ErrNoAnswer) && mqtt.UsesTLS(u): // it may be lost when the broker closes right after it
		return finding{
			means: meansCertificate,
			set:   d.locations.of("broker.cert_file") + " and broker.key_file, signed by the cafile of mosquitto.conf",
		}
	}
	return finding{}
}

// isEOF reports whether the other side has closed the connection.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// names are what a certificate is for.
func names(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, a := range c.IPAddresses {
		names = append(names, a.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	return strings.Join(names, ", ")
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
