package explain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/trail"
)

const (
	message = "/queue/message"
	unread  = "/queue/unread-count"
)

// A scene is a journal, and sessions as a server tells of them. Make it inside of a bubble.
type scene struct {
	t        *testing.T
	began    time.Time
	log      *journal.Memory
	writer   journal.Writer
	hub      *hub.Hub
	sessions []server.Traced
	sources  explain.Sources
}

func (s *scene) Traced(user, session string, _ time.Time) (all []server.Traced) {
	for _, t := range s.sessions {
		if (user == "" || t.User == user) && (session == "" || t.Session == session) {
			all = append(all, t)
		}
	}
	return all
}

// newScene has ten messages, one every second.
func newScene(t *testing.T, o journal.MemoryOptions) *scene {
	s := &scene{t: t, began: time.Now().UTC(), log: journal.NewMemory(o)}
	var err error
	if s.writer, err = s.log.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	filters := map[string]func([]byte) []byte{"body": func(b []byte) []byte { return b }}
	s.hub = hub.New(s.log, hub.Config{Queues: []hub.Queue{{Name: message, Filters: filters}, {Name: unread, Keyed: true, Conflate: true}}})
	t.Cleanup(func() {
		s.hub.Close()
		s.log.Close()
	})
	s.sources = explain.Sources{Log: s.log, Fates: s.hub, Sessions: s, Events: commit.NewTrail(1 << 20), Ended: trail.New(1 << 20), BaseTopic: "base"}
	for i := range 10 {
		time.Sleep(time.Second)
		e := journal.Entry{Queue: message, Body: fmt.Append(nil, i)}
		if i == 6 {
			e.Audience = []string{"u:bob"}
		}
		s.append(e)
	}
	return s
}

func (s *scene) append(e journal.Entry) {
	s.t.Helper()
	e.Time = time.Now()
	if err := s.writer.Append(s.t.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) at(seconds int) time.Time { return s.began.Add(time.Duration(seconds) * time.Second) }

func (s *scene) end(seconds int) *time.Time {
	at := s.at(seconds)
	return &at
}

// say asks about a position and returns what became of it for ann.
func (s *scene) say(position uint64) string {
	s.t.Helper()
	a := s.ask(explain.Query{MessageID: fmt.Sprint(s.log.Epoch(position), "-", position), User: "ann"})
	var lines []string
	for _, e := range a.Events {
		for _, o := range e.Outcomes {
			if o.Note != "" {
				lines = append(lines, o.Note)
			}
			for _, d := range o.Deliveries {
				line := fmt.Sprintf("%s %s: %s: %s", d.Session, d.Subscription, d.Outcome, d.Text)
				if d.NotBefore != nil {
					line += fmt.Sprintf(", %v", d.NotBefore.Sub(s.began))
				}
				lines = append(lines, line)
			}
		}
	}
	text := strings.Join(lines, "\n")
	return strings.ReplaceAll(text, s.log.Epoch(position)+"-", "ID-")
}

func (s *scene) ask(q explain.Query) explain.Answer {
	s.t.Helper()
	if err := q.Validate(); err != nil {
		s.t.Fatal(err)
	}
	a, err := s.sources.Explain(s.t.Context(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *scene) wantSaid(want map[uint64]string) {
	s.t.Helper()
	got := map[uint64]string{}
	for position := range want {
		got[position] = strings.ReplaceAll(s.say(position), s.began.Format("2006-01-02T15:04:"), "")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		trace := hub.Trace{Queue: message, Filter: &hub.Filter{Name: "body", Values: []string{"4", "6", "7", "8", "9"}}, From: 3, Live: 5, Written: 8,
			Ended: true, Until: 9}
		s.sessions = []server.Traced{
			{Session: "other", User: "bob", Since: s.at(0)},
			{Session: "one", User: "ann", Since: s.at(4), Ended: s.end(9), Cause: "client closed", Subscriptions: []server.TracedSubscription{
				{ID: "a", Destination: message, Began: s.at(5), Start: server.StartResumed, Trace: trace},
				{ID: "b", Destination: unread, Trace: hub.Trace{Queue: unread}},
			}},
		}
		s.wantSaid(map[uint64]string{
			2:  "one : not connected: the session began after it, at 04.000Z; subscribed after it, at 05.000Z, and resumed from a later message",
			3:  "one : not connected: the session began after it, at 04.000Z; subscribed after it, at 05.000Z, and resumed from a later message",
			4:  "one a: filtered out: not sent: the subscription's filter by body does not select it",
			5:  "one a: sent: sent as a replay, when the client resumed at 05.000Z, 5s",
			7:  "one a: not addressed: not sent: the rule's audience does not include the user",
			8:  "one a: sent: sent, 8s",
			9:  "one a: left behind: not sent: the session had ended at 09.000Z, client closed, before",
			10: "one : not connected: the session had ended at 09.000Z: client closed",
		})
	})
}

// For everyone: what became of a message for all who were there, counted, and no word of the others.
func TestEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		for i := range 150 {
			one := server.TracedSubscription{ID: "a", Destination: message, Trace: hub.Trace{Queue: message, Written: 10, Tokens: []string{"u:bob"}}}
			if i < 30 {
				one.Trace.Tokens = nil
			}
			s.sessions = append(s.sessions, server.Traced{Session: fmt.Sprint(i), User: "ann", Since: s.at(0), Subscriptions: []server.TracedSubscription{one}})
		}
		s.sessions = append(s.sessions, server.Traced{Session: "late", User: "bob", Since: s.at(9)})
		o := s.ask(explain.Query{MessageID: "7", Everyone: true}).Events[0].Outcomes[0]
		if diff := cmp.Diff([]explain.Tally{{Outcome: hub.FateSent, Count: 120}, {Outcome: hub.FateNotAddressed, Count: 30}}, o.Tally); diff != "" {
			t.Errorf("tally (-want +got):\n%s", diff)
		}
		if len(o.Deliveries) != 100 {
			t.Errorf("%d deliveries are told, want the newest 100", len(o.Deliveries))
		}
		s.sessions = s.sessions[150:]
		if o := s.ask(explain.Query{MessageID: "7", Everyone: true}).Events[0].Outcomes[0]; len(o.Deliveries)+len(o.Tally) > 0 {
			t.Errorf("for who was not there it tells %+v", o)
		}
	})
}

func TestOpenSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		s.sessions = []server.Traced{{Session: "one", User: "ann", Since: s.at(0), Subscriptions: []server.TracedSubscription{
			{ID: "a", Destination: message, Began: s.at(2), Ended: s.end(4), Start: server.StartLive, Trace: hub.Trace{Queue: message, From: 2, Live: 2, Written: 4, Ended: true, Until: 4}},
			{ID: "b", Destination: "/user" + message, Began: s.at(5), Start: server.StartGap, Trace: hub.Trace{Queue: message, Own: true, From: 5, Live: 5, Written: 6}},
			{ID: "c", Destination: message, Began: s.at(5), Start: server.StartLive, Trace: hub.Trace{Queue: message, From: 5, Live: 5, Written: 8, Tokens: []string{"u:bob"}}},
		}}}
		s.append(journal.Entry{Queue: unread, Key: "k", Body: []byte("1")})
		s.wantSaid(map[uint64]string{
			1: "one a: not yet: subscribed after it, at 02.000Z, without resume-from and without a snapshot\n" +
				"one b: not yet: subscribed after it, at 05.000Z, and its resume-from is of another journal or no longer kept: it was told resume: gap\n" +
				"one c: not yet: subscribed after it, at 05.000Z, without resume-from and without a snapshot",
			4: "one a: sent: sent, 4s",
			6: "one b: not addressed: not sent: it is for everybody, and /user/queue/message gets only what is addressed to the user\n" +
				"one c: sent: sent, 6s",
			7: "one b: not addressed: not sent: the rule's audience does not include the user\none c: sent: sent, 7s",
			9: "one b: not addressed: not sent: it is for everybody, and /user/queue/message gets only what is addressed to the user\n" +
				"one c: waits: not sent yet: the client does not read, or does not acknowledge, what comes before",
			11: "one : not subscribed: not subscribed to /queue/unread-count",
		})
	})
}

// What newer counts have replaced, live and in a snapshot.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		for range 4 { // 11 to 18
			s.append(journal.Entry{Queue: unread, Key: "k", Body: []byte("1")})
			s.append(journal.Entry{Queue: unread, Key: "other", Body: []byte("1")})
		}
		one := server.TracedSubscription{ID: "a", Destination: unread, Began: s.at(9), Start: server.StartSnapshot, Trace: hub.Trace{
			Queue: unread, Snapshot: true, Live: 12, Written: 18, Conflates: true, Conflated: []uint64{13, 15}}}
		s.sessions = []server.Traced{{Session: "one", User: "ann", Subscriptions: []server.TracedSubscription{one}}}
		s.wantSaid(map[uint64]string{
			11: "one a: snapshot: sent in the snapshot that the subscription began with, at 09.000Z, 9s",
			13: "one a: conflated: not sent: the client lagged, and a newer one of the same conversation has replaced it, ID-17",
			14: "one a: sent: sent, 10s",
		})
		one.Live, one.Conflated, one.KnownBehind = 14, nil, 16
		s.sessions[0].Subscriptions[0] = one
		s.wantSaid(map[uint64]string{
			11: "one a: not yet: subscribed after it, at 09.000Z, and its snapshot had a newer one, ID-13",
			15: "one a: maybe conflated: sent, or replaced by a newer one while the client lagged: which of the two is not known any more",
		})
	})
}

// What has left the journal is told as far as it can be.
func TestLeftTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{MaxBytes: 500})
		first := s.log.Bounds().First
		if first < 5 || first > 10 {
			t.Fatalf("the journal begins at %d", first)
		}
		for id, want := range map[string]string{
			fmt.Sprint(s.log.Epoch(1), "-1"): fmt.Sprintf("the message has left the journal, which begins at position %d, and its event the trail", first),
			"other-10":                       "the message is of another journal, or of one that was there before: this one has given position 10 the message-id " + s.log.Epoch(10) + "-10",
			"other-11":                       "the journal ends at position 10: the message is of another journal, or of one that was there before",
		} {
			a := s.ask(explain.Query{MessageID: id})
			if len(a.Events) != 0 {
				t.Errorf("%s: %d events", id, len(a.Events))
			}
			if diff := cmp.Diff([]string{want}, a.Notes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	})
}

func TestNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		began := s.began.Format("2006-01-02T15:04:05.000Z")
		a := s.ask(explain.Query{MessageID: "10", Session: "gone", Payloads: true})
		want := []string{
			"its topic and rule are not known: the trail here has the events since " + began,
			"no session gone is open, or has ended since " + began + ": what was before is not known, and handshakes that were refused are in the log alone",
		}
		if diff := cmp.Diff(want, a.Notes); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if o := a.Events[0].Outcomes[0]; string(o.Body) != "9" || o.Audience != "everybody" {
			t.Errorf("got %+v", o)
		}
		if o := s.ask(explain.Query{MessageID: "10"}).Events[0].Outcomes[0]; o.Body != nil || o.Audience != "" {
			t.Errorf("payloads are shown: %+v", o)
		}
		a = s.ask(explain.Query{Topic: "a/#", Since: s.at(-60)})
		want = []string{
			"events before " + began + " are not known by their topics: the bridge was started then, or ops.trail had no more room; the journal knows messages by their message-id",
			"no event has come on a/# since then",
		}
		if diff := cmp.Diff(want, a.Notes); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A journal that cannot be read is an error, not an answer.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		s.sources.Log = away{s.log}
		_, err := s.sources.Explain(t.Context(), explain.Query{MessageID: "5"})
		if !errors.Is(err, journal.ErrAway) || err.Error() != "reading position 5: journal: the log cannot be reached" {
			t.Errorf("got %v", err)
		}
	})
}

type away struct{ *journal.Memory }

func (away) Read(context.Context, uint64, int) ([]journal.Entry, error) {
	return nil, journal.ErrAway
}

// An event of the trail is found by its number.
func TestByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, journal.MemoryOptions{})
		a := s.ask(explain.Query{Number: 5})
		want := []string{"event 5 is not known: the trail here has the events since " + s.began.Format("2006-01-02T15:04:05.000Z")}
		if diff := cmp.Diff(want, a.Notes); diff != "" || len(a.Events) != 0 {
			t.Errorf("%d events; -want +got:\n%s", len(a.Events), diff)
		}
	})
}
