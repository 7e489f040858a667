package mqtt

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"mqtt-stomp-bridge/mapping/spelling"
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

// A URLError is what is wrong with the URL of a broker.
type URLError struct {
	URL     string // as it was written; "" when it may hold a password
	Message string // goes on from the URL: " names no host"
	Hint    string // what to write
}

// Error returns the URL in quotes and the message.
func (e *URLError) Error() string {
	if e.URL == "" {
		return "a broker URL" + e.Message
	}
	return strconv.Quote(e.URL) + e.Message
}

// ParseURL parses the URL of a broker, and completes it with the default port of its scheme. The
// error is a *URLError and never shows a password.
func ParseURL(text string) (*url.URL, error) {
	if strings.Contains(text, "@") || strings.Contains(text, "%40") { // before the parser can quote it
		return nil, userInfo()
	}
	switch {
	case strings.Count(text, "://") > 1:
		return nil, &URLError{text, severalURLs, listHint}
	case strings.ContainsFunc(text, unicode.IsSpace):
		return nil, &URLError{text, " has a blank in it", "write it like mqtt://127.0.0.1:1883, without blanks"}
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, &URLError{text, " is not a broker URL", likeHint(text)}
	}
	if err := checkURL(u, text); err != nil {
		return nil, err
	}
	if u.Scheme != "unix" {
		u.Host = address(u)
	}
	return u, nil
}

const (
	severalURLs = " is more than one URL"
	listHint    = "write a list: [mqtt://one.example.org, mqtt://two.example.org]"
)

func userInfo() error {
	return &URLError{"", " takes no user name or password", "write broker.username and broker.password"}
}

// checkURL reports what is wrong with a broker's URL, which was written as text.
func checkURL(u *url.URL, text string) error {
	wrong := func(message, hint string) error { return &URLError{text, message, hint} }
	switch {
	case u.User != nil:
		return userInfo() // which would be logged
	case u.Scheme == "" || u.Opaque != "":
		return wrong(" is not a broker URL", likeHint(text))
	case !slices.Contains(Schemes(), u.Scheme):
		return wrong(" does not begin with a broker's scheme", spelling.DidYouMean(u.Scheme, Schemes()))
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return wrong(" goes on after a #", "leave out the # and what follows")
	case u.Scheme == "unix" && u.Host+u.Path == "":
		return wrong(" names no socket", likeHint(text))
	case u.Scheme == "unix":
		return nil
	case u.Scheme != "ws" && u.Scheme != "wss" && (strings.Trim(u.Path, "/") != "" || u.RawQuery != ""):
		return wrong(" has a path, which only ws and wss take", "end it with the host or the port")
	}
	return checkHost(u, wrong)
}

// checkHost reports what is wrong with the host and port of u.
func checkHost(u *url.URL, wrong func(message, hint string) error) error {
	switch host := u.Hostname(); {
	case host == "":
		return wrong(" names no host", likeHint(u.Scheme+"://"))
	case strings.Contains(host, ","):
		return wrong(severalURLs, listHint)
	case !strings.HasPrefix(u.Host, "[") && strings.Count(u.Host, ":") > 1:
		if _, err := netip.ParseAddr(u.Host); err == nil {
			return wrong(" has an IPv6 address without brackets", "write it like "+u.Scheme+"://[::1]:"+DefaultPort(u.Scheme))
		}
		return wrong(" has more than one port", likeHint(u.Scheme+"://"))
	case strings.ContainsAny(host, "!$&'()*+;=\"<>{}|\\^`"):
		return wrong(" has a character that no host name has", likeHint(u.Scheme+"://"))
	}
	if n, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || n < 1 || n > 65535) {
		return wrong(" has a port that is not within 1 to 65535", likeHint(u.Scheme+"://"))
	}
	return nil
}

// likeHint shows how a URL of the scheme is written that text begins with.
func likeHint(text string) string {
	name, _, _ := strings.Cut(text, "://")
	switch port := DefaultPort(name); {
	case name == "unix":
		return "write it like unix:///run/mosquitto/mqtt.sock"
	case port != "":
		return "write it like " + name + "://127.0.0.1:" + port
	}
	return "write it like mqtt://127.0.0.1:1883"
}

// address is the host and port of u, which has passed checkURL and is not of a socket.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = DefaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}
