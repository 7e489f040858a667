package jetstream

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

func TestWritable(t *testing.T) {
	reads := func(all ...[]int) (replicas []journal.Replica) {
		for _, formats := range all {
			replicas = append(replicas, journal.Replica{Formats: formats})
		}
		return replicas
	}
	for _, test := range []struct {
		name     string
		formats  []int
		replicas []journal.Replica
		want     int
	}{
		{"alone", []int{1, 2}, reads([]int{1, 2}), 2},
		{"an older one", []int{1, 2}, reads([]int{1, 2}, []int{1}), 1},
		{"a newer one", []int{1, 2}, reads([]int{2, 3}, []int{1, 2}), 2},
		{"one of each", []int{2, 3}, reads([]int{1, 2}, []int{3, 4}), 2},
		{"one that tells nothing", []int{1, 2}, reads(nil, []int{1, 2}), 1},
	} {
		if got := writable(test.formats, test.replicas); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestFormats has versions with different formats share a log, as in a rollout.
func TestFormats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := newStream()
		older, newer := Options{id: "older", formats: []int{1}}, Options{id: "newer", formats: []int{1, 2}}
		before := mustOpen(t, &memoryStore{stream: stream}, older)
		l := mustOpen(t, &memoryStore{stream: stream}, newer)
		defer l.Close()
		w, err := l.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written := func(want byte) {
			t.Helper()
			if err := w.Append(t.Context(), numbered(0)); err != nil {
				t.Fatal(err)
			}
			stream.mu.Lock()
			defer stream.mu.Unlock()
			if got := stream.messages[stream.last()-1][0]; got != want {
				t.Errorf("written in format %d, want %d", got, want)
			}
		}
		written(1) // whoever is there may not have told of itself yet
		time.Sleep(absentAfter)
		written(1)
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}

		// It starts while nobody knows of it yet, and ends when it comes to what it cannot read.
		starting := mustOpen(t, &silentStore{memoryStore{stream: stream}}, older)
		defer starting.Close()
		written(2)
		<-starting.Done()
		if !errors.Is(starting.Err(), errFormat) || starting.Bounds().Last != 2 {
			t.Errorf("the older one has ended with %v at %v", starting.Err(), starting.Bounds())
		}
		if _, err := open(t.Context(), &memoryStore{stream: stream}, older.named("again")); !errors.Is(err, errFormat) {
			t.Errorf("opened by a version that is too old: %v", err)
		}

		third := mustOpen(t, &memoryStore{stream: stream}, newer.named("third"))
		defer third.Close()
		if got := third.Bounds().Last; got != 3 {
			t.Errorf("a newer one has %d entries of both formats, want 3", got)
		}
		w.Resign()
		if w, err = third.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		written(2) // as the newest block, before it has heard of all
	})
}

func (o Options) named(id string) Options {
	o.id = id
	return o
}

// A silentStore announces nothing.
type silentStore struct{ memoryStore }

func (*silentStore) announce(announcement) {}
