package console

import (
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/mapping"
)

// shownEvents is how many events the list has: the newest.
const shownEvents = 100

// An eventsPage is what the page of events shows beside the State.
type eventsPage struct {
	Filter   Filter
	Mistake  string // in the filter
	Outcomes []string
	Rules    []mapping.RuleInfo
	Events   []commit.NumberedEvent // the newest first
	Newest   uint64
	Kept     bool // something is kept of events

	Question question
	Answer   *answer // nil: nothing was asked
	Publish  bool
	Draft    draft  // of an event to send
	Sent     string // the topic of an event that was sent
}

// Link is the query of the page with what became of that event, and the same filter.
func (p eventsPage) Link(number uint64) template.URL {
	query := url.Values{"number": {strconv.FormatUint(number, 10)}}
	f := p.Filter
	for name, value := range map[string]string{"topic": f.Topic, "outcome": f.Outcome, "rule": f.Rule, "text": f.Text} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return template.URL(query.Encode())
}

// A question is what somebody wants explained, as it was written.
type question struct {
	Number, ID, Topic, Since, Until, User, Session string
	Mistake                                        string
}

// asked reports whether there is one.
func (q question) asked() bool { return q.Number != "" || q.ID != "" || q.Topic != "" }

// ByForm reports whether the question was written into the form.
func (q question) ByForm() bool {
	return q.ID != "" || q.Topic != "" || q.User != "" || q.Session != ""
}

// An answer is what is known.
type answer struct {
	explain.Answer
	Payload *payload // of the one event; nil: it may not be shown, or there are several
}

// A payload is shown as text; of what is none, as Base64.
type payload struct {
	Kept   bool
	Text   string
	Base64 bool
	Bytes  int
	Type   string // its content type
	User   map[string]string
	Bench  uint64 // the number by which the workbench has the event; 0: it has not
}

// A draft is an event to send: the one that is followed.
type draft struct{ Topic, Payload string }

// events shows the newest events, and what became of one.
func (c *console) events(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p := eventsPage{Outcomes: outcomes, Rules: c.bridge.Mapper().Rules(), Kept: true, Publish: c.options.Publish != nil, Sent: query.Get("sent")}
	var err error
	if p.Filter, err = filterOf(query); err != nil {
		p.Mistake = err.Error()
	} else {
		p.Events, p.Newest, _ = c.bridge.Events(0, shownEvents, p.Filter.match)
		slices.Reverse(p.Events)
	}
	p.Question, p.Answer = c.explain(r.Context(), query)
	if p.Answer != nil && p.Answer.Payload != nil && !p.Answer.Payload.Base64 {
		p.Draft = draft{p.Answer.Events[0].Topic, p.Answer.Payload.Text}
	}
	if p.Question.Mistake == bridge.ErrNoTrail.Error() {
		p.Kept = false
	}
	c.show(w, r, "events", "Events", c.sampler.state(), p)
}

// explain answers the question in a query.
func (c *console) explain(ctx context.Context, query url.Values) (q question, a *answer) {
	q = question{
		Number: query.Get("number"), ID: strings.TrimSpace(query.Get("id")), Topic: strings.TrimSpace(query.Get("on")), Since: query.Get("since"),
		Until: query.Get("until"), User: query.Get("user"), Session: query.Get("session"),
	}
	if !q.asked() {
		return q, nil
	}
	asked, err := q.query(time.Now())
	asked.Payloads = c.payloads()
	if err == nil {
		a = new(answer)
		a.Answer, err = c.bridge.Explain(ctx, asked)
	}
	if err != nil {
		q.Mistake = err.Error()
		return q, nil
	}
	if len(a.Events) == 1 && asked.Payloads {
		a.Payload = c.payloadOf(a.Events[0].Number)
	}
	return q, a
}

// query reads the question.
func (q question) query(now time.Time) (asked explain.Query, err error) {
	asked = explain.Query{MessageID: q.ID, Topic: q.Topic, User: q.User, Session: q.Session}
	asked.Everyone = q.Topic == "" && q.User == "" && q.Session == ""
	if q.Number != "" {
		if asked.Number, err = strconv.ParseUint(q.Number, 10, 64); err != nil {
			return asked, fmt.Errorf("number is that of an event, not %q", q.Number)
		}
		asked.MessageID, asked.Topic = "", ""
	}
	for _, t := range []struct {
		name, text string
		at         *time.Time
	}{{"since", q.Since, &asked.Since}, {"until", q.Until, &asked.Until}} {
		if *t.at, err = moment(t.text, now); err != nil {
			return asked, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return asked, asked.Validate()
}

// moment reads a time, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write how long ago as in 10m, or when as in 2026-05-01T12:00:00Z", text)
}

// payloadOf returns the payload of an event.
func (c *console) payloadOf(number uint64) *payload {
	e, ok := c.bridge.Event(number)
	p := &payload{Kept: ok}
	if !ok {
		letters := c.bridge.DeadLetters()
		i := slices.IndexFunc(letters, func(l commit.DeadLetter) bool { return l.Number == number && len(l.Event.Payload) == l.Bytes })
		if i < 0 {
			return p
		}
		e, p.Kept = letters[i].Event, true
	}
	if c.options.Bench != nil && e.Topic != "" { // which a key whose time was up has not
		p.Bench = number
	}
	p.Text, p.Base64 = asText(e.Payload)
	p.Bytes, p.Type, p.User = len(e.Payload), e.ContentType, e.User
	return p
}

// asText returns the bytes as a text, of what is none in Base64.
func asText(b []byte) (text string, inBase64 bool) {
	if utf8.Valid(b) {
		return string(b), false
	}
	return base64.StdEncoding.EncodeToString(b), true
}

// publish sends an event, and leads back to the events.
func (c *console) publish(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPublish)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	topic := r.PostForm.Get("topic")
	if topic == "" || strings.ContainsAny(topic, "+#\x00") {
		http.Error(w, fmt.Sprintf("%q is no topic to publish to: it must not be empty, and has no + and no #", topic), http.StatusBadRequest)
		return
	}
	if err := c.options.Publish(topic, []byte(r.PostForm.Get("payload"))); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, "events?"+url.Values{"sent": {topic}}.Encode(), http.StatusSeeOther)
}

// maxPublish bounds a form with an event.
const maxPublish = 1 << 20
