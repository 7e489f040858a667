package mapping

import (
	"encoding/base64"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/value"
)

// payloadKeys are the keys of a test of which one says the payload of the event.
var payloadKeys = []string{"payload", "text", "base64", "file"}

func (r *testReader) readPayload(e *Event) {
	key := ""
	for _, k := range payloadKeys {
		p, ok := r.keys.pairs[k]
		if ok && key != "" {
			r.in.errorf(p.Key, "payload is YAML that becomes JSON, text is taken as it is, base64 is what it stands for, file is read",
				"a test has %s or %s, not both", key, k)
		}
		if ok && key == "" {
			key = k
		}
	}
	switch key {
	case "payload":
		e.Payload = r.in.data(r.at(key))
	case "text":
		e.Payload = []byte(r.text(key))
	case "base64":
		e.Payload = r.base64(r.at(key))
	case "file":
		e.Payload = r.readFile(r.at(key))
	}
}

// base64 returns the bytes that the text stands for, which may be broken into lines.
func (r *testReader) base64(n *yaml.Node) []byte {
	text := strings.Join(strings.Fields(r.text("base64")), "")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.in.errorf(n, "base64 FILE prints it", "base64: %s is not base64", value.Quote(text))
	}
	return data
}

// readFile returns what is in the file, whose path starts where the YAML file is.
func (r *testReader) readFile(n *yaml.Node) []byte {
	name := r.text("file")
	if name == "" || n.Kind != yaml.ScalarNode {
		return nil // reported, or YAML's null
	}
	data, err := r.files.read(beside(r.in.file.Name, name))
	if err != nil {
		r.in.errorf(n, relativeHint(err), "file: %s: %v", value.Quote(name), err)
	}
	return data
}
