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
func (f flood) Ack(*mqtt.Event)                             {}
func (f flood) Pongs() uint64                               { return 0 }
func (f flood) Pause(error)                                 {}
func (f flood) Resume()                                     {}
func (f flood) Publish(context.Context, mqtt.Message) error { return nil }

// pour commits what the function makes, with nobody subscribed, logging at info.
func pour(b *testing.B, log journal.Log, rules string, event func(i int) *mqtt.Event) {
	b.Helper()
	store, err := log.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	events := make(flood, 256)
	c, err := commit.New(b.Context(), commit.Config{Source: events, Publisher: events, Pauser: events, Store: store, Snapshot: log,
		Mapper: compile(b, rules), BaseTopic: "base", Logger: slog.New(slog.NewTextHandler(b.Output(), nil))})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		events <- event(i)
	}
	close(events)
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// One event is mapped and appended to a journal in memory.
func BenchmarkEvent(b *testing.B) {
	pour(b, journal.NewMemory(journal.MemoryOptions{}), rules, func(int) *mqtt.Event {
		return &mqtt.Event{Topic: "t", Payload: []byte("7")}
	})
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

// A million keys, in the journal too: what one takes beyond its own bytes and its value's.
func BenchmarkMillionKeys(b *testing.B) {
	const n = 1_000_000
	const remembers = `
memory: {m: {max_keys: 1000000, max_bytes: 1GiB}}
rules:
  - name: many
    topic: t
    payload: text
    remember: {m: {key: =payload, value: =len(payload)}}
`
	for b.Loop() {
		before := heap()
		log := journal.NewMemory(journal.MemoryOptions{})
		store, err := log.Lead(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		events := make(flood, 256)
		c, err := commit.New(b.Context(), commit.Config{Source: events, Publisher: events, Pauser: events, Store: store, Snapshot: log,
			Mapper: compile(b, remembers), BaseTopic: "base", Logger: slog.New(slog.NewTextHandler(b.Output(), nil))})
		if err != nil {
			b.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(context.Background()) }()
		for i := range n {
			events <- &mqtt.Event{Topic: "t", Payload: fmt.Appendf(nil, "conversation %d", i), Received: time.Now()}
		}
		close(events)
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		counts := c.Memory().Counts()[0]
		if counts.Keys != n {
			b.Fatalf("%d keys", counts.Keys)
		}
		b.ReportMetric(float64(heap()-before-int(counts.Bytes))/n, "B/key")
		begun := time.Now()
		again, err := commit.New(b.Context(), commit.Config{Source: events, Publisher: events, Pauser: events, Store: store, Snapshot: log,
			Mapper: compile(b, remembers), BaseTopic: "base", Logger: slog.New(slog.NewTextHandler(b.Output(), nil))})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s/start")
		runtime.KeepAlive(again)
		log.Close()
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
