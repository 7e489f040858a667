package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/console"
)

// A fake is a Bridge with what its fields say.
type fake struct {
	mapper   *mapping.Mapper
	counts   bridge.Counts
	lag      server.Lag
	sessions []server.Status
	memory   *memory.Store
	ready    []bridge.Reason
	standing *journal.Standing
	ended    []string
	answer   explain.Answer
	asked    []explain.Query
	events   []commit.NumberedEvent
	payloads map[uint64]mapping.Event
	letters  []commit.DeadLetter
	watching int
	hold     chan struct{} // Mapper waits until it is closed; nil: it does not
}

func newFake(t *testing.T, rules string) *fake {
	t.Helper()
	var report source.Report
	f := source.Parse("rules.yaml", []byte(rules), &report)
	m := mapping.Compile([]mapping.Source{{File: f, Rules: f.Root}}, mapping.Options{}, &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return &fake{mapper: m}
}

func (f *fake) Ready() []bridge.Reason      { return f.ready }
func (f *fake) Troubles() []bridge.Reason   { return nil }
func (f *fake) Warnings() []bridge.Reason   { return nil }
func (f *fake) Standing() *journal.Standing { return f.standing }
func (f *fake) Counts() bridge.Counts       { return f.counts }
func (f *fake) Lag() server.Lag             { return f.lag }
func (f *fake) Sessions() []server.Status   { return f.sessions }
func (f *fake) Memory() *memory.Store       { return f.memory }
func (f *fake) Mapper() *mapping.Mapper {
	if f.hold != nil {
		<-f.hold
	}
	return f.mapper
}

func (f *fake) Events(after uint64, max int, match func(*commit.TracedEvent) bool) (events []commit.NumberedEvent, newest uint64, skipped int) {
	for _, e := range f.events {
		if newest = e.Number; e.Number > after && match(&e.TracedEvent) {
			events = append(events, e)
		}
	}
	skipped = len(events[:len(events)-min(len(events), max)])
	return events[skipped:], newest, skipped
}

func (f *fake) Watch() (stop func()) {
	f.watching++
	return func() { f.watching-- }
}

func (f *fake) Event(number uint64) (mapping.Event, bool) {
	e, ok := f.payloads[number]
	return e, ok
}

func (f *fake) DeadLetters() []commit.DeadLetter { return f.letters }

func (f *fake) EndSession(id string) bool {
	f.ended = append(f.ended, id)
	return true
}

func (f *fake) Explain(_ context.Context, q explain.Query) (explain.Answer, error) {
	f.asked = append(f.asked, q)
	return f.answer, nil
}

const messageRule = `
- name: message
  topic: chat/{channel}/{conversation}/message
  queue: /queue/unread-count
  fields:
    conversation_id: =uuid("conversation", topic.conversation)
    unread_message_count: =payload.count
    timestamp: =received
`

// ask returns what the handler answers.
func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// Every page and every file may load what is its own, and nothing else.
func TestPolicy(t *testing.T) {
	for _, framed := range []bool{false, true} {
		h := console.Handler(newFake(t, messageRule), console.Options{Framed: framed})
		for _, target := range []string{"/console/", "/console/page/style.css", "/console/nothing"} {
			header := ask(h, "GET", target).Header()
			policy := header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; ") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s has the policy %q", target, policy)
			}
			if got := strings.HasSuffix(policy, "frame-ancestors 'self'"); got != framed {
				t.Errorf("%s may be framed: %v, want %v", target, got, framed)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
				if got := header.Get(name); got != want {
					t.Errorf("%s has %s: %q, want %q", target, name, got, want)
				}
			}
		}
	}
}

// Templates and what only git wants are no files of the console.
func TestFiles(t *testing.T) {
	h := console.Handler(newFake(t, messageRule), console.Options{})
	for target, want := range map[string]int{
		"/console/page/style.css":         http.StatusOK,
		"/console/page/overview.js":       http.StatusOK,
		"/console/page/layout.html":       http.StatusNotFound,
		"/console/page/":                  http.StatusNotFound,
		"/console/page/bundle/":           http.StatusNotFound,
		"/console/page/bundle/.gitignore": http.StatusNotFound,
		"/console/page/../console.go":     http.StatusTemporaryRedirect, // to where it is not
	} {
		if got := ask(h, "GET", target).Code; got != want {
			t.Errorf("%s answers %d, want %d", target, got, want)
		}
	}
}
