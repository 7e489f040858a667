package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server/origin"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/topic"
)

// A kind is what a setting's value may be.
type kind struct {
	name   string         // as the reference says it
	schema map[string]any // as JSON Schema says it
	parse  func(text string) (any, error)
	path   bool   // the loader makes it absolute
	listed bool   // a comma in a single value is a mistake: several are a list
	null   string // why an unquoted null is a mistake here; "": it leaves the default
}

func stringSchema() map[string]any { return map[string]any{"type": "string"} }

// wordSchema allows what YAML takes for a number or a yes: it is text here.
func wordSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// text is any text, also none.
func text() kind {
	return kind{name: "text", schema: wordSchema(), parse: func(s string) (any, error) { return s, checkText(s) }}
}

// name is text that cannot be empty.
func name() kind {
	schema := wordSchema()
	schema["minLength"] = 1
	return kind{name: "text", schema: schema, parse: func(s string) (any, error) {
		if s == "" {
			return nil, refuse("leave the key out for its default", "must not be empty")
		}
		return s, checkText(s)
	}}
}

// oneWord is text in which a comma would be meant to separate several.
func oneWord() kind {
	k := text()
	k.listed = true
	return k
}

// claim is the name of a claim, or the path to it.
func claim() kind {
	k := name()
	parse := k.parse
	k.name = "claim"
	k.parse = func(s string) (any, error) {
		if _, err := parse(s); err != nil {
			return nil, err
		}
		if err := auth.CheckClaim(s); err != nil {
			return nil, refuseValue(`write it like groups, realm_access.roles or '"https://example.org/roles"'`, s, " names no claim")
		}
		return s, nil
	}
	return k
}

// checkText holds text to what an MQTT text or a header can carry.
func checkText(s string) error {
	m := topic.CheckText(s)
	if m == nil {
		return nil
	}
	r := refuse(m.Hint, "%s", m.Message)
	r.offset, r.width = m.Offset, m.Width
	return r
}

// with is k for a text that the bridge puts something behind, which has to fit too.
func (k kind) with(longest string) kind {
	parse := k.parse
	k.parse = func(s string) (any, error) {
		v, err := parse(s)
		if err == nil {
			err = checkText(s + longest)
		}
		return v, err
	}
	return k
}

func secret() kind {
	return kind{name: "secret", schema: wordSchema(), parse: func(s string) (any, error) {
		if s == "" {
			return nil, refuse("leave the key out to have none", "the secret is empty")
		}
		return Secret(s), nil
	}}
}

// path is the name of a file or directory.
func path() kind {
	k := text()
	k.name, k.path = "path", true
	return k
}

func pattern() kind {
	return kind{name: "path with * ? [a-z]", path: true, schema: map[string]any{"type": "string", "minLength": 1}, parse: func(s string) (any, error) {
		if _, err := filepath.Match(s, ""); err != nil || s == "" {
			return nil, refuseValue("write it like rules.d/*.yaml", s, " is not a pattern of file names")
		}
		return s, nil
	}}
}

func boolean() kind {
	return kind{name: "true or false", schema: map[string]any{"type": "boolean"}, parse: func(s string) (any, error) {
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, refuseValue("write true or false", s, " is neither true nor false")
	}}
}

func oneOf(values ...string) kind {
	return kind{name: strings.Join(values, ", "), schema: map[string]any{"enum": values}, parse: func(s string) (any, error) {
		for _, v := range values {
			if s == v {
				return v, nil
			}
		}
		hint := ""
		if near := spelling.Nearest(s, values); near != "" {
			hint = spelling.DidYouMean(s, []string{near})
		}
		return nil, refuseValue(hint, s, " is not one of %s", strings.Join(values, ", "))
	}}
}

func level() kind {
	k := oneOf("debug", "info", "warn", "error")
	choose := k.parse
	k.parse = func(s string) (any, error) {
		if _, err := choose(s); err != nil {
			return nil, err
		}
		var l slog.Level // UnmarshalText cannot fail after that
		err := l.UnmarshalText([]byte(s))
		return l, err
	}
	return k
}

func integer(from, to int) kind {
	schema := map[string]any{"type": "integer", "minimum": from, "maximum": to}
	return kind{name: fmt.Sprintf("number, %d to %d", from, to), schema: schema, parse: func(s string) (any, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, refuseValue("", s, " is not a whole number")
		}
		if n < from || n > to {
			return nil, refuseValue("", s, " is not within %d to %d", from, to)
		}
		return n, nil
	}}
}

// duration lies within from and to. It is a multiple of step, which is what the protocol can say.
func duration(step, from, to time.Duration) kind {
	bounds := fmt.Sprintf("%s to %s", formatDuration(from), formatDuration(to))
	schema := map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	return kind{name: "duration, " + bounds, schema: schema, parse: func(s string) (any, error) {
		d, err := parseDuration(s)
		switch {
		case err != nil:
			return nil, err
		case d < from || d > to:
			return nil, refuseValue("", s, " is not within %s", bounds)
		case d%step != 0:
			return nil, refuseValue("", s, " is not a multiple of %s", formatDuration(step))
		}
		return d, nil
	}}
}

func size(from, to Bytes) kind {
	bounds := fmt.Sprintf("%s to %s", from, to)
	schema := map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]+ *([kKMGT]i?)?B?$`}
	return kind{name: "size, " + bounds, schema: schema, parse: func(s string) (any, error) {
		b, err := parseBytes(s)
		switch {
		case err != nil:
			return nil, err
		case b < from || b > to:
			return nil, refuseValue("", s, " is not within %s", bounds)
		}
		return b, nil
	}}
}

func brokerURL() kind {
	schemes := strings.Join(mqtt.Schemes(), "|")
	schema := map[string]any{"type": "string", "pattern": "^(" + schemes + ")://"}
	return kind{name: "URL: " + strings.ReplaceAll(schemes, "|", ", "), schema: schema, parse: func(s string) (any, error) {
		u, err := mqtt.ParseURL(s)
		switch e := (*mqtt.URLError)(nil); {
		case errors.As(err, &e) && e.URL == "":
			return nil, refuse(e.Hint, "%s", e)
		case e != nil:
			return nil, refuseValue(e.Hint, s, "%s", e.Message)
		}
		return u, err
	}}
}

// natsURL is where a NATS server is.
func natsURL() kind {
	return plainURL("write it like nats://nats:4222", "nats", "tls", "ws", "wss")
}

// monitorURL is where a NATS server tells of itself.
func monitorURL() kind {
	return plainURL("write it like http://nats:8222", "http", "https")
}

// plainURL is a scheme, a host and perhaps a port.
func plainURL(hint string, schemes ...string) kind {
	schema := map[string]any{"type": "string", "pattern": "^(" + strings.Join(schemes, "|") + ")://"}
	return kind{name: "URL: " + strings.Join(schemes, ", "), schema: schema, parse: func(s string) (any, error) {
		u, err := url.Parse(s)
		switch {
		case strings.Contains(s, "@"):
			return nil, refuse("use username and password_file", "a user name and a password have no place in the URL")
		case err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "":
			return nil, refuseValue(hint, s, " is not a URL with %s", strings.Join(schemes, ", "))
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			return nil, refuseValue(hint, s, " has more than a host and a port")
		}
		if port := u.Port(); port != "" {
			err = checkPort(port)
		}
		return &url.URL{Scheme: u.Scheme, Host: u.Host}, err
	}}
}

// natsName is a name that can be a part of the names of streams and subjects.
func natsName() kind {
	return kind{name: "letters, digits, - and _", schema: map[string]any{"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"}, parse: func(s string) (any, error) {
		if !jetstream.ValidName(s) {
			return nil, refuseValue("write it like inbox or inbox-2", s, " may have letters, digits, - and _ only, 100 at most")
		}
		return s, nil
	}}
}

// natsID is a name that can be a part of the name of a key.
func natsID() kind {
	return kind{name: "letters, digits, dots, - and _", schema: stringSchema(), parse: func(s string) (any, error) {
		if s != "" && !jetstream.ValidID(s) {
			return nil, refuseValue("write it like bridge-1", s, " may have letters, digits, dots between them, - and _ only")
		}
		return s, nil
	}}
}

// keysURL is where a key set is published.
func keysURL() kind {
	schema := map[string]any{"type": "string", "pattern": "^https?://"}
	return kind{name: "URL: https", schema: schema, parse: func(s string) (any, error) {
		u, err := url.Parse(s)
		switch {
		case s == "":
			return s, nil
		case strings.Contains(s, "@"):
			return nil, refuse("", "a key set's URL takes no user name or password")
		case err != nil:
			return nil, refuseValue("write it like https://id.example.org/jwks.json", s, " is not a URL")
		}
		if u.Scheme != "http" && u.Scheme != "https" { // CheckKeysURL would quote it
			return nil, refuseValue("write it like https://id.example.org/jwks.json", s, " does not begin with https://")
		}
		if err := auth.CheckKeysURL(u, true); err != nil { // whether http will do, checkKeysURL says
			return nil, refuseValue("write it like https://id.example.org/jwks.json", s, ": %s", err)
		}
		return s, nil
	}}
}

// requiredClaim is a claim and its value. Its name may hold anything but "=", and in quotes that
// too.
func requiredClaim() kind {
	schema := map[string]any{"type": "string", "pattern": "^[^=]+=."}
	return kind{name: "CLAIM=VALUE", schema: schema, parse: func(s string) (any, error) {
		required, err := auth.ParseRequiredClaim(s)
		if err != nil {
			return nil, refuseValue("write it like tenant=acme", s, " is not CLAIM=VALUE")
		}
		return required, checkText(s)
	}}
}

// address is where to listen: host:port, the host perhaps empty for all.
func address() kind {
	return kind{name: "host:port", schema: stringSchema(), parse: func(s string) (any, error) {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return nil, refuseValue("write it like 127.0.0.1:8080, or :8080 for all interfaces", s, " is not host:port")
		}
		return s, checkPort(port)
	}}
}

func checkPort(port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return refuseValue("", port, " is not a port")
	}
	return nil
}

// addressOrNone is an address, or "" for no listener at all.
func addressOrNone() kind {
	k := address()
	k.name = `host:port, or ""`
	listen := k.parse
	k.parse = func(s string) (any, error) {
		if s == "" {
			return s, nil
		}
		return listen(s)
	}
	return k
}

// hostName is a name without a port, or "*" for all.
func hostName() kind {
	return kind{name: "host name, or *", schema: stringSchema(), parse: func(s string) (any, error) {
		if s != "*" && !hostNames.MatchString(s) {
			return nil, refuse("write it like bridge.example.org, without scheme and port", "%q is not a host name", s)
		}
		return s, nil
	}}
}

var hostNames = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func urlPath() kind {
	return kind{name: "URL path", schema: map[string]any{"type": "string", "pattern": "^/"}, parse: func(s string) (any, error) {
		u, err := url.Parse(s)
		if err != nil || u.Path != s || !strings.HasPrefix(s, "/") || strings.ContainsAny(s, "{} ") {
			return nil, refuseValue("write it like /ws.communication", s, " is not the path of a URL")
		}
		return s, nil
	}}
}

// allowedOrigin is an origin of pages, or a pattern of them.
func allowedOrigin() kind {
	k := kind{name: "origin", schema: stringSchema(), parse: func(s string) (any, error) {
		_, err := origin.NewAllowed([]string{s})
		return s, refusedOrigin(err)
	}}
	k.null = `an unquoted null is no value in YAML; write "null", in quotes, for the origin null`
	return k
}

// servedHost is a name or an address without a port.
func servedHost() kind {
	return kind{name: "host", schema: stringSchema(), parse: func(s string) (any, error) {
		_, err := origin.NewHosts([]string{s})
		return s, refusedOrigin(err)
	}}
}

func refusedOrigin(err error) error {
	var e *origin.Error
	if errors.As(err, &e) {
		return refuse(e.Hint, "%s", e.Message)
	}
	return err
}

// network is an address or a network, both as a netip.Prefix.
func network() kind {
	return kind{name: "address or network", schema: stringSchema(), parse: func(s string) (any, error) {
		if a, err := netip.ParseAddr(s); err == nil {
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, refuseValue("write it like 10.1.2.3 or 10.0.0.0/8", s, " is no address and no network")
		}
		if p != p.Masked() {
			return nil, refuseValue("write "+p.Masked().String(), s, " has bits beyond its mask")
		}
		return p, nil
	}}
}

// baseTopic is a topic that the bridge publishes below.
func baseTopic() kind {
	return kind{name: "MQTT topic", schema: map[string]any{"type": "string", "minLength": 1}, parse: func(s string) (any, error) {
		switch {
		case s == "":
			return nil, refuse("leave the key out for its default", "must not be empty")
		case strings.ContainsAny(s, "+#"):
			return nil, refuseValue("", s, ": + and # have no place in a topic to publish to")
		case strings.HasPrefix(s, "$"), strings.HasPrefix(s, "/"), strings.HasSuffix(s, "/"):
			return nil, refuseValue("", s, " must not begin with $ nor begin or end with /")
		}
		return s, checkText(s)
	}}
}
