package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// Reason codes (MQTT 5, 2.4).
const (
	firstRefusal           byte = 0x80 // codes from here on refuse
	codeUnsupportedVersion byte = 0x84
	codeClientID           byte = 0x85
	codeBadPassword        byte = 0x86
	codeNotAuthorized      byte = 0x87
	codeWildcards          byte = 0xa2
)

// isEOF reports whether the other side has closed the connection.
func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unreachable says what it means that there is no connection to u, and what to set.
func (d *doctor) unreachable(u *url.URL, err error) (means, set string) {
	var refused *refusal
	if errors.As(err, &refused) {
		return d.refused(refused.code)
	}
	if means, set := d.untrusted(u, err); means != "" {
		return means, set
	}
	var dns *net.DNSError
	place := d.places.of("broker.url")
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q cannot be resolved from here", dns.Name), place + "; in compose the name is the service's"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there; without a listener line Mosquitto 2 listens on its own loopback only, which in a container nobody else reaches",
			place + "; or in mosquitto.conf: listener " + portOf(u)
	case errors.Is(err, syscall.EHOSTUNREACH) || isTimeout(err):
		return "no answer in time: a firewall, a wrong address, or a port that speaks something else", place
	case errors.Is(err, errNotMQTT):
		return "", place
	case errors.Is(err, errOldMQTT):
		return "the bridge needs MQTT 5 for sessions that outlive the connection; Mosquitto has it from 1.6 on", place + " of a broker with MQTT 5; in mosquitto.conf of 2.1: accept_protocol_versions with 5"
	case errors.Is(err, errNoAnswer) || isEOF(err):
		return "a port with TLS does so with a client that does not speak it, and Mosquitto when max_connections is reached", place + ": mqtts:// for TLS"
	}
	return "", ""
}

// refused says what the code of a CONNACK means.
func (d *doctor) refused(code byte) (means, set string) {
	login := d.places.of("broker.username") + ", or broker.password_file; for a new user: mosquitto_passwd FILE USER, then SIGHUP to the broker"
	anonymous := d.Settings.Broker.Username == ""
	switch code {
	case codeNotAuthorized, codeBadPassword:
		if anonymous {
			return "the bridge has no user name, and the broker wants one (allow_anonymous false, which is the default with a listener)", login
		}
		return "the broker does not know the user, or the password is another (Mosquitto does not say which)", login
	case codeUnsupportedVersion:
		return "the broker does not speak MQTT 5, or not on this port", d.places.of("broker.url")
	case codeClientID:
		return "the broker does not like the client identifier (clientid_prefixes?)", d.places.of("broker.client_id")
	}
	return "", "look at the broker's log"
}

// untrusted names what is wrong with TLS, if something is.
func (d *doctor) untrusted(u *url.URL, err error) (means, set string) {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return "the broker's certificate is signed by nobody that is trusted here", d.places.of("broker.ca_file") + ", the file that mosquitto.conf has as cafile"
	case errors.As(err, &name):
		return fmt.Sprintf("the broker's certificate is for %s, not for %s", orNone(name.Certificate.DNSNames, name.Certificate.IPAddresses), name.Host),
			d.places.of("broker.url") + ", with a name that the certificate has"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the broker's certificate is valid from %s to %s, or the clock here is wrong",
			invalid.Cert.NotBefore.Format("2006-01-02"), invalid.Cert.NotAfter.Format("2006-01-02")), "certfile in mosquitto.conf to a new one, then SIGHUP to the broker"
	case errors.As(err, &invalid):
		return "the broker's certificate cannot be used", "certfile in mosquitto.conf"
	case errors.As(err, &record), isEOF(err) && secure(u):
		return "the broker does not speak TLS on this port", d.places.of("broker.url") + ": mqtt:// or another port"
	case errors.As(err, &alert) && alert.Op == "remote error", // crypto/tls: an alert that was received
		errors.Is(err, errNoAnswer) && secure(u): // it may be lost when the broker closes right after it
		return "with require_certificate true the broker wants a certificate of the bridge's",
			d.places.of("broker.cert_file") + " and broker.key_file, signed by the cafile of mosquitto.conf"
	}
	return "", ""
}

func orNone(names []string, addresses []net.IP) string {
	for _, a := range addresses {
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

func portOf(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	return "1883"
}

func secure(u *url.URL) bool { return u.Scheme == "mqtts" || u.Scheme == "ssl" }
