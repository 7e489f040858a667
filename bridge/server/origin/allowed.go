package origin

import "strings"

// Any is the entry of an allow-list that stands for every origin.
const Any = "*"

// Allowed are origins that may do something. The zero value holds none.
type Allowed struct {
	any      bool
	patterns []pattern
}

// A pattern is one entry of a list.
type pattern struct {
	origin  Origin // the host without "*" where wild is set
	wild    bool   // the host is what the origin's host must end with
	anyPort bool
}

// NewAllowed reads a list of origins as Parse does. Beside these it may hold "*" for all, "*." as
// the first labels of a host for one or more labels, and ":*" for every port. Errors are of type
// *Error.
func NewAllowed(list []string) (Allowed, error) {
	var all Allowed
	for _, text := range list {
		if text == Any {
			all.any = true
			continue
		}
		p, err := parsePattern(text)
		if err != nil {
			return Allowed{}, err
		}
		all.patterns = append(all.patterns, p)
	}
	return all, nil
}

func parsePattern(text string) (pattern, error) {
	var p pattern
	plain, anyPort := strings.CutSuffix(text, ":"+anyPort)
	p.anyPort = anyPort
	if scheme, host, found := strings.Cut(plain, "://*."); found {
		p.wild = true
		plain = scheme + "://" + host
	}
	if strings.Contains(plain, "*") {
		return p, refuse("write it like https://*.example.org or http://localhost:*",
			"%q: * stands only for the first labels of the host, or for the port", text)
	}
	origin, err := Parse(plain)
	if err != nil {
		return p, patternError(err.(*Error), text, plain)
	}
	switch origin.scheme {
	case "ws", "wss":
		page := strings.Replace(origin.scheme, "ws", "http", 1)
		return p, refuse("write "+page+strings.TrimPrefix(strings.ToLower(text), origin.scheme), "%q: an origin is that of a page, whose scheme is http or https", text)
	}
	if origin.host == "" && (p.wild || p.anyPort) {
		return p, refuse(example, "%q is not an origin", text)
	}
	if p.wild {
		origin.host = "." + origin.host
	}
	p.origin = origin
	return p, nil
}

// patternError has the message and the hint show what was written, with its wildcards.
func patternError(e *Error, text, plain string) error {
	if text != plain {
		return refuse("write it like https://*.example.org or http://localhost:*", "%q is not an origin", text)
	}
	return e
}

// Has reports whether a page with this Origin header is among them. A header that is not an origin
// is only where all are.
func (a Allowed) Has(header string) bool {
	if a.any {
		return true
	}
	o, ok := parseHeader(header)
	if !ok {
		return false
	}
	for _, p := range a.patterns {
		if p.matches(o) {
			return true
		}
	}
	return false
}

func (p pattern) matches(o Origin) bool {
	if p.anyPort {
		o.port = ""
		p.origin.port = ""
	}
	if p.wild {
		return o.scheme == p.origin.scheme && o.port == p.origin.port && strings.HasSuffix(o.host, p.origin.host)
	}
	return o == p.origin
}

// Same reports whether a page with this Origin header was loaded from the host that its request
// names in its Host header. The scheme is not compared: behind a proxy the server does not know it.
func Same(header, host string) bool {
	o, ok := parseHeader(header)
	if !ok || o.host == "" {
		return false
	}
	h, ok := parseHeader(o.scheme + "://" + host)
	return ok && h == o
}

// maxHeader is longer than any origin: a name has 253 characters at most (RFC 1035, 2.3.4).
const maxHeader = 400

// parseHeader parses what a client has sent.
func parseHeader(text string) (Origin, bool) {
	if len(text) > maxHeader { // or its error would quote all of it, in vain
		return Origin{}, false
	}
	o, err := Parse(text)
	return o, err == nil
}
