package mapping_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
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

// A stopping state ends the time of an event when a rule looks something up.
type stopping struct {
	mapping.State
	stop context.CancelCauseFunc
}

func (s stopping) Recall(string, string) (string, bool) {
	s.stop(errStopped)
	return "", false
}

var errStopped = errors.New("the time is up")

// TestExplainContext stops between rules, and tells which was the last: hundreds that are expensive
// could not be stopped.
func TestExplainContext(t *testing.T) {
	m := mapper(t, silent("seen: {for: 1h}",
		"topic: t\nwhen: payload.a == 1\nremember: {seen: {key: ='a', value: =1}}",
		"topic: t\nremember: {seen: {key: ='b', value: =1}}",
		"topic: u\nremember: {seen: {key: ='c', value: =1}}",
		"topic: t\nremember: {seen: {key: ='d', value: =1}}"))
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	e := event("t", "{}")
	e.State = stopping{memory.New().Begin(received), stop}
	for _, want := range []string{`stopped after rule "r1": the time is up`, "stopped before the first rule: the time is up"} {
		if _, err := m.ExplainContext(ctx, e); !errors.Is(err, errStopped) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
