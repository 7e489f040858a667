package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// readPayload reads how the payload is encoded: a name, or a map of one name with its options.
func (c *ruleCompiler) readPayload() {
	c.rule.encoding = c.all.encodings[payload.Default]
	if p, ok := c.keys.pairs["payload"]; ok {
		if e := c.encoding(p.Value); e != nil {
			c.rule.encoding = e
		}
	}
	c.names.encoding = c.rule.encoding
}

// encoding returns the encoding that n names; nil when it is wrong.
func (c *ruleCompiler) encoding(n *yaml.Node) *payload.Encoding {
	switch {
	case n.Kind == yaml.MappingNode:
		return c.encodingWithOptions(n)
	case n.Kind != yaml.ScalarNode || source.Null(n):
		c.in.errorf(n, "write payload: json, or {json: lenient}", "payload takes one text, or a kind with its options, not %s", source.Describe(n))
		return nil
	}
	e := c.all.encodings[n.Value]
	if e == nil || strings.HasPrefix(e.Name, "{") {
		hint := spelling.DidYouMean(n.Value, append(payloadKinds(), "{json: lenient}", protobufKind))
		switch other := otherKinds[strings.ToLower(n.Value)]; {
		case strings.HasPrefix(n.Value, "{"):
			hint = "write it without the quotes"
		case other != "":
			hint = "write payload: " + other
		}
		c.in.errorf(n, hint, "no payload kind %q", n.Value)
		return nil
	}
	return e
}

const protobufKind = "{protobuf: FILE.proto, message: PACKAGE.NAME}"

// otherKinds maps what others call a kind of payload to what a rule writes.
var otherKinds = map[string]string{
	"application/json": "json", "json5": "{json: lenient}", "jsonc": "{json: lenient}", "lenient": "{json: lenient}",
	"string": "text", "plain": "text", "text/plain": "text", "utf8": "text", "utf-8": "text",
	"urlencoded": "form", "x-www-form-urlencoded": "form", "application/x-www-form-urlencoded": "form",
	"text/csv": "csv", "tsv": "{csv: {comma: tab}}", "application/cbor": "cbor", "messagepack": "msgpack", "message-pack": "msgpack",
	"binary": "bytes", "raw": "bytes", "application/octet-stream": "bytes", "protobuf": protobufKind, "proto": protobufKind, "any": "ignore", "none": "ignore", "null": "empty",
}

// payloadKinds returns the names that a rule may give as payload.
func payloadKinds() []string {
	var names []string
	for _, e := range payload.Named() {
		names = append(names, e.Name)
	}
	return names
}

// encodingWithOptions returns the encoding of a map such as {json: lenient}.
func (c *ruleCompiler) encodingWithOptions(n *yaml.Node) *payload.Encoding {
	pairs := slices.DeleteFunc(c.in.pairs(n, "payload"), func(p source.Pair) bool { return c.in.tagged(p.Value) })
	var kind source.Pair
	var message *yaml.Node // of protobuf
	for _, p := range pairs {
		switch name := p.Key.Value; {
		case name == "message":
			message = p.Value
		case !c.hasOptions(p.Key):
			return nil
		case kind.Key != nil:
			c.in.errorf(p.Key, "write two rules for two kinds", "payload has one kind, not %s and %s", kind.Key.Value, name)
			return nil
		default:
			kind = p
		}
	}
	switch {
	case kind.Key == nil:
		c.in.errorf(n, "write payload: json, {json: lenient}, or {protobuf: FILE.proto, message: PACKAGE.NAME}", "payload names no kind")
		return nil
	case kind.Key.Value == "protobuf":
		return c.protobuf(kind, message)
	case message != nil:
		c.in.errorf(message, "remove it", "message goes with protobuf, not with %s", kind.Key.Value)
		return nil
	case kind.Key.Value == "csv":
		return c.csv(kind.Value)
	}
	return c.jsonWithOptions(kind.Value)
}

// hasOptions reports whether the key is a kind that takes options, or says what is wrong with it.
func (c *ruleCompiler) hasOptions(key *yaml.Node) bool {
	known := []string{"json", "csv", "protobuf", "message"}
	switch kind := key.Value; {
	case slices.Contains(known, kind):
		return true
	case slices.Contains(payloadKinds(), kind):
		c.in.errorf(key, "write payload: "+kind, "%s has no options", kind)
	default:
		c.in.errorf(key, spelling.DidYouMean(kind, known), "no payload kind %q with options", kind)
	}
	return false
}

func (c *ruleCompiler) jsonWithOptions(n *yaml.Node) *payload.Encoding {
	if n.Kind != yaml.ScalarNode || n.Value != "lenient" {
		c.in.errorf(n, "write payload: json for JSON as it is defined, {json: lenient} for what devices make of it",
			"json takes lenient, not %s", source.Describe(n))
		return nil
	}
	return c.shared(payload.LenientJSON())
}

func (c *ruleCompiler) csv(n *yaml.Node) *payload.Encoding {
	if n.Kind != yaml.MappingNode {
		c.in.errorf(n, `write {csv: {header: true, comma: ";"}}, or payload: csv`, "csv takes header and comma, not %s", source.Describe(n))
		return nil
	}
	options := payload.CSV{Comma: ','}
	keys := c.in.keys(n, "csv", []string{"header", "comma"})
	if p, ok := keys.pairs["header"]; ok {
		if options.Header = p.Value.Value == "true"; p.Value.Kind != yaml.ScalarNode || !options.Header && p.Value.Value != "false" {
			c.in.errorf(p.Value, "true: the first row names the columns", "header is true or false, not %s", source.Describe(p.Value))
		}
	}
	if p, ok := keys.pairs["comma"]; ok {
		text := p.Value.Value
		if text == "tab" || text == `\t` {
			text = "\t"
		}
		r, size := utf8.DecodeRuneInString(text)
		if options.Comma = r; p.Value.Kind != yaml.ScalarNode || size != len(text) || !payload.ValidComma(r) {
			c.in.errorf(p.Value, `write comma: ";" or comma: tab`, "comma is one character, and no quote, not %s", source.Describe(p.Value))
			return nil
		}
	}
	return c.shared(options.Encoding())
}

// shared returns the encoding of that name that all rules share.
func (c *ruleCompiler) shared(e *payload.Encoding) *payload.Encoding {
	if before := c.all.encodings[e.Name]; before != nil {
		return before
	}
	c.all.encodings[e.Name] = e
	return e
}
