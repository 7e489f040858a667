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
