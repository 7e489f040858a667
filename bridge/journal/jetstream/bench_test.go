package jetstream_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// BenchmarkBatch appends batches of entries of 500 bytes, each as one message, and in turns with
// that, for comparison, as JetStream's atomic batch of a message an entry, followed as a log is.
func BenchmarkBatch(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), synced)
	for _, entries := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			one, many := time.Duration(0), time.Duration(0)
			append, publish := batchAppender(b, c, entries), atomicPublisher(b, c, entries)
			for b.Loop() {
				began := time.Now()
				append()
				one += time.Since(began)
				began = time.Now()
				publish()
				many += time.Since(began)
			}
			all := float64(entries) * float64(b.N)
			b.ReportMetric(all/one.Seconds(), "entries/s")
			b.ReportMetric(all/many.Seconds(), "atomic-entries/s")
			ratio := many.Seconds() / one.Seconds()
			b.ReportMetric(ratio, "ratio")
			if entries == 256 && b.N >= 100 && ratio < 2 {
				b.Errorf("%.0f entries/s in one message, %.0f in an atomic batch, want at least twice as many", all/one.Seconds(), all/many.Seconds())
			}
		})
	}
}

func batchAppender(b *testing.B, c *natstest.Cluster, entries int) func() {
	l := open(b, c, fmt.Sprint("bench", streams.Add(1)), jetstream.Options{})
	b.Cleanup(func() { l.Close() })
	w, err := l.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 500)
	return func() {
		batch := journal.Batch{Entries: slices.Repeat([]journal.Entry{{Queue: "/queue/message", Body: body}}, entries)}
		if err := w.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// atomicPublisher returns what publishes so many messages as one batch.
func atomicPublisher(b *testing.B, c *natstest.Cluster, messages int) func() {
	nc := dial(b, c)
	js, err := natsjs.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprint("atomic", streams.Add(1))
	if _, err := js.CreateStream(b.Context(), natsjs.StreamConfig{
		Name: name, Subjects: []string{name}, Replicas: len(c.Servers), AllowAtomicPublish: true,
		RePublish: &natsjs.RePublish{Source: name, Destination: name + ".tail"},
	}); err != nil {
		b.Fatal(err)
	}
	if _, err := nc.Subscribe(name+".tail", func(*nats.Msg) {}); err != nil {
		b.Fatal(err)
	}
	batches, body := 0, make([]byte, 500)
	return func() {
		batches++
		for i := 1; i < messages; i++ {
			if err := nc.PublishMsg(ofBatch(name, batches, i, body)); err != nil {
				b.Fatal(err)
			}
		}
		m := ofBatch(name, batches, messages, body)
		m.Header.Set("Nats-Batch-Commit", "1")
		answer, err := nc.RequestMsg(m, 10*time.Second)
		if err != nil || !strings.Contains(string(answer.Data), `"seq"`) {
			b.Fatalf("commit: %v, %s", err, answer.Data)
		}
	}
}

// ofBatch returns the message of that number of an atomic batch.
func ofBatch(subject string, batch, number int, body []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header.Set("Nats-Batch-Id", strconv.Itoa(batch))
	m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(number))
	return m
}

// BenchmarkLatency is the time from an Append until another replica's followers have the entry, at
// 100 a second. The floor is what the servers take of it: the same by NATS alone, in turns.
func BenchmarkLatency(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), synced)
	var ours, floor latencies
	for b.Loop() {
		appended, reached := journalAppender(b, c)
		publish, came := plainPublisher(b, c)
		for range 5 {
			ours.measure(appended, reached)
			floor.measure(publish, came)
		}
	}
	ours.report(b, "")
	floor.report(b, "floor-")
	b.ReportMetric(quantile(ours.there, 50)/quantile(floor.there, 50), "p50-ratio")
	b.ReportMetric(quantile(ours.there, 99)/quantile(floor.there, 99), "p99-ratio")
}

// Latencies are how long things took until they were answered, and until they were there.
type latencies struct{ answered, there []time.Duration }

// measure appends every 10 ms, and has what comes at the other side tell.
func (x *latencies) measure(do func(), came <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 40 {
		<-tick.C
		began := time.Now()
		there := make(chan time.Duration)
		go func() {
			<-came
			there <- time.Since(began)
		}()
		do()
		answered := time.Since(began)
		x.answered, x.there = append(x.answered, answered), append(x.there, <-there)
	}
}

func (x *latencies) report(b *testing.B, name string) {
	for _, q := range []int{50, 99} {
		b.ReportMetric(quantile(x.answered, q), fmt.Sprintf("%sanswer-p%d-ms", name, q))
		b.ReportMetric(quantile(x.there, q), fmt.Sprintf("%sp%d-ms", name, q))
	}
}

// quantile returns milliseconds.
func quantile(all []time.Duration, percent int) float64 {
	slices.Sort(all)
	return float64(all[len(all)*percent/100].Microseconds()) / 1000
}

// journalAppender appends to a log of its own, and tells when another replica's followers have that.
func journalAppender(b *testing.B, c *natstest.Cluster) (do func(), came <-chan struct{}) {
	name := fmt.Sprint("bench", streams.Add(1))
	l, other := open(b, c, name, jetstream.Options{}), open(b, c, name, jetstream.Options{})
	b.Cleanup(func() { l.Close(); other.Close() })
	w, err := l.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	reached := make(chan struct{}, 1)
	other.Follow(func([]journal.Entry) { reached <- struct{}{} })
	return func() {
		e := journal.Entry{Time: time.Now(), Queue: "/queue/message", Body: make([]byte, 500)}
		if err := w.Append(b.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
			b.Fatal(err)
		}
	}, reached
}

// plainPublisher publishes to a stream with the settings of a log's, each message behind the one
// before, and tells when a subscriber has it.
func plainPublisher(b *testing.B, c *natstest.Cluster) (publish func(), came <-chan struct{}) {
	name := fmt.Sprint("bench", streams.Add(1))
	if err := open(b, c, name, jetstream.Options{}).Close(); err != nil { // creates the stream
		b.Fatal(err)
	}
	reached := make(chan struct{}, 1)
	if _, err := dial(b, c).Subscribe(name+".tail", func(*nats.Msg) { reached <- struct{}{} }); err != nil {
		b.Fatal(err)
	}
	nc, sequence := dial(b, c), 0
	return func() {
		m := nats.NewMsg(name + ".log")
		m.Data = make([]byte, 600)
		m.Header.Set(natsjs.ExpectedLastSeqHeader, strconv.Itoa(sequence))
		sequence++
		if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
			b.Fatal(err)
		}
	}, reached
}

func dial(b *testing.B, c *natstest.Cluster) *nats.Conn {
	nc, err := nats.Connect(strings.Join(c.URLs(), ","))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	return nc
}

// fill makes a log of so many entries, in blocks of so many, and returns its name.
func fill(b *testing.B, c *natstest.Cluster, entries, each int) string {
	name := fmt.Sprint("bench", streams.Add(1))
	if err := open(b, c, name, jetstream.Options{}).Close(); err != nil { // creates the stream
		b.Fatal(err)
	}
	js, err := natsjs.New(dial(b, c), natsjs.WithPublishAsyncMaxPending(64))
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range jetstream.Blocks(b, entries/each, each) {
		if _, err := js.PublishAsync(name+".log", m); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return name
}

// BenchmarkOpen is the start of a replica, which reads the stream: 256 MB of it, and of small blocks
// less.
func BenchmarkOpen(b *testing.B) {
	c := natstest.Start(b, natstest.Current(b), natstest.Options{})
	for _, log := range []struct{ entries, each int }{{200_000, 1}, {490_000, 16}, {256 * 1914, 256}} {
		b.Run(fmt.Sprintf("%d in blocks of %d", log.entries, log.each), func(b *testing.B) {
			name := fill(b, c, log.entries, log.each)
			for b.Loop() {
				l := open(b, c, name, jetstream.Options{})
				if n := l.Bounds().Last; n != uint64(log.entries) {
					b.Fatalf("the log ends at %d", n)
				}
				l.Close()
			}
		})
	}
}

// BenchmarkResumes has 1,000 clients read 10,000 entries each, of which nothing is at hand.
func BenchmarkResumes(b *testing.B) {
	const entries, clients = 10_000, 1000
	c := natstest.Start(b, natstest.Current(b), natstest.Options{Servers: 3})
	for _, each := range []int{1, 64} {
		b.Run(fmt.Sprintf("blocks of %d", each), func(b *testing.B) {
			name := fill(b, c, entries, each)
			for b.Loop() {
				b.StopTimer()
				l := open(b, c, name, jetstream.Options{})
				l.Forget()
				last := l.Bounds().Last
				b.StartTimer()
				var resuming sync.WaitGroup
				for n := range clients {
					resuming.Go(func() {
						for after := uint64(n % 50); after < last; {
							page, err := l.Read(b.Context(), after, 128)
							if err != nil || len(page) == 0 {
								b.Errorf("Read after %d: %d entries, %v", after, len(page), err)
								return
							}
							after = page[len(page)-1].Position
						}
					})
				}
				resuming.Wait()
				b.StopTimer()
				l.Close()
				b.StartTimer()
			}
		})
	}
}
