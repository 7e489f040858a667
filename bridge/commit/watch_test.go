package commit_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// newTrailedHouse returns a house that runs, whose trail has room for that many bytes.
func newTrailedHouse(t *testing.T, bytes int) *house {
	h := newHouseWith(t, func(c *commit.Config) { c.Trail = commit.NewTrail(bytes) })
	h.run(t.Context())
	return h
}

// sendAll sends payloads and waits until they are committed.
func (h *house) sendAll(payloads ...string) {
	h.send(payloads...)
	synctest.Wait()
}

// end ends the Committer.
func (h *house) end() {
	h.t.Helper()
	close(h.events)
	if err := <-h.ended; err != nil {
		h.t.Fatal(err)
	}
}

func numbers(events []commit.NumberedEvent) (all []uint64) {
	for _, e := range events {
		all = append(all, e.Number)
	}
	return all
}

// Events returns the newest of those that match, and says what it has left out.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 1<<20)
		if events, newest, skipped := h.trail.Events(7, 10, nil); len(events) != 0 || newest != 0 || skipped != 0 {
			t.Errorf("before the first: %v, %d, %d", events, newest, skipped)
		}
		for i := range 10 {
			payload := fmt.Sprint(i)
			if i%3 == 0 {
				payload = "" // the rule filters it
			}
			h.sendAll(payload)
		}
		filtered := func(e *commit.TracedEvent) bool { return e.Outcomes[0].What == commit.Filtered }
		for _, test := range []struct {
			name    string
			after   uint64
			limit   int
			match   func(*commit.TracedEvent) bool
			want    []uint64
			skipped int
		}{
			{"all", 0, 10, nil, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0},
			{"the newest", 0, 3, nil, []uint64{8, 9, 10}, 7},
			{"after some", 6, 10, nil, []uint64{7, 8, 9, 10}, 0},
			{"the newest after some", 6, 3, nil, []uint64{8, 9, 10}, 1},
			{"after the last", 10, 10, nil, nil, 0},
			{"after one that was not given yet", 11, 1, nil, []uint64{10}, 9},
			{"those that match", 0, 10, filtered, []uint64{1, 4, 7, 10}, 0},
			{"the newest that match", 0, 2, filtered, []uint64{7, 10}, 6},
			{"none that matches", 7, 10, func(e *commit.TracedEvent) bool { return e.Topic == "other" }, nil, 0},
			{"none wanted", 3, 0, nil, nil, 7},
		} {
			events, newest, skipped := h.trail.Events(test.after, test.limit, test.match)
			if diff := cmp.Diff(test.want, numbers(events)); diff != "" || newest != 10 || skipped != test.skipped {
				t.Errorf("%s: newest %d, skipped %d, want %d; -want +got:\n%s", test.name, newest, skipped, test.skipped, diff)
			}
		}
		h.end()
	})
}

// Over the end of the room, and over the end of a Committer, the numbers go on, and what is forgotten
// counts as skipped.
func TestNumbersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 1000)
		for i := range 100 {
			h.sendAll(fmt.Sprint(i))
		}
		h.end()
		h.again(rules)
		h.run(t.Context())
		h.sendAll("100")
		events, newest, skipped := h.trail.Events(0, 1000, nil)
		if newest != 101 || len(events)+skipped != 101 || len(events) < 10 || events[len(events)-1].Number != 101 {
			t.Fatalf("%d events, the newest is %d, %d skipped", len(events), newest, skipped)
		}
		if _, ok := h.trail.Event(uint64(skipped)); ok {
			t.Error("there is one that was skipped")
		}
		for i, want := range events {
			if want.Number != uint64(skipped+i)+1 || want.Outcomes[0].Position != want.Number {
				t.Errorf("event %d is %+v", skipped+i+1, want)
			}
			got, ok := h.trail.Event(want.Number)
			at, found := h.trail.At(want.Outcomes[0].Position, want.Time)
			if later, ok := h.trail.At(want.Outcomes[0].Position, time.Now().Add(time.Hour)); !ok || later.Number != want.Number {
				t.Errorf("event %d is not found with another time: %+v", want.Number, later)
			}
			if !ok || !found {
				t.Errorf("event %d: by number %t, by position %t", want.Number, ok, found)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("by number, -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(want, at); diff != "" {
				t.Errorf("by position, -want +got:\n%s", diff)
			}
		}
		for _, position := range []uint64{0, 1, 102} {
			if e, ok := h.trail.At(position, time.Time{}); ok {
				t.Errorf("at position %d: %+v", position, e)
			}
		}
		h.end()
	})
}

func TestEventsOfTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 4000)
		began := time.Now()
		at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
		for i := range 60 { // number n at second n-1
			h.sendAll(fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		h.events <- &mqtt.Event{Topic: "other", Received: time.Now()}
		synctest.Wait()
		for _, test := range []struct {
			filter       string
			since, until time.Time
			want         []uint64
			more         int
		}{
			{"t", time.Time{}, time.Time{}, []uint64{58, 59, 60}, 57},
			{"+", time.Time{}, time.Time{}, []uint64{59, 60, 61}, 58},
			{"t", at(57), time.Time{}, []uint64{58, 59, 60}, 0},
			{"t", at(56), at(58), []uint64{57, 58, 59}, 0},
			{"t", at(10), at(11), []uint64{11, 12}, 0},
			{"t", at(60), time.Time{}, nil, 0},
			{"t", time.Time{}, at(-1), nil, 0},
			{"other", at(5), time.Time{}, []uint64{61}, 0},
			{"none", time.Time{}, time.Time{}, nil, 0},
		} {
			events, more := h.trail.OfTopic(test.filter, test.since, test.until, 3)
			if diff := cmp.Diff(test.want, numbers(events)); diff != "" || more != test.more {
				t.Errorf("%s from %v to %v: %d more, want %d; -want +got:\n%s", test.filter, test.since.Sub(began), test.until.Sub(began), more, test.more, diff)
			}
		}
		h.end()
	})
}

// Events are kept whole while somebody watches, and only then.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 1<<20)
		kept := func(number uint64, want string) {
			t.Helper()
			e, ok := h.trail.Received(number)
			if ok != (want != "") || string(e.Payload) != want {
				t.Errorf("event %d is %q, %t, want %q", number, e.Payload, ok, want)
			}
		}
		h.sendAll("1")
		kept(1, "")
		stop := h.trail.Watch()
		received := &mqtt.Event{Topic: "t", Payload: []byte("2"), Retained: true, ContentType: "text/plain",
			User: []mqtt.UserProperty{{Name: "a", Value: "b"}}, Received: time.Now()}
		h.events <- received
		synctest.Wait()
		kept(1, "")
		want := mapping.Event{Topic: "t", Payload: []byte("2"), Retained: true, ContentType: "text/plain", User: map[string]string{"a": "b"}, Received: received.Received}
		got, _ := h.trail.Received(2)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if &got.Payload[0] == &received.Payload[0] {
			t.Error("the payload is not a copy: it keeps alive what it was received with")
		}
		other := h.trail.Watch()
		stop()
		stop() // again: it is nobody else's
		h.sendAll("3")
		kept(2, "2")
		kept(3, "3")
		other()
		kept(2, "")
		kept(3, "")
		h.sendAll("4")
		defer h.trail.Watch()()
		kept(4, "")
		h.end()
	})
}

// The newest events are kept, within bounds, and each that is too large is not.
func TestWatchBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 1<<20)
		defer h.trail.Watch()()
		const all, size = 100, 64 << 10
		for range all {
			h.sendAll(strings.Repeat("x", size))
		}
		h.sendAll(strings.Repeat("x", size+1), "7")
		if _, ok := h.trail.Received(all + 1); ok {
			t.Error("one of more than 64 KiB is kept")
		}
		first, n := uint64(0), 0
		for number := range uint64(all + 3) {
			e, ok := h.trail.Received(number)
			if ok && first == 0 {
				first = number
			}
			if n += len(e.Payload); ok != (first > 0 && number != all+1) {
				t.Errorf("event %d: kept %t, the first is %d", number, ok, first)
			}
		}
		if n > 2<<20 || n < 2<<20-2*size {
			t.Errorf("%d bytes are kept", n)
		}
		h.end()
	})
}

const lettered = `
memory: {seen: {for: 10m}}
rules:
  - name: count
    topic: a/{name}/#
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.name)', unread_message_count: =payload.n}
  - name: see
    topic: s/{id}
    payload: ignore
    remember: {seen: {key: =topic.id, value: nothing}}
  - name: gone
    forgotten: seen
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", key)', unread_message_count: =value}
`

// Dead letters are kept without a watcher, with their event's number.
func TestDeadLettersKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTrailedHouse(t, 1<<20)
		h.committer.UseRules(compile(t, lettered), "other")
		began := time.Now().UTC()
		send := func(e mqtt.Event) {
			e.QoS, e.PacketID, e.SessionPresent, e.Connection, e.Received = 1, 1, true, 1, began
			h.events <- &e
			synctest.Wait()
		}
		send(mqtt.Event{Topic: "a/y", Payload: []byte(`{"n": 1}`)})
		send(mqtt.Event{Topic: "a/y", Payload: []byte(`{"n": "x"}`), User: []mqtt.UserProperty{{Name: "a", Value: "b"}}})
		send(mqtt.Event{Topic: "s/k", Payload: []byte("7")})
		large := `{"n": "` + strings.Repeat("x", 64<<10) + `"}`
		send(mqtt.Event{Topic: "a/z", Payload: []byte(large)})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// One that comes back, without its mark, becomes no other.
		send(mqtt.Event{Topic: "a/dead-letter/count", Payload: []byte(`{"n": "x"}`)})
		h.end()
		want := []commit.DeadLetter{
			{Number: 5, Time: began.Add(10 * time.Minute), Memory: "seen", Key: "k", Rule: "gone", Stage: "fields", Field: "unread_message_count",
				Reason: `"nothing" is not a whole number of 0 or more`, Place: "rules.yaml:15", Bytes: 9, Event: mapping.Event{Payload: []byte(`"nothing"`), Received: began.Add(10 * time.Minute)}},
			{Number: 4, Time: began, Topic: "a/z", Rule: "count", Stage: "fields", Field: "unread_message_count",
				Reason: `"` + strings.Repeat("x", 80) + `…" is not a whole number of 0 or more`, Place: "rules.yaml:7", Bytes: len(large),
				Event: mapping.Event{Topic: "a/z", QoS: 1, Received: began}},
			{Number: 2, Time: began, Topic: "a/y", Rule: "count", Stage: "fields", Field: "unread_message_count",
				Reason: `"x" is not a whole number of 0 or more`, Place: "rules.yaml:7", Bytes: 10,
				Event: mapping.Event{Topic: "a/y", Payload: []byte(`{"n": "x"}`), QoS: 1, User: map[string]string{"a": "b"}, Received: began}},
		}
		if diff := cmp.Diff(want, h.trail.DeadLetters()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// The newest dead letters are kept, within bounds.
func TestDeadLetterBounds(t *testing.T) {
	for name, test := range map[string]struct{ size, want int }{"many": {10, 100}, "large": {60_000, 17}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTrailedHouse(t, 1<<20)
				for i := range 120 {
					h.sendAll(fmt.Sprintf("%0*d bad", test.size, i))
				}
				letters := h.trail.DeadLetters()
				if len(letters) != test.want {
					t.Errorf("%d letters, want %d", len(letters), test.want)
				}
				for i, l := range letters {
					if l.Number != uint64(120-i) {
						t.Errorf("letter %d is of event %d", i, l.Number)
					}
				}
				h.end()
			})
		})
	}
}

// Who reads is not disturbed by what is committed meanwhile.
func TestReadTrailWhileCommitting(t *testing.T) {
	h := newTrailedHouse(t, 20_000)
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for last := uint64(0); last < 3000; {
				stop := h.trail.Watch()
				events, newest, skipped := h.trail.Events(last, 100, nil)
				if uint64(len(events)+skipped) != newest-last {
					t.Errorf("after %d: %d events and %d skipped up to %d", last, len(events), skipped, newest)
				}
				for _, e := range events {
					h.trail.At(e.Number, e.Time)
					h.trail.Received(e.Number)
				}
				h.trail.OfTopic("t", time.Now().Add(-time.Second), time.Time{}, 20)
				h.trail.DeadLetters()
				last = newest
				stop()
			}
		})
	}
	for i := range 3000 {
		payload := fmt.Sprint(i)
		if i%100 == 0 {
			payload = "bad"
		}
		h.send(payload)
	}
	reading.Wait()
	h.end()
}
