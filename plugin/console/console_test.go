package console_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	watching atomic.Int32
	sampled  func()        // before each Counts
	hold     chan struct{} // Mapper waits until it is closed; nil: it does not
}

func newFake(t *testing.T, rules string) *fake {
	t.Helper()
	return &fake{mapper: mapperOf(t, rules)}
}

func mapperOf(t testing.TB, rules string) *mapping.Mapper {
	t.Helper()
	var report source.Report
	f := source.Parse("rules.yaml", []byte(rules), &report)
	m := mapping.Compile([]mapping.Source{{File: f, Rules: f.Root}}, mapping.Options{}, &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fake) Ready() []bridge.Reason      { return f.ready }
func (f *fake) Troubles() []bridge.Reason   { return nil }
func (f *fake) Warnings() []bridge.Reason   { return nil }
func (f *fake) Standing() *journal.Standing { return f.standing }
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
	f.watching.Add(1)
	return func() { f.watching.Add(-1) }
}

func (f *fake) Event(number uint64) (mapping.Event, bool) {
	e, ok := f.payloads[number]
	return e, ok
}

func (f *fake) DeadLetters() []commit.DeadLetter { return f.letters }

func (f *fake) Counts() bridge.Counts {
	if f.sampled != nil {
		f.sampled()
	}
	return f.counts
}

func (f *fake) EndSession(id string) bool {
	f.ended = append(f.ended, id)
	return slices.ContainsFunc(f.sessions, func(s server.Status) bool { return s.Session == id })
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

// hostile is what must stay text, and secret what must not be seen, wherever it comes from.
const (
	hostile = `<img src=x onerror=alert(1)>`
	secret  = "hush"
)

// plant puts them wherever a broker, a client or a rule can.
func plant(t *testing.T, text string) *fake {
	f := newFake(t, messageRule)
	f.events = []commit.NumberedEvent{{Number: 1, TracedEvent: commit.TracedEvent{Topic: "in/" + hostile, Outcomes: []commit.TracedOutcome{
		{Rule: "message", What: commit.Rejected, Why: hostile}}}}}
	f.payloads = map[uint64]mapping.Event{1: {Topic: "in", Payload: []byte(text), ContentType: text, User: map[string]string{text: text}}}
	f.letters = []commit.DeadLetter{{Number: 1, Topic: hostile, Rule: "message", Reason: text}}
	f.sessions = []server.Status{{Session: hostile, User: hostile, Remote: hostile, Groups: []string{hostile}}}
	f.ready = []bridge.Reason{{Text: hostile}}
	f.answer = explain.Answer{Notes: []string{hostile}, Events: []explain.Event{{Number: 1, Topic: hostile, Outcomes: []explain.Outcome{{
		TracedOutcome: commit.TracedOutcome{Rule: "message", What: commit.Mapped, Why: hostile}, MessageID: hostile,
		Deliveries: []explain.Delivery{{User: hostile, Session: hostile, Text: hostile}}}}}}}
	f.memory = memory.New()
	f.memory.Configure([]memory.Settings{{Name: "names"}})
	tx := f.memory.Begin(time.Now())
	tx.Apply([]memory.Change{{Memory: "names", Key: text, Text: strconv.Quote(text)}})
	tx.Commit()
	return f
}

// places are all pages, with what they show when they are asked.
var places = []string{
	"/console/", "/console/?rules=all", "/console/events", "/console/events?number=1", "/console/events?id=a-1&user=" + escaped,
	"/console/events?topic=" + escaped, "/console/events?on=" + escaped + "&since=" + escaped, "/console/events?outcome=" + escaped, "/console/sessions",
	"/console/sessions?q=img&end=" + escaped, "/console/sessions?ended=" + escaped, "/console/memory", "/console/memory?name=names",
	"/console/memory?name=names&key=" + escaped,
}

const escaped = "%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E"

// Whatever comes from elsewhere is text, on every page.
func TestHostileTexts(t *testing.T) {
	h := console.Handler(plant(t, hostile), console.Options{Payloads: func() bool { return true }})
	seen := 0
	for _, target := range places {
		w := ask(h, "GET", target)
		if w.Code != http.StatusOK {
			t.Errorf("%s answers %d: %s", target, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "<img") {
			t.Errorf("%s has an element out of a text:\n%s", target, w.Body)
		}
		seen += strings.Count(w.Body.String(), html.EscapeString(hostile))
	}
	if seen < 2*len(places) {
		t.Errorf("the text is there %d times: the pages do not show it", seen)
	}
}

// TestLongTexts sends topics of 64 KiB and JSON that nests deep, which would take a page of many
// megabytes: a list shows the beginning of a topic, and such JSON stands as it came.
func TestLongTexts(t *testing.T) {
	const bound = 200 << 10
	f := newFake(t, messageRule)
	topic := strings.Repeat("é", 1<<15-1)
	for n := range uint64(20) {
		f.events = append(f.events, commit.NumberedEvent{Number: n + 1, TracedEvent: commit.TracedEvent{Topic: topic}})
		f.letters = append(f.letters, commit.DeadLetter{Number: n + 1, Topic: topic})
		f.answer.Events = append(f.answer.Events, explain.Event{Number: n + 1, Topic: topic})
	}
	wide, deep := strings.Repeat("[", 60)+"1"+strings.Repeat(",1", 20_000)+strings.Repeat("]", 60), strings.Repeat("[", 5000)+strings.Repeat("]", 5000)
	f.payloads = map[uint64]mapping.Event{1: {Topic: "a", Payload: []byte(wide)}, 2: {Topic: "a", Payload: []byte(deep)}}
	h := console.Handler(f, console.Options{Payloads: func() bool { return true }})
	for _, target := range []string{"/console/", "/console/events", "/console/events?on=%23&user=ada"} {
		body := ask(h, "GET", target).Body.String()
		if len(body) > bound || !strings.Contains(body, strings.Repeat("é", 100)+"…") {
			t.Errorf("%s has %d bytes, want %d at the most, with the beginning of the topic", target, len(body), bound)
		}
	}
	f.answer.Events = []explain.Event{{Number: 1, Topic: topic}}
	for _, target := range []string{"/console/events?number=1", "/console/events?number=2"} {
		f.answer.Events[0].Number = uint64(target[len(target)-1] - '0')
		body := ask(h, "GET", target).Body.String()
		if len(body) > 2*bound || !strings.Contains(body, topic) {
			t.Errorf("%s has %d bytes, want %d at the most, with all of the topic", target, len(body), 2*bound)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m := follow(t, h, "/console/api/live?after=0", time.Second/2)[0]
		if got, want := m.Events[0].Topic, strings.Repeat("é", 100)+"…"; got != want || len(m.Events) != 20 {
			t.Errorf("the stream has %d events, the first on a topic of %d bytes, want 20 and one cut to %d", len(m.Events), len(got), len(want))
		}
	})
}

// Payloads, and what is made of them, are shown only where they may be.
func TestPayloadsAreHidden(t *testing.T) {
	shown := false
	f := plant(t, secret)
	h := console.Handler(f, console.Options{Payloads: func() bool { return shown }})
	for _, shown = range []bool{false, true} {
		var all strings.Builder
		for _, target := range places {
			all.WriteString(ask(h, "GET", target).Body.String())
		}
		if got := strings.Contains(all.String(), secret); got != shown {
			t.Errorf("with payloads shown: %v, the secret is there: %v", shown, got)
		}
		if got := strings.Contains(all.String(), "ops.show_payloads: true"); got == shown {
			t.Errorf("with payloads shown: %v, the pages say how to see them: %v", shown, got)
		}
		for _, q := range f.asked {
			if q.Payloads != shown {
				t.Errorf("with payloads shown: %v, bodies are asked for: %v", shown, q.Payloads)
			}
		}
		f.asked = nil
	}
}
