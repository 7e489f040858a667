package mapping_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

// events reads a file of events, one JSON object a line.
func events(t *testing.T, name string) (events []mapping.Event) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(readFile(t, name)), "\n") {
		var e struct {
			Topic, Text string
			Payload     json.RawMessage
			User        map[string]string
			Retained    bool
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e.Payload == nil {
			e.Payload = json.RawMessage(e.Text)
		}
		events = append(events, mapping.Event{Topic: e.Topic, Payload: e.Payload, User: e.User, Retained: e.Retained, Received: received})
	}
	return events
}

// TestExplain prints the traces of the documentation's events, and holds what Explain gives against
// what Map gives.
func TestExplain(t *testing.T) {
	files, _ := filepath.Glob("testdata/trace/*.yaml")
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			m, report := compile(filepath.Base(name), readFile(t, name))
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			stem := strings.TrimSuffix(name, ".yaml")
			for _, e := range events(t, stem+".jsonl") {
				trace := m.Explain(e)
				if err := trace.Format(&got); err != nil {
					t.Fatal(err)
				}
				got.WriteString("\n")
				if diff := cmp.Diff(m.Map(e), trace.Result); diff != "" {
					t.Errorf("Explain does not do what Map does (-map +explain):\n%s", diff)
				}
			}
			golden(t, stem+".txt", got.String())
		})
	}
}
