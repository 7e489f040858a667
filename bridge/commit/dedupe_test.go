package commit

import (
	"fmt"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
)

func TestDedupe(t *testing.T) {
	begin := time.Now() // the log asks the wall clock whether a record has expired
	log := lead(t, journal.NewMemory(journal.MemoryOptions{}))
	for i, step := range []struct {
		rule, key string
		after     time.Duration
		want      bool
	}{
		{"r", "1", 0, false},
		{"r", "1", time.Minute, true},
		{"r", "2", time.Minute, false},
		{"other", "1", time.Minute, false},
		{"r", "", time.Minute, false},
		{"r", "", time.Minute, false},
		{"r", "1", 10*time.Minute - 1, true},
		{"r", "1", 10 * time.Minute, false}, // the window counts from the one that was mapped
		{"r", "1", 19 * time.Minute, true},
	} {
		r, err := newDedupe(log) // what the log holds is enough
		if err != nil {
			t.Fatal(err)
		}
		o := mapping.Output{Rule: step.rule, DedupeKey: step.key, DedupeWindow: 10 * time.Minute}
		got, records := r.seen(o, begin.Add(step.after))
		if got != step.want {
			t.Errorf("step %d: got %t", i, got)
		}
		b := journal.Batch{Entries: []journal.Entry{{Queue: "q", Time: begin}}, Records: records}
		if err := log.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// The clock of the machine is set back while no bridge runs: no event is dropped for what was
// mapped in that future.
func TestDedupeWhenTheClockIsSetBack(t *testing.T) {
	now := time.Now()
	log := lead(t, journal.NewMemory(journal.MemoryOptions{}))
	o := mapping.Output{Rule: "r", DedupeKey: "1", DedupeWindow: 10 * time.Minute}
	for _, received := range []time.Time{now.Add(24 * time.Hour), now} {
		r, err := newDedupe(log)
		if err != nil {
			t.Fatal(err)
		}
		repeated, records := r.seen(o, received)
		if repeated {
			t.Fatalf("received at %v: taken for a repeat", received)
		}
		b := journal.Batch{Entries: []journal.Entry{{Queue: "q", Time: received}}, Records: records}
		if err := log.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDedupeAreBounded(t *testing.T) {
	r, err := newDedupe(lead(t, journal.NewMemory(journal.MemoryOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range maxWindows + maxWindows/4 {
		r.seen(mapping.Output{Rule: "r", DedupeKey: fmt.Sprint(i), DedupeWindow: time.Hour}, now)
	}
	if len(r.ends) > maxWindows {
		t.Errorf("%d keys remembered", len(r.ends))
	}
}

// What is remembered follows what the windows hold, not all that has ever come.
func TestDedupeForgetWindowsThatHaveEnded(t *testing.T) {
	r, err := newDedupe(lead(t, journal.NewMemory(journal.MemoryOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range maxWindows / 2 {
		now = now.Add(time.Millisecond) // 10,000 windows at a time
		if _, records := r.seen(mapping.Output{Rule: "r", DedupeKey: fmt.Sprint(i), DedupeWindow: 10 * time.Second}, now); len(records) != 1 {
			t.Fatalf("key %d: %d records, want its own", i, len(records))
		}
		if len(r.ends) > 21_000 {
			t.Fatalf("%d keys remembered", len(r.ends))
		}
	}
}

// Keys that are forgotten early, since there are too many, leave the log too: it must not grow with
// all that come in a day.
func TestDedupeAreBoundedInTheLog(t *testing.T) {
	now := time.Now()
	log := lead(t, journal.NewMemory(journal.MemoryOptions{}))
	r, err := newDedupe(log)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 3*maxWindows/2; {
		b := journal.Batch{Entries: []journal.Entry{{Queue: "q", Time: now}}}
		for range 1000 {
			n++
			_, records := r.seen(mapping.Output{Rule: "r", DedupeKey: fmt.Sprint(n), DedupeWindow: 24 * time.Hour}, now)
			b.Records = append(b.Records, records...)
		}
		if err := log.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	if err := log.Records(recordsDedupe, func(m journal.Record) bool {
		if _, ok := r.ends[m.Name]; !ok {
			t.Fatal("a key that was forgotten is in the log")
		}
		kept++
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if kept != len(r.ends) || kept > maxWindows {
		t.Errorf("the log holds %d keys, %d are remembered, the limit is %d", kept, len(r.ends), maxWindows)
	}
}
