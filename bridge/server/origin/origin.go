// Package origin reads the origins of web pages and the names of hosts, and compares them.
package origin

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Null is the origin of pages that have none of their own: a file, a sandboxed frame.
const Null = "null"

// anyPort is the port of an allowed origin that stands for every port.
const anyPort = "*"

// An Origin is where a page comes from (RFC 6454, 4). Two of them are the same if they are equal:
// letter case, the scheme's own port and the spelling of an IPv6 address make no difference.
type Origin struct {
	scheme string // "" for Null
	host   string // "" where the scheme has none: file://
	port   string // "" for the scheme's own
}

// An Error is why a text is not an origin or not a host, and what to write instead.
type Error struct {
	Message string
	Hint    string // may be empty
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func refuse(hint, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), hint}
}

const example = "write it like https://app.example.org"

// Parse reads an origin: "null", or scheme://host[:port].
func Parse(text string) (Origin, error) {
	if text == Null {
		return Origin{}, nil
	}
	scheme, rest, found := strings.Cut(strings.ToLower(text), "://")
	if !found || !isScheme(scheme) {
		return Origin{}, refuse(example, "%q is not an origin", text)
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		return Origin{}, refuse("write "+scheme+"://"+rest[:i], "an origin ends with the host or the port, %q does not", text)
	}
	if rest == "" && !web(scheme) { // file://, and what apps make up
		return Origin{scheme: scheme}, nil
	}
	host, port, err := splitPort(rest)
	if err != nil {
		return Origin{}, refuse(example, "%q is not an origin: %s", text, err)
	}
	if host, err = cleanHost(host); err != nil {
		return Origin{}, refuse(example, "%q is not an origin: %s", text, err)
	}
	if port == defaultPorts[scheme] {
		port = ""
	}
	return Origin{scheme, host, port}, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// web reports whether pages of the scheme always have a host.
func web(scheme string) bool { return defaultPorts[scheme] != "" }

// isScheme reports whether text is a scheme in lower case (RFC 3986, 3.1).
func isScheme(text string) bool {
	for i, r := range text {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || strings.ContainsRune("+-.", r))) {
			return false
		}
	}
	return text != ""
}

// splitPort splits host[:port], without leading zeros of the port.
func splitPort(text string) (host, port string, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 || strings.IndexByte(text[colon:], ']') >= 0 {
		return text, "", nil
	}
	host, port = text[:colon], text[colon+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '+' {
		return "", "", fmt.Errorf("%q is not a port", port)
	}
	return host, strconv.FormatUint(n, 10), nil
}

// cleanHost returns a host in the one form that is compared.
func cleanHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return "", fmt.Errorf("%q is not an IPv6 address in brackets", host)
		}
		return "[" + a.String() + "]", nil
	}
	host = strings.ToLower(host)
	switch {
	case host == "":
		return "", fmt.Errorf("it has no host")
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return "", fmt.Errorf("write the host as browsers send it, with xn--")
	case strings.ContainsFunc(host, notInHost):
		return "", fmt.Errorf("%q is not a host", host)
	}
	return host, nil
}

func notInHost(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
}
