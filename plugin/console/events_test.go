package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/plugin/console"
)

// listed are the topics in the list of events of a page.
var listed = regexp.MustCompile(`<td><code>(.*?)</code>`)

func TestFilterOfEvents(t *testing.T) {
	f := newFake(t, messageRule)
	f.add("one", commit.TracedOutcome{Rule: "message", What: commit.Mapped, Queue: "/queue/message"}, commit.TracedOutcome{Rule: "count", What: commit.Filtered})
	f.add("two/b", commit.TracedOutcome{Rule: "message", What: commit.Filtered, Why: "when Payload.kind is false"})
	f.add("three/b")
	f.add("", commit.TracedOutcome{Rule: "gone", What: commit.Silent})
	f.events[3].Memory = "seen"
	h := console.Handler(f, console.Options{})
	const all = "a key of seen, three/b, two/b, one"
	for query, want := range map[string]string{
		"":                              all,
		"topic=%23":                     "three/b, two/b, one",
		"topic=%2B/b":                   "three/b, two/b",
		"outcome=mapped":                "one",
		"outcome=unmatched":             "three/b",
		"outcome=silent":                "a key of seen",
		"rule=message":                  "two/b, one",
		"rule=message&outcome=mapped":   "one",
		"rule=count&outcome=mapped":     "", // another rule has mapped it
		"text=payload.KIND":             "two/b",
		"text=queue/message":            "one",
		"text=seen":                     "a key of seen",
		"text=+":                        all,
		"outcome=unmatched&topic=two/b": "",
		"topic=a%23":                    "", // with the mistake
	} {
		var topics []string
		for _, m := range listed.FindAllStringSubmatch(ask(h, "GET", "/console/events?"+query).Body.String(), -1) {
			topics = append(topics, m[1])
		}
		if got := strings.Join(topics, ", "); got != want {
			t.Errorf("?%s lists %q, want %q", query, got, want)
		}
	}
	if body := ask(h, "GET", "/console/events?topic=a%23").Body.String(); !strings.Contains(body, `role="alert"`) {
		t.Errorf("a topic filter that is none is not told of:\n%s", body)
	}
}

func TestQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for query, want := range map[string]explain.Query{
			"number=7":                               {Number: 7, Everyone: true},
			"number=7&user=ann":                      {Number: 7, User: "ann"},
			"id=a-7":                                 {MessageID: "a-7", Everyone: true},
			"id=a-7&session=s":                       {MessageID: "a-7", Session: "s"},
			"on=a/b":                                 {Topic: "a/b"}, // of twenty events, for all, nobody could read
			"on=a/b&user=ann&since=10m":              {Topic: "a/b", User: "ann", Since: now.Add(-10 * time.Minute)},
			"on=a&until=2000-01-02+03:04":            {Topic: "a", Until: time.Date(2000, 1, 2, 3, 4, 0, 0, time.UTC)},
			"on=a&since=2000-01-01T01:00:00%2B01:00": {Topic: "a", Since: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			f := newFake(t, messageRule)
			ask(console.Handler(f, console.Options{}), "GET", "/console/events?"+query)
			if diff := cmp.Diff([]explain.Query{want}, f.asked); diff != "" {
				t.Errorf("?%s asks (-want +got):\n%s", query, diff)
			}
		}
		for query, want := range map[string]string{
			"number=x":           "number is that of an event, not &#34;x&#34;",
			"id=nonsense":        "is not a message-id",
			"on=a&since=earlier": "since: &#34;earlier&#34; is no time: write how long ago as in 10m",
		} {
			f := newFake(t, messageRule)
			if body := ask(console.Handler(f, console.Options{}), "GET", "/console/events?"+query).Body.String(); !strings.Contains(body, want) || len(f.asked) > 0 {
				t.Errorf("?%s does not say %q:\n%s", query, want, body)
			}
		}
	})
}

// Of many sessions the page says for how many it was how, and shows some.
func TestManyDeliveries(t *testing.T) {
	f := newFake(t, messageRule)
	f.answer = explain.Answer{Events: []explain.Event{{Number: 1, Outcomes: []explain.Outcome{{
		TracedOutcome: commit.TracedOutcome{Rule: "message", What: commit.Mapped, Queue: "/queue/message"}, MessageID: "a-1",
		Tally:      []explain.Tally{{Outcome: hub.FateSent, Count: 4321}, {Outcome: hub.FateWaits, Count: 2}},
		Deliveries: []explain.Delivery{{User: "ann", Session: "s1", Outcome: hub.FateSent, Text: "sent"}},
	}}}}}
	h := console.Handler(f, console.Options{})
	holds(t, ask(h, "GET", "/console/events?number=1").Body.String(), "4,321 × sent", "2 × waits", "1 of 4,323 are shown", `href="sessions?q=s1"`)
}

// trailless has nothing to explain from.
type trailless struct{ *fake }

func (trailless) Explain(context.Context, explain.Query) (explain.Answer, error) {
	return explain.Answer{}, bridge.ErrNoTrail
}

func TestWithoutTrail(t *testing.T) {
	h := console.Handler(trailless{newFake(t, messageRule)}, console.Options{})
	if body := ask(h, "GET", "/console/events?number=1").Body.String(); !strings.Contains(body, "<code>ops.trail</code> is 0") {
		t.Errorf("it does not say that nothing is kept:\n%s", body)
	}
}

// submit sends a form.
func submit(h http.Handler, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// What is followed can be sent again, and changed before.
func TestDraft(t *testing.T) {
	f := plant(t, `{"a": 1}`)
	f.answer.Events[0].Topic = "a/b"
	h := console.Handler(f, console.Options{Publish: func(string, []byte) error { return nil }, Payloads: func() bool { return true }})
	holds(t, ask(h, "GET", "/console/events?number=1").Body.String(), `name="topic" value="a/b"`, `spellcheck="false">{&#34;a&#34;: 1}</textarea>`)
}

func TestPublish(t *testing.T) {
	var sent []string
	h := console.Handler(newFake(t, messageRule), console.Options{Publish: func(topic string, payload []byte) error {
		sent = append(sent, topic+" "+string(payload))
		return nil
	}})
	event := url.Values{"topic": {"a/b"}, "payload": {"hello"}}
	if w := submit(h, "/console/publish", event); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/console/events?sent=a%2Fb" {
		t.Errorf("it answers %d and leads to %q", w.Code, w.Header().Get("Location"))
	}
	for _, topic := range []string{"", "a/+", "#"} {
		if w := submit(h, "/console/publish", url.Values{"topic": {topic}}); w.Code != http.StatusBadRequest {
			t.Errorf("topic %q: %d, want 400", topic, w.Code)
		}
	}
	if w := submit(h, "/console/publish", event, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d, want 403", w.Code)
	}
	if diff := cmp.Diff([]string{"a/b hello"}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	without := console.Handler(newFake(t, messageRule), console.Options{})
	if w := submit(without, "/console/publish", event); w.Code != http.StatusNotFound {
		t.Errorf("without Publish: %d, want 404", w.Code)
	}
	if body := ask(without, "GET", "/console/events").Body.String(); strings.Contains(body, "Send an event") {
		t.Error("without Publish the page has a form to send events")
	}
}
