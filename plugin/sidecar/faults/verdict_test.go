package faults_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// A verdict compares, when all has come to rest, what was acknowledged to the publisher, what is in
// the journal, and what each client got.
type verdict struct {
	row
	t       testing.TB
	open    opener // of the journal
	acks    []int  // the acknowledged events
	entries []journal.Entry
	epochs  []string       // under which the log gave them out
	first   map[int]uint64 // event -> its first position
	lost    []int          // acknowledged and not in the journal
}

// An opener opens the journal of bridges that are not running.
type opener func() journal.Log

// onDisk opens the journal in the directory.
func onDisk(t testing.TB, dir string) opener {
	return func() journal.Log {
		t.Helper()
		log, err := disk.Open(t.Context(), disk.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
}

// newVerdict reads the journal. It fails the test where events stand there in another order than
// they were published in.
func newVerdict(t testing.TB, fault string, events *publisher, open opener) *verdict {
	t.Helper()
	v := &verdict{row: row{fault: fault}, t: t, open: open, acks: events.acknowledged(), first: map[int]uint64{}}
	v.entries, v.epochs = readJournal(t, open())
	v.published, v.acked = events.counts()
	type topic struct {
		queue  string
		worker int
	}
	newest := map[topic]int{} // event
	for _, e := range v.entries {
		event := number(string(e.Body))
		if v.first[event] > 0 {
			continue
		}
		v.first[event] = e.Position
		of := topic{e.Queue, worker(string(e.Body))}
		if event < newest[of] {
			t.Errorf("event %d stands in the journal after event %d of the same topic", event, newest[of])
		}
		newest[of] = event
	}
	v.journalled = len(v.first)
	for _, n := range v.acks {
		if v.first[n] == 0 {
			v.lost = append(v.lost, n)
		}
	}
	return v
}

// readJournal reads the log, and closes it.
func readJournal(t testing.TB, log journal.Log) (all []journal.Entry, epochs []string) {
	t.Helper()
	defer log.Close()
	for {
		page, err := log.Read(t.Context(), uint64(len(all)), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all, epochs
		}
		all = append(all, page...)
		for _, e := range page {
			epochs = append(epochs, log.Epoch(e.Position))
		}
	}
}

// compare fails the test where a client got anything else than what the journal has, and counts
// what it got.
func (v *verdict) compare(i int, c *subscriber) {
	t := v.t
	t.Helper()
	v.clients++
	v.resumes += c.connections - 1
	v.gaps += c.gaps
	got := map[int]int{} // event -> how often
	for _, s := range c.streams {
		v.delivered += len(s.positions)
		if err := v.check(s); err != nil {
			t.Errorf("client %d, %s: %v", i, s.queue, err)
		}
		for _, p := range s.positions {
			got[number(string(v.entries[p-1].Body))]++
		}
	}
	for _, n := range got {
		v.duplicated += n - 1
	}
	lost := 0
	for _, n := range v.acks {
		p := v.first[n]
		if got[n] == 0 && (p == 0 || c.awaits(&v.entries[p-1])) {
			lost++
		}
	}
	v.lostWorst = max(v.lostWorst, lost)
	v.lostSum += lost
}

// awaits reports whether the entry belongs to a stream and comes after its first.
func (s *subscriber) awaits(e *journal.Entry) bool {
	return slices.ContainsFunc(s.streams, func(q *stream) bool { return q.wants(e) && e.Position >= q.positions[0] })
}

// check compares a stream with the journal: from its first message on it must be all that the
// journal has for it.
func (v *verdict) check(s *stream) error {
	var want []uint64
	for i := s.positions[0] - 1; i < uint64(len(v.entries)); i++ {
		if s.wants(&v.entries[i]) {
			want = append(want, i+1)
		}
	}
	for i, p := range s.positions {
		if i >= len(want) || p != want[i] {
			return fmt.Errorf("message %d is the one at position %d; journal and client go on %d and %d", i, p, slice(want, i), slice(s.positions, i))
		}
		if s.epochs[i] != v.epochs[p-1] {
			return fmt.Errorf("the message at position %d came under the epoch %s, the journal has it under %s", p, s.epochs[i], v.epochs[p-1])
		}
		if s.keep && s.bodies[i] != string(v.entries[p-1].Body) {
			return fmt.Errorf("at position %d the body is %s, the journal has %s", p, s.bodies[i], v.entries[p-1].Body)
		}
	}
	if len(want) != len(s.positions) {
		return fmt.Errorf("%d messages, the journal has %d", len(s.positions), len(want))
	}
	return nil
}

// slice returns a few positions around the i-th.
func slice(positions []uint64, i int) []uint64 {
	return positions[min(len(positions), max(0, i-3)):min(len(positions), i+3)]
}

// exact adds the row, and fails the test unless everything that was acknowledged arrived, and once.
func (v *verdict) exact() {
	v.t.Helper()
	results.add(v.row)
	if len(v.lost) > 0 || v.lostSum > 0 {
		v.t.Errorf("%d acknowledged events are not in the journal, such as %d; clients missed %d", len(v.lost), v.lost[:min(10, len(v.lost))], v.lostSum)
	}
	if v.duplicated > 0 {
		v.t.Errorf("clients got %d events again", v.duplicated)
	}
	if v.gaps > 0 {
		v.t.Errorf("clients were told of %d gaps", v.gaps)
	}
}

// complete adds the row, and fails the test unless every event from the given one on that was
// acknowledged arrived, and once. What happened to those before is in the row.
func (v *verdict) complete(from int) {
	v.t.Helper()
	results.add(v.row)
	for _, n := range v.lost {
		if n >= from {
			v.t.Errorf("event %d was acknowledged and is not in the journal", n)
		}
	}
	for _, n := range v.doubled() {
		if n >= from {
			v.t.Errorf("event %d is in the journal twice", n)
		}
	}
	if v.gaps > 0 {
		v.t.Errorf("clients were told of %d gaps", v.gaps)
	}
}

// number returns the number of the event that the body was made of; -1 if it has none.
func number(body string) int { return find(body, "n=") }

// worker returns who published the event.
func worker(body string) int { return find(body, "worker=") }

// find returns the number after the word; -1 if there is none.
func find(body, word string) int {
	_, rest, _ := strings.Cut(body, word)
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// doubled returns the events that the journal has more than once.
func (v *verdict) doubled() (events []int) {
	for _, e := range v.entries {
		if n := number(string(e.Body)); v.first[n] != e.Position && !slices.Contains(events, n) {
			events = append(events, n)
		}
	}
	return events
}
