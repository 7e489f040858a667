package mapping_test

import (
	"io/fs"
	"os"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// received is when the events of the tests were received.
var received = time.Date(2026, 3, 4, 5, 6, 7, 890_123_456, time.UTC)

// compile compiles the rules of one YAML file, beside which there are the files of readBeside.
func compile(name, text string) (*mapping.Mapper, *source.Report) {
	return compileWith(name, text, mapping.Options{ReadFile: readBeside})
}

var filesBeside = map[string]string{
	"frame.cbor":              "\xa2\x61a\x01\x61b\x42\x00\xff",
	"event.proto":             "syntax = \"proto3\";\npackage test;\nimport \"part.proto\";\nmessage Event { Part part = 1; uint64 n = 2; }\n",
	"part.proto":              "syntax = \"proto3\";\npackage test;\nmessage Part { bytes id = 1; }\n",
	"protos/up.proto":         "syntax = \"proto3\";\npackage test;\nimport \"part.proto\";\nimport \"below/deep.proto\";\nmessage Up { Part part = 1; Deep deep = 2; }\n",
	"protos/below/deep.proto": "syntax = \"proto3\";\npackage test;\nimport \"google/protobuf/timestamp.proto\";\nmessage Deep { google.protobuf.Timestamp at = 1; }\n",
	"protos/import.proto":     "syntax = \"proto3\";\npackage test;\nimport \"nowhere.proto\";\n",
	"broken.proto":            "syntax = \"proto3\";\npackage test;\nmessage Event {\n  strin a = 1;\n  Part b = 2;\n}\n",
	"empty.proto":             "syntax = \"proto3\";\n",
}

// readBeside reads one of the files that rules and tests can name.
func readBeside(name string, most int) ([]byte, error) {
	if name == "large.bin" {
		return make([]byte, most), nil
	}
	data, ok := filesBeside[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(data[:min(most, len(data))]), nil
}

func compileWith(name, text string, opts mapping.Options) (*mapping.Mapper, *source.Report) {
	report := new(source.Report)
	s := mapping.ParseSource(name, []byte(text), report)
	mapping.CompileAccess([]mapping.Source{s}, report)
	m := mapping.Compile([]mapping.Source{s}, opts, report)
	if os.Getenv(byEngine) != "" {
		mapping.UseEngine(m)
	}
	return m, report
}

// byEngine is set where the tests are to run with UseEngine.
const byEngine = "MAPPING_TEST_BY_ENGINE"

// mapper compiles rules that hold no mistake; warnings are allowed.
func mapper(t testing.TB, text string) *mapping.Mapper {
	t.Helper()
	m, report := compile("rules.yaml", text)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// ids of the tests.
const (
	idA = "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
	idB = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22"
	idC = "0f0e5b1c-6a0d-4c55-9b3e-2f6f2d1c9a77"
)

func event(topic, payload string) mapping.Event {
	return mapping.Event{Topic: topic, Payload: []byte(payload), Received: received}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
