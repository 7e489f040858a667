package commit_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// A flood is a source of events, and a publisher that takes all.
type flood chan *mqtt.Event

func (f flood) Events() <-chan *mqtt.Event                  { return f }
func (f flood) Ack(...*mqtt.Event)                          {}
func (f flood) Pongs() uint64                               { return 0 }
func (f flood) Pause(error)                                 {}
func (f flood) Resume()                                     {}
func (f flood) Publish(context.Context, mqtt.Message) error { return nil }

// pour commits what the function makes, with nobody subscribed, logging at info.
func pour(b *testing.B, log journal.Log, rules string, event func(i int) *mqtt.Event) {
	b.Helper()
	f := newFlow(b, log, rules)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.events <- event(i)
	}
	f.end(b)
}

// A flow is a Committer at work.
type flow struct {
	*commit.Committer
	events flood
	ended  chan error
}

func newFlow(b *testing.B, log journal.Log, rules string) *flow {
	b.Helper()
	return newFlowWith(b, log, rules, nil)
}

func newFlowWith(b *testing.B, log journal.Log, rules string, t *commit.Trail) *flow {
	b.Helper()
	store, err := log.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	f := &flow{events: make(flood, 256), ended: make(chan error, 1)}
	f.Committer, err = commit.New(b.Context(), commit.Config{Source: f.events, Publisher: f.events, Pauser: f.events, Store: store, Snapshot: log,
		Mapper: compile(b, rules), BaseTopic: "base", Trail: t, Logger: slog.New(slog.NewTextHandler(b.Output(), nil))})
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		err := f.Run(context.Background())
		store.Resign()
		f.ended <- err
	}()
	return f
}

func (f *flow) end(b *testing.B) {
	b.Helper()
	close(f.events)
	if err := <-f.ended; err != nil {
		b.Fatal(err)
	}
}

// One event is mapped and appended to a journal in memory.
func BenchmarkEvent(b *testing.B) {
	pour(b, journal.NewMemory(journal.MemoryOptions{}), rules, func(int) *mqtt.Event {
		return &mqtt.Event{Topic: "t", Payload: []byte("7")}
	})
}

// What it takes to read a trail that is full: a second's events, one by its number, by its position,
// and those of a topic.
func BenchmarkReadTrail(b *testing.B) {
	t := commit.NewTrail(12 << 20)
	f := newFlowWith(b, journal.NewMemory(journal.MemoryOptions{}), rules, t)
	const events = 300_000
	for range events {
		f.events <- &mqtt.Event{Topic: "t", Payload: []byte("7"), Received: time.Now()}
	}
	f.end(b)
	all, newest, forgotten := t.Events(0, events, nil)
	b.Logf("%d events, the newest is %d, %d forgotten", len(all), newest, forgotten)
	middle := all[len(all)/2]
	none := func(*commit.TracedEvent) bool { return false }
	for _, read := range []struct {
		what string
		read func()
	}{
		{"second", func() { t.Events(newest-1000, 200, nil) }},
		{"second, none matches", func() { t.Events(newest-1000, 200, none) }},
		{"number", func() { t.Event(middle.Number) }},
		{"position", func() { t.At(middle.Outcomes[0].Position, middle.Time) }},
		{"position, gone", func() { t.At(1, time.Time{}) }},
		{"topic", func() { t.OfTopic("other/+", time.Time{}, time.Time{}, 20) }},
	} {
		b.Run(read.what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read.read()
			}
		})
	}
}

// counter counts what comes in a conversation.
const counter = `
memory: {unread: {}}
rules:
  - name: unread
    topic: chat/{conv}/in
    let:
      n: (memory.unread[topic.conv] ?? 0) + 1
    dedupe: {key: =payload.id, window: 1h}
    remember: {unread: {key: =topic.conv, value: =n}}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("conv", topic.conv)', unread_message_count: =n}
`

// A rule that counts beside the same rule that does not, in a thousand conversations.
func BenchmarkCounter(b *testing.B) {
	plain := strings.NewReplacer("memory: {unread: {}}\n", "", "(memory.unread[topic.conv] ?? 0) + 1", "len(topic.conv)",
		"    remember: {unread: {key: =topic.conv, value: =n}}\n", "").Replace(counter)
	var topics [1000]string
	for i := range topics {
		topics[i] = fmt.Sprintf("chat/%d/in", i)
	}
	event := func(i int) *mqtt.Event {
		return &mqtt.Event{Topic: topics[i*7%1000], Payload: fmt.Appendf(nil, `{"id":"message %d","content":"How are you?"}`, i),
			QoS: 1, PacketID: uint16(i), SessionPresent: true, Connection: 1, Received: time.Now()}
	}
	for _, on := range []string{"memory", "disk"} {
		for _, rule := range []struct{ name, rules string }{{"plain", plain}, {"counting", counter}} {
			b.Run(on+"/"+rule.name, func(b *testing.B) {
				var log journal.Log = journal.NewMemory(journal.MemoryOptions{})
				if on == "disk" {
					var err error
					if log, err = disk.Open(b.Context(), disk.Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)}); err != nil {
						b.Fatal(err)
					}
				}
				defer log.Close()
				pour(b, log, rule.rules, event)
			})
		}
	}
}

// remembers remembers a text of 200 bytes under whatever key comes.
const remembers = `
memory: {m: {max_keys: 1000000, max_bytes: 1GiB}}
rules:
  - name: many
    topic: t
    payload: text
    remember: {m: {key: =payload, value: TEXT}}
`

// A million keys, in the journal too: what one takes beyond its own bytes and its value's.
func BenchmarkMillionKeys(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		log := journal.NewMemory(journal.MemoryOptions{})
		f := fill(b, log, strings.Replace(remembers, "TEXT", "text", 1), n)
		counts := f.Memory().Counts()[0]
		if counts.Keys != n {
			b.Fatalf("%d keys", counts.Keys)
		}
		b.ReportMetric(float64(heap()-before-int(counts.Bytes))/n, "B/key")
		runtime.KeepAlive(f)
		log.Close()
	}
}

// fill has the rules map so many events.
func fill(b *testing.B, log journal.Log, rules string, n int) *flow {
	b.Helper()
	f := newFlow(b, log, rules)
	for i := range n {
		f.events <- &mqtt.Event{Topic: "t", Payload: fmt.Appendf(nil, "conversation %d", i), Received: time.Now()}
	}
	f.end(b)
	return f
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A Committer begins where a journal on disk holds 100,000 keys with values of 200 bytes; beside it,
// what opening that journal takes.
func BenchmarkStart(b *testing.B) {
	rules := strings.Replace(remembers, "TEXT", strings.Repeat("x", 198), 1)
	dir := b.TempDir()
	open := func() journal.Log {
		log, err := disk.Open(b.Context(), disk.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		return log
	}
	log := open()
	fill(b, log, rules, 100_000)
	log.Close()
	var opening, starting time.Duration
	for b.Loop() {
		begun := time.Now()
		log := open()
		opened := time.Now()
		f := newFlow(b, log, rules)
		opening, starting = opening+opened.Sub(begun), starting+time.Since(opened)
		if keys := f.Memory().Counts()[0].Keys; keys != 100_000 {
			b.Fatalf("%d keys", keys)
		}
		f.end(b)
		log.Close()
	}
	b.ReportMetric(opening.Seconds()/float64(b.N), "s/open")
	b.ReportMetric(starting.Seconds()/float64(b.N), "s/start")
}
