// Package explain says what became of an event, from its topic to each write to a client: by the
// journal and by the trails that the commit stage and the server keep.
package explain

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/trail"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/topic"
)

// A Log is what is read of a journal.Log.
type Log interface {
	Bounds() journal.Bounds
	Epoch(position uint64) string
	Read(ctx context.Context, after uint64, max int) ([]journal.Entry, error)
}

// Fates tell what became of an entry. A *hub.Hub is one.
type Fates interface {
	Fate(*hub.Trace, *hub.Entry) hub.Fate
}

// Sessions tell of a user's sessions. A *server.Server is one.
type Sessions interface {
	Traced(user, session string, since time.Time) []server.Traced
}

// Sources are what answers are made of. All are required.
type Sources struct {
	Log       Log
	Fates     Fates
	Sessions  Sessions
	Events    *commit.Trail
	Ended     *trail.Ring // a Server's
	BaseTopic string      // of dead letters
}

// A Query is a question: about one event, or those of a topic, and what became of them for a user or
// a session. One of MessageID, Number and Topic is given.
type Query struct {
	MessageID string // or a position alone
	Number    uint64 // of the event in the trail
	Topic     string // a topic filter
	Since     time.Time
	Until     time.Time // zero: now

	User, Session string // both "": only the events are wanted, unless
	Everyone      bool   // what became of them for all sessions is
	Payloads      bool   // bodies and audiences may be shown
}

// Validate returns what is wrong with a question.
func (q *Query) Validate() error {
	given := 0
	for _, g := range []bool{q.MessageID != "", q.Number != 0, q.Topic != ""} {
		if g {
			given++
		}
	}
	switch {
	case given != 1:
		return fmt.Errorf("give either a message-id, the number of an event, or a topic")
	case q.Topic != "":
		return topic.Check(q.Topic)
	case q.Number != 0:
		return nil
	}
	_, _, err := q.position()
	return err
}

// position takes the message-id apart.
func (q *Query) position() (epoch string, position uint64, err error) {
	number := q.MessageID
	if i := strings.LastIndexByte(number, '-'); i >= 0 {
		epoch, number = number[:i], number[i+1:]
	}
	if position, err = strconv.ParseUint(number, 10, 64); err != nil || position == 0 || strings.HasPrefix(q.MessageID, "-") {
		return "", 0, fmt.Errorf("%q is not a message-id: it has the form EPOCH-POSITION, as in 3f9k2m-17", q.MessageID)
	}
	return epoch, position, nil
}

// An Answer is all that is known.
type Answer struct {
	Replica       string    `json:"replica,omitempty"` // whose answer it is; "": there are no replicas
	EventsSince   time.Time `json:"events_since"`      // of events before, only what the journal holds is known
	SessionsSince time.Time `json:"sessions_since"`    // of sessions that ended before, nothing is known
	Events        []Event   `json:"events"`            // the oldest first
	More          int       `json:"more,omitempty"`    // events that are older than these
	Notes         []string  `json:"notes,omitempty"`   // what is not known, and why
}

// An Event is what is known of one.
type Event struct {
	Number   uint64    `json:"number,omitempty"` // in the trail; 0: it is not there
	Time     time.Time `json:"time"`
	Topic    string    `json:"topic,omitempty"`  // "": not known, or Memory
	Memory   string    `json:"memory,omitempty"` // it was the end of a key of that memory
	QoS      byte      `json:"qos"`
	Retained bool      `json:"retained,omitempty"`
	Outcomes []Outcome `json:"outcomes"` // none: no rule matches the topic
	More     int       `json:"more,omitempty"`
}

// An Outcome is what one rule has made of the event.
type Outcome struct {
	commit.TracedOutcome
	MessageID  string          `json:"message_id,omitempty"`
	DeadLetter string          `json:"dead_letter,omitempty"` // the topic of the dead letter
	Audience   string          `json:"audience,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"`
	Deliveries []Delivery      `json:"deliveries,omitempty"` // by subscription: the newest
	Tally      []Tally         `json:"tally,omitempty"`      // of all of them, where a Query is for everyone
	Note       string          `json:"note,omitempty"`
}

// A Tally is for how many subscriptions it was so.
type Tally struct {
	Outcome hub.Fate `json:"outcome"`
	Count   int      `json:"count"`
}

// maxEvents is how many events an answer has: the newest.
const maxEvents = 20

// Explain answers the question, which must be valid. The error is ctx's, or of the log.
func (s Sources) Explain(ctx context.Context, q Query) (Answer, error) {
	a := Answer{EventsSince: s.Events.Since().UTC(), SessionsSince: s.Ended.Since().UTC(), Events: []Event{}}
	var err error
	switch {
	case q.MessageID != "":
		err = s.byMessage(ctx, &a, q)
	case q.Number != 0:
		s.byNumber(&a, q)
	default:
		s.byTopic(&a, q)
	}
	if err != nil {
		return a, err
	}
	sessions := s.sessions(&a, q)
	for i := range a.Events {
		for j := range a.Events[i].Outcomes {
			if err := s.follow(ctx, &a.Events[i], &a.Events[i].Outcomes[j], q, sessions); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// byTopic adds the events of the topic, in that time.
func (s Sources) byTopic(a *Answer, q Query) {
	events, more := s.Events.OfTopic(q.Topic, q.Since, q.Until, maxEvents)
	for _, e := range events {
		a.Events = append(a.Events, eventOf(e))
	}
	a.More = more
	if q.Since.Before(a.EventsSince) {
		a.note("events before %s are not known by their topics: the bridge was started then, or ops.trail had no more room; the journal knows messages by their message-id", at(a.EventsSince))
	}
	if len(a.Events) == 0 {
		a.note("no event has come on %s since then", q.Topic)
	}
}

// byMessage adds the event that has become the message.
func (s Sources) byMessage(ctx context.Context, a *Answer, q Query) error {
	epoch, position, err := q.position()
	if err != nil {
		return err
	}
	bounds := s.Log.Bounds()
	switch {
	case position > bounds.Last:
		a.note("the journal ends at position %d: the message is of another journal, or of one that was there before", bounds.Last)
		return nil
	case epoch != "" && s.Log.Epoch(position) != epoch && position+1 >= bounds.First:
		a.note("the message is of another journal, or of one that was there before: this one has given position %d the message-id %s", position, s.id(position))
		return nil
	}
	entry, err := s.entry(ctx, position)
	if err != nil {
		return err
	}
	var received time.Time
	if entry != nil {
		received = entry.Time
	}
	e, ok := s.Events.At(position, received)
	switch {
	case ok:
		a.Events = append(a.Events, only(e, position))
	case entry == nil:
		a.note("the message has left the journal, which begins at position %d, and its event the trail", bounds.First)
	default:
		o := commit.TracedOutcome{What: commit.Mapped, Queue: entry.Queue, Position: position}
		a.Events = append(a.Events, Event{Time: entry.Time.UTC(), Outcomes: []Outcome{{TracedOutcome: o}}})
		a.note("its topic and rule are not known: the trail here has the events since %s", at(a.EventsSince))
	}
	return nil
}

// byNumber adds the event with that number.
func (s Sources) byNumber(a *Answer, q Query) {
	if e, ok := s.Events.Event(q.Number); ok {
		a.Events = append(a.Events, eventOf(e))
		return
	}
	a.note("event %d is not known: the trail here has the events since %s", q.Number, at(a.EventsSince))
}

func eventOf(e commit.NumberedEvent) Event {
	out := Event{Number: e.Number, Time: e.Time, Topic: e.Topic, Memory: e.Memory, QoS: e.QoS, Retained: e.Retained, Outcomes: []Outcome{}, More: e.More}
	for _, o := range e.Outcomes {
		out.Outcomes = append(out.Outcomes, Outcome{TracedOutcome: o})
	}
	return out
}

// only returns the event with the outcome alone that has become the entry at the position.
func only(e commit.NumberedEvent, position uint64) Event {
	e.Outcomes = slices.DeleteFunc(e.Outcomes, func(o commit.TracedOutcome) bool { return o.Position != position })
	e.More = 0
	return eventOf(e)
}

// follow adds to an outcome what came of it.
func (s Sources) follow(ctx context.Context, e *Event, o *Outcome, q Query, sessions []server.Traced) error {
	if o.What == commit.Rejected {
		o.DeadLetter = s.BaseTopic + "/dead-letter/" + o.Rule
	}
	if o.What != commit.Mapped {
		return nil
	}
	o.MessageID = s.id(o.Position)
	entry, err := s.entry(ctx, o.Position)
	if err != nil {
		return err
	}
	if entry == nil {
		o.Note = "the journal no longer has the message"
	} else if q.Payloads {
		o.Body, o.Audience = entry.Body, audience.Audience(entry.Audience).String()
	}
	f := follower{sources: s, ctx: ctx, at: e.Time, queue: o.Queue, position: o.Position, entry: entry, everyone: q.Everyone}
	all, err := f.deliveries(sessions)
	if q.Everyone {
		o.Tally = tally(all)
	}
	o.Deliveries = all[max(0, len(all)-maxDeliveries):]
	return err
}

// tally counts the outcomes, the most frequent first.
func tally(all []Delivery) (tally []Tally) {
	for _, d := range all {
		i := slices.IndexFunc(tally, func(t Tally) bool { return t.Outcome == d.Outcome })
		if i < 0 {
			i, tally = len(tally), append(tally, Tally{Outcome: d.Outcome})
		}
		tally[i].Count++
	}
	slices.SortStableFunc(tally, func(x, y Tally) int { return cmp.Compare(y.Count, x.Count) })
	return tally
}

// id returns the message-id of a position.
func (s Sources) id(position uint64) string {
	return s.Log.Epoch(position) + "-" + strconv.FormatUint(position, 10)
}

// entry returns the entry at the position, nil when the log no longer has it.
func (s Sources) entry(ctx context.Context, position uint64) (*journal.Entry, error) {
	if position < s.Log.Bounds().First {
		return nil, nil
	}
	page, err := s.Log.Read(ctx, position-1, 1)
	switch {
	case isTrimmed(err), err == nil && (len(page) == 0 || page[0].Position != position):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading position %d: %w", position, err)
	}
	return &page[0], nil
}

// sessions returns the sessions that were asked for.
func (s Sources) sessions(a *Answer, q Query) []server.Traced {
	if q.Everyone {
		if len(a.Events) == 0 {
			return nil
		}
		return s.Sessions.Traced("", "", a.Events[0].Time) // of those that ended before it nothing is said
	}
	if q.User == "" && q.Session == "" {
		return nil
	}
	all := s.Sessions.Traced(q.User, q.Session, time.Time{})
	if len(all) == 0 {
		who := "session of " + q.User
		if q.Session != "" {
			who = "session " + q.Session
		}
		a.note("no %s is open, or has ended since %s: what was before is not known, and handshakes that were refused are in the log alone",
			who, at(a.SessionsSince))
	}
	return all
}

func (a *Answer) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

// at is a time in a sentence.
func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
