package ops

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// AnyHost in Options.Hosts has the endpoint answer to every name.
const AnyHost = "*"

// names are the host names, in lower case, that the endpoint answers to beside those that a
// stranger cannot have lead here.
type names map[string]bool

func newNames(hosts []string) names {
	n := names{}
	for _, h := range hosts {
		n[strings.ToLower(h)] = true
	}
	return n
}

// Named refuses requests for host names that a stranger can have lead here and that are none of
// hosts, as Handler does.
func Named(next http.Handler, hosts ...string) http.Handler { return newNames(hosts).guard(next, "") }

// guard refuses requests for names that are not the endpoint's. A page of a site whose name leads
// to this address (DNS rebinding) could read everything here through its visitor's browser.
func (n names) guard(next http.Handler, hint string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.own(r.Host) {
			http.Error(w, "this endpoint does not answer to that host name"+hint, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// private are the ends of names that no registry sells: of this machine, of private networks, and
// of Kubernetes.
var private = []string{".localhost", ".internal", ".svc", ".cluster.local"}

// own reports whether a request for this host is answered. A stranger can have neither an address
// nor a name of one label lead here, and Prometheus may use both. Without a host the request is not
// a browser's.
func (n names) own(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return true
	}
	endsIn := func(end string) bool { return strings.HasSuffix(name, end) }
	return slices.ContainsFunc(private, endsIn) || n[name] || n[AnyHost]
}

// changing is for the handlers of requests that change something: the endpoint asks for no
// password, so they must come from the bridge's own machine, and not from a page that a browser
// shows there.
func changing(h http.HandlerFunc) http.Handler {
	var origin http.CrossOriginProtection
	return origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r) {
			http.Error(w, "this must come from the bridge's own machine", http.StatusForbidden)
			return
		}
		h(w, r)
	}))
}

// local reports whether the request comes from this machine, and not through a proxy on it.
func local(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}
