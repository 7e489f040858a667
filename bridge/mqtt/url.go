package mqtt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A scheme is a way to reach a broker.
type scheme struct {
	name string
	port string // that it means; unix has none
	tls  bool
}

var schemes = []scheme{
	{"mqtt", "1883", false}, {"mqtts", "8883", true},
	{"tcp", "1883", false}, {"ssl", "8883", true},
	{"ws", "80", false}, {"wss", "443", true},
	{"unix", "", false},
}

// schemeOf returns the scheme of that name, the zero value where there is none.
func schemeOf(name string) scheme {
	i := slices.IndexFunc(schemes, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return scheme{}
	}
	return schemes[i]
}

// Schemes returns the schemes that a broker's URL may have.
func Schemes() []string {
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = s.name
	}
	return names
}

// DefaultPort returns the port that a broker's URL of that scheme means when it names none. It is
// empty for unix and for a scheme that is not one of Schemes.
func DefaultPort(name string) string { return schemeOf(name).port }

// UsesTLS reports whether the connection to the broker at u is encrypted.
func UsesTLS(u *url.URL) bool { return schemeOf(u.Scheme).tls }

// ParseURL parses the URL of a broker, and completes it with the default port of its scheme. The
// error never shows a password.
func ParseURL(text string) (*url.URL, error) {
	if strings.Contains(text, "@") { // before the parser can quote it
		return nil, errUserInfo
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a broker URL", text)
	}
	if err := checkURL(u, text); err != nil {
		return nil, err
	}
	if u.Scheme != "unix" {
		u.Host = address(u)
	}
	return u, nil
}

var errUserInfo = errors.New("a broker URL takes no user name or password")

// checkURL reports what is wrong with a broker's URL, which was written as text.
func checkURL(u *url.URL, text string) error {
	switch {
	case u.User != nil:
		return errUserInfo // which would be logged
	case u.Scheme == "" || u.Opaque != "":
		return fmt.Errorf("%q is not a broker URL", text)
	case u.Scheme == "unix" && u.Host+u.Path == "":
		return fmt.Errorf("%q names no socket", text)
	case u.Scheme == "unix":
		return nil
	case DefaultPort(u.Scheme) == "":
		return fmt.Errorf("a broker cannot be reached by %q", u.Scheme)
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host", text)
	case u.Port() == "":
		return nil
	}
	if n, err := strconv.Atoi(u.Port()); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not a port", u.Port())
	}
	return nil
}

// address is the host and port of u, which has passed checkURL and is not of a socket.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = DefaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}
