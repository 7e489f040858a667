package bridge

import (
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// A step is one event as the broker sends it, and whether it must be taken for one that is in the journal.
type step struct {
	name       string
	event      mqtt.Event
	want       bool
	wantAbsent bool
}

func TestRedeliveries(t *testing.T) {
	begin := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
	event := func(id uint16, payload string, connection uint64, after time.Duration) mqtt.Event {
		return mqtt.Event{Topic: "a/b", Payload: []byte(payload), QoS: 1, PacketID: id, SessionPresent: true, Connection: connection,
			Received: begin.Add(after)}
	}
	dup := func(e mqtt.Event) mqtt.Event { e.Dup = true; return e }
	absent := func(e mqtt.Event) mqtt.Event { e.SessionPresent, e.Session = false, e.Session+1; return e }
	qos0 := func(e mqtt.Event) mqtt.Event { e.QoS = 0; return e }
	other := func(e mqtt.Event) mqtt.Event { e.Topic = "a/c"; return e }

	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"sent again after the connection broke", []step{
			{"first", event(1, "1", 1, 0), false, false},
			{"again", dup(event(1, "1", 2, time.Second)), true, false},
			{"and again", dup(event(1, "1", 3, 2*time.Second)), true, false},
		}},
		{"equal content without DUP is an event of its own", []step{
			{"1", event(1, "1", 1, 0), false, false},
			{"2", event(2, "2", 1, 0), false, false},
			{"1", event(3, "1", 1, 0), false, false},
			{"the identifier again", event(1, "1", 1, time.Second), false, false},
		}},
		{"DUP of something else", []step{
			{"first", event(1, "1", 1, 0), false, false},
			{"other payload", dup(event(1, "2", 2, 0)), false, false},
			{"now the newest use", dup(event(1, "1", 3, 0)), false, false},
			{"other topic", dup(other(event(1, "1", 4, 0))), false, false},
			{"other identifier", dup(event(2, "1", 4, 0)), false, false},
		}},
		{"a session that the broker no longer has", []step{
			{"first", event(1, "1", 1, 0), false, false},
			{"new session", absent(dup(event(1, "1", 2, 0))), false, true},
		}},
		{"QoS 0 has no identifier", []step{
			{"first", qos0(event(0, "1", 1, 0)), false, false},
			{"again", dup(qos0(event(0, "1", 2, 0))), false, false},
		}},
		{"an acknowledgement that a ping has confirmed", []step{
			{"long before the end", event(1, "1", 1, 0), false, false},
			{"shortly before the end", event(2, "2", 1, time.Hour), false, false},
			{"of the old one the identifier is used again", dup(event(1, "1", 2, 2*time.Hour)), false, false},
			{"the young one is in doubt", dup(event(2, "2", 2, 2*time.Hour)), true, false},
		}},
	} {
		for _, restart := range []bool{false, true} {
			log := journal.NewMemory(journal.MemoryOptions{})
			r, err := newRedeliveries(log, 15*time.Second, begin)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range test.steps {
				duplicate, absent := r.seen(&s.event)
				if duplicate != s.want || absent != s.wantAbsent {
					t.Errorf("%s (restart %t), %s: got duplicate %t, absent %t", test.name, restart, s.name, duplicate, absent)
				}
				if absent {
					log.DropMarks(markRedelivery)
				}
				if duplicate || s.event.QoS == 0 {
					continue
				}
				b := journal.Batch{Entries: []journal.Entry{{Queue: "q", Time: s.event.Received}}, Marks: []journal.Mark{r.use(&s.event)}}
				if err := log.Append(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if restart { // what the log holds is enough; a process counts sessions and connections from its own start
					session, connection := r.session, r.connection
					if r, err = newRedeliveries(log, 15*time.Second, s.event.Received); err != nil {
						t.Fatal(err)
					}
					r.session, r.connection = session, connection
				}
			}
		}
	}
}

// The clock of the machine is set while no bridge runs: what the earlier process left must not make all that is new look old.
func TestRedeliveriesWhenTheClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		log := journal.NewMemory(journal.MemoryOptions{})
		now := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
		for process := range uint16(2) {
			r, err := newRedeliveries(log, 15*time.Second, now)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second)
			e := mqtt.Event{Topic: "a/b", QoS: 1, PacketID: process + 1, SessionPresent: true, Connection: 1, Received: now}
			r.seen(&e)
			b := journal.Batch{Entries: []journal.Entry{{Queue: "q", Time: now}}, Marks: []journal.Mark{r.use(&e)}}
			if err := log.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			again := e
			again.Dup, again.Connection = true, 2
			if duplicate, _ := r.seen(&again); !duplicate {
				t.Errorf("jump %v, process %d: an event that comes again is not recognised", jump, process)
			}
			now = now.Add(jump)
		}
	}
}
