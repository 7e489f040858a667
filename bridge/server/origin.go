package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Origins are the web pages' origins that may connect. The zero value admits the server's own
// alone.
type Origins struct {
	any      bool
	exact    map[string]bool
	suffixes []origin // of https://*.example.org
}

type origin struct{ scheme, suffix string }

// NewOrigins reads a list of origins: scheme://host[:port] in any case, with * as the first label of the host
// for any one or more labels, or "*" for all. The server's own origin is always allowed, and so is
// a client that sends none.
func NewOrigins(list []string) (Origins, error) {
	o := Origins{exact: map[string]bool{}}
	for _, s := range list {
		if s == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(strings.ToLower(s))
		switch {
		case err != nil || u.Scheme == "" || u.Host == "":
			return o, fmt.Errorf("%q is not an origin", s)
		case u.Scheme+"://"+u.Host != strings.ToLower(s):
			return o, fmt.Errorf("an origin ends with the host or the port, %q does not", s)
		}
		host := withoutDefaultPort(u)
		rest, wild := strings.CutPrefix(host, "*.")
		switch {
		case strings.Contains(rest, "*"):
			return o, fmt.Errorf("%q: * stands only for the first labels of the host", s)
		case wild:
			o.suffixes = append(o.suffixes, origin{u.Scheme, "." + rest})
		default:
			o.exact[u.Scheme+"://"+host] = true
		}
	}
	return o, nil
}

// withoutDefaultPort returns the host as browsers have it in an origin: they leave the scheme's own
// port out (RFC 6454, 6.2).
func withoutDefaultPort(u *url.URL) string {
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return strings.TrimSuffix(u.Host, port)
}

// allow reports whether the request's page may connect. A request without an Origin header does not
// come from a page.
func (o *Origins) allow(r *http.Request) bool {
	header := strings.ToLower(r.Header.Get("Origin"))
	if header == "" || o.any || o.exact[header] {
		return true
	}
	u, err := url.Parse(header)
	if err != nil || u.Host == "" {
		return false
	}
	if u.Host == strings.ToLower(r.Host) {
		return true
	}
	for _, w := range o.suffixes {
		if u.Scheme == w.scheme && strings.HasSuffix(u.Host, w.suffix) {
			return true
		}
	}
	return false
}
