package origin

import (
	"net/netip"
	"slices"
	"strings"
)

// Hosts are names under which a server answers. The zero value holds none.
type Hosts struct {
	exact    map[string]bool
	suffixes []string // of *.example.org
}

// NewHosts reads a list of names or addresses without ports; "*." may stand for one or more first
// labels. Errors are of type *Error.
func NewHosts(list []string) (Hosts, error) {
	all := Hosts{exact: map[string]bool{}}
	for _, text := range list {
		name, wild := strings.CutPrefix(text, "*.")
		host, err := parseHost(name)
		switch {
		case err != nil:
			return Hosts{}, err
		case wild:
			all.suffixes = append(all.suffixes, "."+host)
		default:
			all.exact[host] = true
		}
	}
	return all, nil
}

// parseHost reads a name or an address; an IPv6 address may stand without brackets.
func parseHost(text string) (string, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
		text = "[" + text + "]"
	}
	const hint = "write it like inbox.example.org, *.example.org or 10.1.2.3"
	name, port, err := splitPort(text)
	if err != nil {
		return "", refuse(hint, "%q is not a host", text)
	}
	host, err := cleanHost(name)
	switch {
	case err != nil:
		return "", refuse(hint, "%q is not a host: %s", text, err)
	case port != "":
		return "", refuse("write "+name, "%q: a host stands here without its port", text)
	}
	return strings.TrimSuffix(host, "."), nil
}

// None reports whether there are none.
func (h Hosts) None() bool { return len(h.exact)+len(h.suffixes) == 0 }

// Has reports whether a Host header names one of them, with any port.
func (h Hosts) Has(header string) bool {
	name := hostName(header)
	if h.exact[name] {
		return true
	}
	for _, suffix := range h.suffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// privateDomains are those in which nobody outside can own a name.
var privateDomains = []string{".localhost", ".internal", ".svc", ".cluster.local"}

// Local reports whether a Host header names the server by an address, a name without a dot or one
// in a private domain. No web site can have a name of its own lead there (DNS rebinding).
func Local(header string) bool {
	name := hostName(header)
	if name == "" {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || !strings.Contains(name, ".") {
		return true
	}
	return slices.ContainsFunc(privateDomains, func(domain string) bool { return strings.HasSuffix(name, domain) })
}

// hostName returns the host of a Host header, "" when it has none.
func hostName(header string) string {
	name, _, err := splitPort(header)
	if err != nil || len(name) > maxHeader {
		return ""
	}
	host, err := cleanHost(name)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(host, ".")
}
