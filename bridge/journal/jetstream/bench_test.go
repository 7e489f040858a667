package jetstream_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// synced has the servers write to their disks before they answer.
var synced = natstest.Options{Servers: 3, JetStream: []string{"sync_interval: always"}}

// BenchmarkBatch appends batches of entries of 500 bytes, each as one message, and for comparison
// as JetStream's atomic batch of a message an entry.
func BenchmarkBatch(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), synced)
	body := make([]byte, 500)
	for _, entries := range []int{1, 64, 256} {
		b.Run(fmt.Sprint("one message/", entries), func(b *testing.B) {
			l := open(b, c, fmt.Sprint("bench", streams.Add(1)), jetstream.Options{})
			defer l.Close()
			w, err := l.Lead(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				batch := journal.Batch{Entries: slices.Repeat([]journal.Entry{{Queue: "/queue/message", Body: body}}, entries)}
				if err := w.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
		b.Run(fmt.Sprint("atomic/", entries), func(b *testing.B) {
			publish := atomicBatches(b, c)
			for b.Loop() {
				publish(entries, body)
			}
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// atomicBatches returns what publishes so many messages as one batch.
func atomicBatches(b *testing.B, c *natstest.Cluster) func(n int, body []byte) {
	nc, err := nats.Connect(c.URLs()[0])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprint("atomic", streams.Add(1))
	if _, err := js.CreateStream(b.Context(), natsjs.StreamConfig{
		Name: name, Subjects: []string{name}, Replicas: len(c.Servers), AllowAtomicPublish: true,
	}); err != nil {
		b.Fatal(err)
	}
	batches := 0
	return func(n int, body []byte) {
		batches++
		for i := range n {
			m := nats.NewMsg(name)
			m.Data = body
			m.Header.Set("Nats-Batch-Id", strconv.Itoa(batches))
			m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
			if i < n-1 {
				if err := nc.PublishMsg(m); err != nil {
					b.Fatal(err)
				}
				continue
			}
			m.Header.Set("Nats-Batch-Commit", "1")
			answer, err := nc.RequestMsg(m, 10*time.Second)
			if err != nil || slices.Contains([]string{"", `{"error"`}, string(answer.Data[:min(len(answer.Data), 8)])) {
				b.Fatalf("commit: %v, %s", err, answer.Data)
			}
		}
	}
}

// BenchmarkLatency is the time from an Append until another replica's followers have the entry, at
// so many a second.
func BenchmarkLatency(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), synced)
	for _, rate := range []int{100, 250} {
		b.Run(fmt.Sprint(rate, " a second"), func(b *testing.B) {
			name := fmt.Sprint("bench", streams.Add(1))
			l, other := open(b, c, name, jetstream.Options{}), open(b, c, name, jetstream.Options{})
			defer l.Close()
			defer other.Close()
			w, err := l.Lead(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			var mu sync.Mutex
			var took []time.Duration
			other.Follow(func(entries []journal.Entry) {
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(entries[0].Time))
			})
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			n := 0
			for b.Loop() {
				<-tick.C
				e := journal.Entry{Time: time.Now(), Queue: "/queue/message", Body: make([]byte, 500)}
				if err := w.Append(b.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if err := other.Reach(b.Context(), uint64(n)); err != nil {
				b.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkOpen is the start of a replica: it reads a stream of 256 MB.
func BenchmarkOpen(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), natstest.Options{})
	body := make([]byte, 500)
	for _, entries := range []int{16, 256} {
		b.Run(fmt.Sprint("blocks of ", entries), func(b *testing.B) {
			name := fmt.Sprint("bench", streams.Add(1))
			l := open(b, c, name, jetstream.Options{})
			w, err := l.Lead(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for i := range 490_000 / entries {
				var batch journal.Batch
				for n := range entries {
					key := fmt.Sprint(i*entries + n) // every entry is the newest of its key
					batch.Entries = append(batch.Entries, journal.Entry{Queue: "/queue/unread-count", Key: key, Body: body})
				}
				if err := w.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := open(b, c, name, jetstream.Options{}).Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
