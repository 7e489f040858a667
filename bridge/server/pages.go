package server

import (
	"net/http"

	"mqtt-stomp-bridge/bridge/server/origin"
)

// Causes of refusals, for the counter.
const (
	foreignOrigin = "origin is not allowed"
	foreignHost   = "host is not allowed"
)

// checkPage returns why the page that a handshake comes from may not connect, nil if it may. A
// request without an Origin header does not come from a page.
func (p *Policy) checkPage(r *http.Request) *refusal {
	origins := r.Header.Values("Origin")
	own := len(origins) == 1 && origin.Same(origins[0], r.Host)
	switch {
	case !p.Hosts.None() && !p.Hosts.Has(r.Host):
		return refuseHost(r, "add this host to server.hosts")
	case len(origins) == 0 || len(origins) == 1 && (origins[0] == "" || p.Origins.Has(origins[0])):
		return nil
	case !own:
		return refuseOrigin(r)
	case p.Anonymous && p.Hosts.None() && !origin.Local(r.Host):
		// Whoever owns a name can have it resolve to this machine, and a page of that name is then
		// at its own origin (DNS rebinding). Nothing else would stop it where no token is needed.
		return refuseHost(r, "with auth.anonymous, add this host to server.hosts, or the page's origin to server.allowed_origins")
	}
	return nil
}

func refuseHost(r *http.Request, hint string) *refusal {
	why := refuse(http.StatusForbidden, foreignHost)
	why.attrs = []any{"host", r.Host, "hint", hint}
	return why
}

func refuseOrigin(r *http.Request) *refusal {
	header := r.Header.Get("Origin")
	why := refuse(http.StatusForbidden, foreignOrigin)
	hint := "add this origin to server.allowed_origins"
	if header == origin.Null {
		hint = `many kinds of pages have the origin null; if yours does, add "null", in quotes, to server.allowed_origins`
	}
	why.attrs = []any{"origin", header, "hint", hint}
	return why
}
