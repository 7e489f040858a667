package mqtt

import (
	"errors"
	"fmt"
	"net/url"
)

// checkURL reports what is wrong with a broker URL. The error never holds a password.
func checkURL(u *url.URL) error {
	if u == nil {
		return errors.New("broker url is nil")
	}
	if u.User != nil {
		return fmt.Errorf("broker url %q: user information does not belong here, it would be logged; set the user name and password", u.Redacted())
	}
	switch u.Scheme {
	case "mqtt", "tcp", "mqtts", "ssl", "tls", "ws", "wss":
		if u.Hostname() == "" {
			return fmt.Errorf("broker url %q: no host", u)
		}
	case "unix":
		if u.Host+u.Path == "" {
			return fmt.Errorf("broker url %q: no path", u)
		}
	default:
		return fmt.Errorf("broker url %q: unknown scheme %q: must be mqtt, mqtts, tcp, ssl, ws, wss or unix", u, u.Scheme)
	}
	return nil
}
