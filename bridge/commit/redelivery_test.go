package commit

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// A step is one event as the broker sends it, and whether it must be taken for one that is in the
// journal.
type step struct {
	name       string
	event      mqtt.Event
	want       bool
	wantAbsent bool
	nothing    bool   // the rules make nothing of it
	pongs      uint64 // answered since the step before
	end        bool   // the process ends cleanly, after those pongs and before the event
}

func TestRedeliveries(t *testing.T) {
	event := func(id uint16, payload string, connection uint64) mqtt.Event {
		return mqtt.Event{Topic: "a/b", Payload: []byte(payload), QoS: 1, PacketID: id, SessionPresent: true, Connection: connection}
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
			{name: "first", event: event(1, "1", 1)},
			{name: "again", event: dup(event(1, "1", 2)), want: true},
			{name: "and again", event: dup(event(1, "1", 3)), want: true},
		}},
		{"equal content without DUP is an event of its own", []step{
			{name: "1", event: event(1, "1", 1)},
			{name: "2", event: event(2, "2", 1)},
			{name: "1", event: event(3, "1", 1)},
			{name: "the identifier again", event: event(1, "1", 1)},
		}},
		{"DUP of something else", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "other payload", event: dup(event(1, "2", 2))},
			{name: "now the newest use", event: dup(event(1, "1", 3))},
			{name: "other topic", event: dup(other(event(1, "1", 4)))},
			{name: "other identifier", event: dup(event(2, "1", 4))},
		}},
		{"the identifier was used in between, for what became nothing", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "something else", event: event(1, "2", 1), nothing: true},
			{name: "new, and lost on its way", event: dup(event(1, "1", 2))},
			{name: "other payload", event: dup(event(1, "2", 2)), nothing: true},
			{name: "new again", event: dup(event(1, "1", 3))},
		}},
		{"the identifier was used in between, and the process ended", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "something else", event: event(1, "2", 1), nothing: true},
			{name: "new, and lost on its way", event: dup(event(1, "1", 2)), end: true},
		}},
		{"pings have confirmed all acknowledgements, and the process ended", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "new, and lost on its way", event: dup(event(1, "1", 2)), pongs: certain, end: true},
		}},
		{"pings have confirmed some, and the process ended", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "second", event: event(2, "2", 1), pongs: certain - 1},
			{name: "in doubt", event: dup(event(1, "1", 2)), pongs: certain - 1, end: true, want: true},
		}},
		{"a session that the broker no longer has", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "new session", event: absent(dup(event(1, "1", 2))), wantAbsent: true},
		}},
		{"QoS 0 has no identifier", []step{
			{name: "first", event: qos0(event(0, "1", 1))},
			{name: "again", event: dup(qos0(event(0, "1", 2)))},
		}},
		{"an acknowledgement that pings have confirmed", []step{
			{name: "long before the end", event: event(1, "1", 1)},
			{name: "shortly before the end", event: event(2, "2", 1), pongs: certain},
			{name: "of the old one the identifier is used again", event: dup(event(1, "1", 2)), pongs: certain - 1},
			{name: "the young one is in doubt", event: dup(event(2, "2", 2)), want: true},
		}},
		{"the acknowledgement of a copy is in doubt in its turn", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "something new", event: event(2, "2", 2)},
			{name: "again", event: dup(event(1, "1", 2)), pongs: 2 * certain, want: true},
			{name: "and again", event: dup(event(1, "1", 3)), want: true},
		}},
		{"pings on the new connection confirm nothing of the old", []step{
			{name: "first", event: event(1, "1", 1)},
			{name: "something new first", event: event(2, "2", 2)},
			{name: "again", event: dup(event(1, "1", 2)), pongs: 2 * certain, want: true},
		}},
	} {
		for _, restart := range []bool{false, true} {
			checkRedeliveries(t, fmt.Sprintf("%s (restart %t)", test.name, restart), test.steps, restart)
		}
	}
}

func checkRedeliveries(t *testing.T, name string, steps []step, restart bool) {
	t.Helper()
	log := lead(t, journal.NewMemory(journal.MemoryOptions{}))
	r, err := newRedeliveries(log)
	if err != nil {
		t.Fatal(err)
	}
	var pongs, atConnect uint64
	next := func() { // what the log holds is enough; a process counts sessions, connections and pongs from its own start
		session, connection := r.session, r.connection
		if r, err = newRedeliveries(log); err != nil {
			t.Fatal(err)
		}
		r.session, r.connection = session, connection
		pongs, atConnect = 0, 0
	}
	for _, s := range steps {
		pongs += s.pongs
		if s.end {
			if r.confirmed(pongs) {
				log.Append(t.Context(), journal.Batch{Drop: []string{recordsRedelivery}})
			}
			next()
		}
		if s.event.Connection != r.connection {
			atConnect = pongs
		}
		s.event.Pongs = atConnect
		duplicate, absent := r.seen(&s.event)
		if duplicate != s.want || absent != s.wantAbsent {
			t.Errorf("%s, %s: got duplicate %t, absent %t", name, s.name, duplicate, absent)
		}
		if absent {
			log.Append(t.Context(), journal.Batch{Drop: []string{recordsRedelivery}})
		}
		var b journal.Batch
		if !duplicate && !s.nothing && s.event.QoS > 0 {
			r.use(&s.event)
			b.Entries = []journal.Entry{{Queue: "q", Time: time.Now()}}
		}
		b.Records = r.records(pongs, len(b.Entries) > 0)
		if err := log.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if restart {
			next()
		}
	}
}

// A batch may hold an event and, from the next connection, its copy: what is not committed cannot
// have been acknowledged.
func TestRedeliveryBeforeTheCommit(t *testing.T) {
	r, err := newRedeliveries(lead(t, journal.NewMemory(journal.MemoryOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	e := mqtt.Event{Topic: "a/b", QoS: 1, PacketID: 1, SessionPresent: true, Connection: 1}
	r.seen(&e)
	r.use(&e)
	e.Dup, e.Connection, e.Pongs = true, 2, 100
	if duplicate, _ := r.seen(&e); !duplicate {
		t.Error("the copy is not recognised")
	}
	e.SessionPresent, e.Session, e.Connection = false, 1, 3
	if duplicate, absent := r.seen(&e); duplicate || !absent {
		t.Errorf("in a new session: duplicate %t, absent %t", duplicate, absent)
	}
	if records := r.records(100, true); len(records) > 0 {
		t.Errorf("records of a session that is gone: %v", records)
	}
}

// An event that becomes nothing is written about only where the log knows its packet identifier,
// and once.
func TestRecordsOfEventsThatBecomeNothing(t *testing.T) {
	r, err := newRedeliveries(lead(t, journal.NewMemory(journal.MemoryOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		uses, entries bool
		want          int // records
	}{
		{false, false, 0},
		{true, false, 0}, // a dedupe has dropped what it becomes
		{true, true, 1},
		{false, false, 1},
		{true, false, 0},
		{false, false, 0},
	} {
		e := mqtt.Event{Topic: "a/b", Payload: []byte{byte(i)}, QoS: 1, PacketID: 1, SessionPresent: true, Connection: 1}
		r.seen(&e)
		if step.uses {
			r.use(&e)
		}
		if records := r.records(0, step.entries); len(records) != step.want {
			t.Errorf("event %d: records %v, want %d", i, records, step.want)
		}
	}
}

// An event whose outcome depends on what came before is known as soon as the log holds anything that
// came after: mapped again after that, it could become something else.
func TestRecordsAreMadeUpFor(t *testing.T) {
	r, err := newRedeliveries(lead(t, journal.NewMemory(journal.MemoryOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	records := func(id uint16, write bool, want ...string) {
		t.Helper()
		e := mqtt.Event{Topic: "a/b", Payload: []byte{byte(id)}, QoS: 1, PacketID: id, SessionPresent: true, Connection: 1}
		r.seen(&e)
		r.use(&e)
		var got []string
		for _, k := range r.records(0, write) {
			got = append(got, k.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records after identifier %d (-want +got):\n%s", id, diff)
		}
	}
	records(1, false)
	records(2, false)
	records(1, false) // used again: the broker has had the first acknowledgement
	records(3, true, "packet/1", "packet/2", "packet/3")
	records(4, true, "packet/4")
	records(5, false)
	for range unconfirmed - 1 {
		records(6, false)
	}
	records(7, true, "packet/6", "packet/7") // 5 was longer ago than what the broker may lack
}

// What is to be forgotten of packet identifiers leaves the log as well, whatever becomes of the
// events.
func TestForgottenIdentifiersLeaveTheLog(t *testing.T) {
	log := journal.NewMemory(journal.MemoryOptions{})
	w := lead(t, log)
	c := newTestCommitter(t, log, w, `
rules:
  - name: r
    topic: t
    when: payload != ""
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =payload}
`)
	records := func() (n int) {
		if err := w.Records(recordsRedelivery, func(journal.Record) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	event := func(payload string) []*mqtt.Event {
		return []*mqtt.Event{{Topic: "t", Payload: []byte(payload), QoS: 1, PacketID: 1, SessionPresent: true, Connection: 1}}
	}
	for i, step := range []struct {
		payload string
		want    int
	}{{"1", 1}, {"", 0}, {"2", 1}} {
		if err := c.commit(t.Context(), event(step.payload)); err != nil {
			t.Fatal(err)
		}
		if n := records(); n != step.want {
			t.Errorf("after event %d the log has %d records, want %d", i, n, step.want)
		}
	}
	c.redeliveries.before += certain // pings that were answered since
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := records(); n != 0 {
		t.Errorf("at the end the log has %d records of acknowledgements that the broker has had", n)
	}
}
