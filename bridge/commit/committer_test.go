package commit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
)

// The newest entry is kept per conversation or channel, over both queues of channels, and for each
// audience apart.
func TestNewestByAudience(t *testing.T) {
	const channel, conversation = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22", "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
	ada := audience.Of([]string{audience.User("ada")})
	support := func() audience.Audience {
		return audience.Of([]string{audience.User("ada"), audience.Group("support")})
	}
	output := func(queue, key, body string, who audience.Audience) mapping.Output {
		return mapping.Output{Queue: queue, Key: key, Audience: who, Body: []byte(body)}
	}
	log := journal.NewMemory(journal.MemoryOptions{})
	defer log.Close()
	var b journal.Batch
	for _, o := range []mapping.Output{
		output(contract.QueueUnreadCount, conversation, "1", nil),
		output(contract.QueueUnreadCount, conversation, "2", ada),
		output(contract.QueueUnreadCount, conversation, "3", support()),
		output(contract.QueueUnreadCount, conversation, "4", ada),
		output(contract.QueueMessage, "", "5", ada),
		output(contract.QueueChannelConnected, channel, "6", nil),
		output(contract.QueueChannelConnected, channel, "7", ada),
		output(contract.QueueChannelDisconnected, channel, "8", nil),
		output(contract.QueueUnreadCount, conversation, "9", support()),
		output(contract.QueueUnreadCount, channel, "10", nil), // one id of two things
	} {
		b.Entries = append(b.Entries, entryOf(o, time.Now(), ""))
	}
	if err := lead(t, log).Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{} // queue -> bodies of the newest, with their audiences
	for _, q := range contract.QueueNames() {
		page, err := log.Latest(t.Context(), q, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			got[q] = append(got[q], string(e.Body)+" for "+audience.Audience(e.Audience).String())
		}
	}
	want := map[string][]string{
		contract.QueueUnreadCount:         {"1 for everybody", "4 for user ada", "9 for group support, user ada", "10 for everybody"},
		contract.QueueChannelConnected:    {"7 for user ada"},
		contract.QueueChannelDisconnected: {"8 for everybody"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A wideStore notes the bytes of the largest batch.
type wideStore struct {
	Store
	largest int
}

func (s *wideStore) Append(ctx context.Context, b journal.Batch) error {
	size := 0
	for _, e := range b.Entries {
		size += len(e.Body)
	}
	s.largest = max(s.largest, size)
	return s.Store.Append(ctx, b)
}

// Small events that become much must not all be held at once: a batch ends with the event that has
// filled it.
func TestBatchIsBounded(t *testing.T) {
	const events, items, text = 64, 500, 1000
	log := journal.NewMemory(journal.MemoryOptions{})
	store := &wideStore{Store: lead(t, log)}
	c := newTestCommitter(t, log, store, `
rules:
  - name: many
    topic: t
    each: payload.items
    queue: /queue/message
    fields:
      conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11
      channel_id: 2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22
      message: {id: '=uuid("message", item)', content: =payload.text, delivery_state: PENDING, sender_type: app_user}
`)
	e := &mqtt.Event{Topic: "t", Payload: fmt.Appendf(nil, `{"text":%q,"items":[0%s]}`, strings.Repeat("x", text), strings.Repeat(",1", items-1))}
	if err := c.commit(t.Context(), slices.Repeat([]*mqtt.Event{e}, events)); err != nil {
		t.Fatal(err)
	}
	if last := log.Bounds().Last; last != events*items {
		t.Errorf("%d entries were appended, want %d", last, events*items)
	}
	if store.largest > maxBatchBytes+2*items*text {
		t.Errorf("a batch holds %d bytes, want about %d", store.largest, maxBatchBytes)
	}
}

func lead(t *testing.T, log journal.Log) journal.Writer {
	t.Helper()
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newTestCommitter returns a Committer that works on the log, and whose broker takes everything.
func newTestCommitter(t *testing.T, log Snapshot, store Store, rules string) *Committer {
	t.Helper()
	report := new(source.Report)
	s := mapping.ParseSource("rules.yaml", []byte(rules), report)
	mapper := mapping.Compile([]mapping.Source{s}, mapping.Options{}, report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), Config{
		Source:    nowhere{},
		Publisher: publishFunc(func(context.Context, mqtt.Message) error { return nil }),
		Store:     store,
		Snapshot:  log,
		Mapper:    mapper,
		BaseTopic: "base",
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nowhere is a Source that has ended.
type nowhere struct{}

func (nowhere) Events() <-chan *mqtt.Event {
	events := make(chan *mqtt.Event)
	close(events)
	return events
}

func (nowhere) Ack(...*mqtt.Event) {}

func (nowhere) Pongs() uint64 { return 0 }
