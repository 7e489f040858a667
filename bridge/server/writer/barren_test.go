package writer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

// A slowLog takes its time for a page, and notes how many are read at once, but for the first ones.
type slowLog struct {
	*journal.Memory
	now, most atomic.Int64
}

func (l *slowLog) Read(ctx context.Context, after uint64, max int) ([]journal.Entry, error) {
	if after > 0 {
		if n := l.now.Add(1); n > 1 {
			l.most.Store(n)
		}
		defer l.now.Add(-1)
		time.Sleep(time.Millisecond)
	}
	return l.Memory.Read(ctx, after, max)
}

// Replays that have nothing for their clients take turns, page by page, and all come to their end.
func TestBarrenReplaysTakeTurns(t *testing.T) {
	memory := journal.NewMemory(journal.MemoryOptions{})
	lead, err := memory.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := &slowLog{Memory: memory}
	var batch journal.Batch
	for range 3000 {
		batch.Entries = append(batch.Entries, journal.Entry{Queue: queue, Audience: []string{"u:other"}, Body: []byte("x")})
	}
	if err := lead.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	h := hub.New(log, hub.Config{Queues: []hub.Queue{{Name: queue}}, RingEntries: 8})
	t.Cleanup(func() {
		h.Close()
		log.Close()
	})
	b := &bench{t: t, log: lead, hub: h, pool: writer.NewPool(h, limits)}
	var peers []*peer
	for range 8 {
		w, conn := b.dial()
		peers = append(peers, newPeer(t, conn))
		go w.Update(func(feed *hub.Feed, answers []byte) []byte {
			feed.SetTokens([]string{"u:a"})
			feed.Subscribe(queue, lines("a"), hub.Options{Resume: &hub.Resume{Epoch: h.Epoch(0)}})
			return append(answers, "subscribed\n"...)
		})
	}
	for _, p := range peers {
		p.want("subscribed")
	}
	b.publish("end", "u:a")
	for _, p := range peers {
		p.want("a end")
	}
	if n := log.most.Load(); n > 1 {
		t.Errorf("%d pages were read at once, want 1", n)
	}
}
