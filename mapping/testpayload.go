package mapping

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/value"
)

// payloadKeys are the keys of a test of which one says the payload of the event.
var payloadKeys = []string{"payload", "text", "base64", "file"}

func (r *testReader) readPayload(t *test) {
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
		t.event.Payload = r.in.data(r.at(key))
	case "text":
		t.event.Payload = []byte(r.text(key))
	case "base64":
		t.event.Payload = r.base64(r.at(key))
	case "file":
		t.event.Payload = r.readFile(r.at(key))
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
	switch {
	case name == "" || n.Kind != yaml.ScalarNode:
		return nil // reported, or YAML's null
	case r.files == nil:
		r.in.errorf(n, "write base64: instead", "file: no file can be read here")
		return nil
	}
	data, err := r.files(besides(r.in.file.Name, name), value.MaxPayload+1)
	switch {
	case err == nil && len(data) > value.MaxPayload:
		r.in.errorf(n, "", "file: %s holds more than %d bytes", value.Quote(name), value.MaxPayload)
	case err != nil:
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		r.in.errorf(n, "a relative path starts where this file is", "file: %s: %v", value.Quote(name), err)
	}
	return data
}

// besides returns the path of a file that the named file calls name.
func besides(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}
