package hub_test

import (
	"fmt"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// One entry at a time to every feed: a round is what a hub and its sessions do for it but the write.
func BenchmarkFanOut(b *testing.B) {
	for _, feeds := range []int{100, 1000, 10_000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("feeds=%d/batch=%d", feeds, batch), func(b *testing.B) { fanOut(b, feeds, batch) })
		}
	}
}

func fanOut(b *testing.B, feeds, batch int) {
	bench := newBench(b, hub.Config{}, journal.MemoryOptions{MaxBytes: 1 << 20})
	var all []*hub.Feed
	for range feeds {
		f := bench.feed()
		f.Subscribe(message, plain{name: "same"}, hub.Options{})
		all = append(all, f)
	}
	body := make([]byte, 400)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		entries := make([]journal.Entry, batch)
		for i := range entries {
			entries[i] = journal.Entry{Queue: message, Body: body}
		}
		if err := bench.log.Append(b.Context(), journal.Batch{Entries: entries}); err != nil {
			b.Fatal(err)
		}
		for _, f := range all {
			out, _, err := f.Next(buffer[:0], 64<<10)
			if err != nil || len(out) == 0 {
				b.Fatalf("Next gave %d bytes, %v", len(out), err)
			}
			f.Wrote()
			buffer = out
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*feeds*batch), "ns/delivery")
}

// A long replay, as after a day away.
func BenchmarkReplay(b *testing.B) {
	const entries = 10_000
	bench := newBench(b, hub.Config{}, journal.MemoryOptions{})
	bench.publishMany(entries, message)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		f := bench.hub.NewFeed(func() {})
		f.Subscribe(message, plain{name: "r"}, hub.Options{Resume: bench.resume(0)})
		for f.Position() < entries {
			out, _, err := f.Next(buffer[:0], 64<<10)
			if err != nil {
				b.Fatal(err)
			}
			f.Wrote()
			buffer = out
		}
		f.Close()
	}
}
