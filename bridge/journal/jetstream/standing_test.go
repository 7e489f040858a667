package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
)

// An awayStore cannot be reached at times.
type awayStore struct {
	memoryStore
	away atomic.Bool
}

var errAway = errors.New("no route to host")

func (s *awayStore) ends(ctx context.Context) (first, last uint64, err error) {
	if s.away.Load() {
		return 0, 0, errAway
	}
	return s.memoryStore.ends(ctx)
}

func TestStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bridgetest.Buffer
		store := &awayStore{memoryStore: memoryStore{stream: newStream()}}
		tell := func() journal.Replica { return journal.Replica{Version: "1.2", Config: "c0ffee", Sessions: 7} }
		l := mustOpen(t, store, Options{id: "a", tell: tell, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		defer l.Close()
		me := journal.Replica{ID: "a", Version: "1.2", Config: "c0ffee", Sessions: 7, Formats: []int{1}, Began: time.Now(), Seen: time.Now()}
		want := journal.Standing{ID: "a", Complete: time.Now(), Replicas: []journal.Replica{me}}
		if diff := cmp.Diff(want, l.Standing()); diff != "" {
			t.Errorf("of a replica that has just begun (-want +got):\n%s", diff)
		}

		w, err := l.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), numbered(0)); err != nil {
			t.Fatal(err)
		}
		if s := l.Standing(); !s.Leads || s.Leader != "a" || s.Term != 1 || s.Turns != 1 || s.Replicas[0].Position != 1 {
			t.Errorf("of the one that leads: %+v", s)
		}
		w.Resign()
		synctest.Wait()
		if s := l.Standing(); s.Leads || s.Leader != "" || s.Turns != 1 {
			t.Errorf("of one that leads no more: %+v", s)
		}

		store.away.Store(true)
		gone := time.Now()
		time.Sleep(time.Minute)
		if s := l.Standing(); s.Away != errAway || s.Complete.After(gone) {
			t.Errorf("while the log is away: %+v", s)
		}
		store.away.Store(false)
		back := time.Now()
		time.Sleep(2 * lookEvery)
		if s := l.Standing(); s.Away != nil || s.Complete.Before(back) {
			t.Errorf("when the log is back: %+v", s)
		}
		for _, words := range []string{`the journal cannot be reached" error="no route to host"`, "can be reached again"} {
			if n := len(said.Lines(words)); n != 1 {
				t.Errorf("said %d times that %s:\n%s", n, words, said.String())
			}
		}
	})
}

func numbered(n int) journal.Batch {
	return journal.Batch{Entries: []journal.Entry{{Queue: "/queue/a", Body: []byte{byte(n)}}}}
}
