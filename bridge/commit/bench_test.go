package commit_test

import (
	"context"
	"log/slog"
	"testing"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
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

// One event is mapped and appended to a journal in memory, with nobody subscribed, logging at info.
func BenchmarkEvent(b *testing.B) {
	memory := journal.NewMemory(journal.MemoryOptions{})
	store, err := memory.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	events := make(flood, 256)
	c, err := commit.New(b.Context(), commit.Config{Source: events, Publisher: events, Pauser: events, Store: store, Snapshot: memory,
		Mapper: compile(b, rules), BaseTopic: "base", Logger: slog.New(slog.NewTextHandler(b.Output(), nil))})
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	b.ReportAllocs()
	for b.Loop() {
		events <- &mqtt.Event{Topic: "t", Payload: []byte("7")}
	}
	close(events)
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
