package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// rules make one unread count of a number, nothing of an empty payload, and a dead letter of
// anything else.
const rules = `
rules:
  - name: r
    topic: t
    payload: text
    when: payload != ""
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =payload}
`

// A house is a Committer in the midst of a broker and a journal that the test plays. It notes what
// they are asked to do.
type house struct {
	t         *testing.T
	committer *commit.Committer
	events    chan *mqtt.Event
	commit.Store
	ended    chan error // what Run returned
	snapshot commit.Snapshot
	logger   *slog.Logger
	trail    *commit.Trail

	mu       sync.Mutex
	said     []string
	log      bytes.Buffer
	level    slog.LevelVar            // of the log
	refusal  error                    // of Append; nil: it appends
	answers  map[string]chan struct{} // payload of a dead letter -> closed when the broker acknowledges it; none: at once
	letters  []mqtt.Message
	packetID uint16
	maxBatch int
}

// newHouse returns a house in which nothing runs yet.
func newHouse(t *testing.T) *house { return newHouseWith(t, func(*commit.Config) {}) }

// newHouseWith returns a house whose Committer has another configuration.
func newHouseWith(t *testing.T, change func(*commit.Config)) *house {
	t.Helper()
	h := &house{t: t, maxBatch: journal.MaxBatch, events: make(chan *mqtt.Event, 256), ended: make(chan error, 1),
		answers: map[string]chan struct{}{}}
	memory := journal.NewMemory(journal.MemoryOptions{})
	var err error
	if h.Store, err = memory.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := commit.Config{
		Source:    h,
		Publisher: h,
		Pauser:    h,
		Store:     h,
		Snapshot:  memory,
		Mapper:    compile(t, rules),
		BaseTopic: "base",
		Logger:    slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: &h.level})),
	}
	h.snapshot, h.logger = memory, c.Logger
	change(&c)
	h.trail = c.Trail
	if h.committer, err = commit.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return h
}

// again has another Committer go on with what the last has left.
func (h *house) again(rules string) {
	h.t.Helper()
	h.events = make(chan *mqtt.Event, 256)
	var err error
	h.committer, err = commit.New(h.t.Context(), commit.Config{Source: h, Publisher: h, Pauser: h, Store: h, Snapshot: h.snapshot,
		Mapper: compile(h.t, rules), BaseTopic: "base", Trail: h.trail, Logger: h.logger})
	if err != nil {
		h.t.Fatal(err)
	}
}

func compile(t testing.TB, rules string) *mapping.Mapper {
	t.Helper()
	return compileWith(t, rules, mapping.Options{})
}

func compileWith(t testing.TB, rules string, o mapping.Options) *mapping.Mapper {
	t.Helper()
	report := new(source.Report)
	m := mapping.Compile([]mapping.Source{mapping.ParseSource("rules.yaml", []byte(rules), report)}, o, report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs the Committer until ctx is done or the events end.
func (h *house) run(ctx context.Context) { go func() { h.ended <- h.committer.Run(ctx) }() }

// send has the broker send one event for each payload.
func (h *house) send(payloads ...string) {
	for _, p := range payloads {
		h.packetID++
		h.events <- &mqtt.Event{Topic: "t", Payload: []byte(p), QoS: 1, PacketID: h.packetID, SessionPresent: true, Connection: 1,
			Received: time.Now()}
	}
}

// refuse makes Append return err; nil ends that.
func (h *house) refuse(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal = err
}

func (h *house) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, fmt.Sprintf(format, args...))
}

// heard waits until nothing more happens, and checks what has happened since the last call.
func (h *house) heard(want ...string) {
	h.t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.said); diff != "" {
		h.t.Errorf("-want +got:\n%s", diff)
	}
	h.said = nil
}

// Events implements commit.Source, as do Ack and Pongs.
func (h *house) Events() <-chan *mqtt.Event { return h.events }

func (h *house) Ack(events ...*mqtt.Event) {
	for _, e := range events {
		h.say("ack %s", e.Payload)
	}
}

func (h *house) Pongs() uint64 { return 0 }

// Publish implements commit.Publisher.
func (h *house) Publish(ctx context.Context, m mqtt.Message) error {
	h.mu.Lock()
	answer := h.answers[string(m.Payload)]
	h.mu.Unlock()
	if answer != nil {
		h.say("dead letter %s waits", m.Payload)
		select {
		case <-answer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.say("dead letter %s", m.Payload)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letters = append(h.letters, m)
	return nil
}

// Pause and Resume implement commit.Pauser.
func (h *house) Pause(reason error) { h.say("pause: %v", reason) }

func (h *house) Resume() { h.say("resume") }

// MaxBatch implements commit.Store, as does Append; the rest of it is in memory.
func (h *house) MaxBatch() int { return h.maxBatch }

func (h *house) Append(ctx context.Context, b journal.Batch) error {
	h.mu.Lock()
	err := h.refusal
	h.mu.Unlock()
	if err != nil {
		h.say("append refused")
		return err
	}
	if n := b.Size(); n > h.maxBatch {
		h.t.Errorf("appended %d bytes, the limit is %d", n, h.maxBatch)
	}
	var counts []string
	for _, e := range b.Entries {
		_, rest, _ := strings.Cut(string(e.Body), `"unread_message_count":`)
		n, _, _ := strings.Cut(rest, ",")
		counts = append(counts, n)
	}
	h.say("append %s", strings.Join(counts, " "))
	return h.Store.Append(ctx, b)
}

// Events are acknowledged in order of receipt after the transaction that holds all they become;
// those that become nothing do not overtake.
func TestAcknowledgedInOrderAfterTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.send("1", "", "2", "bad", "3")
		h.run(t.Context())
		h.heard("dead letter bad", "append 1 2 3", "ack 1", "ack ", "ack 2", "ack bad", "ack 3")
		h.send("", "")
		h.heard("ack ", "ack ") // no write
		h.send("4")
		h.heard("append 4", "ack 4")
		close(h.events)
		if err := <-h.ended; err != nil {
			t.Error(err)
		}
		want := commit.Counts{
			Events:      8,
			Rules:       map[string]commit.RuleCounts{"r": {Mapped: 4, Filtered: 3, Rejected: 1}},
			DeadLetters: commit.DeadLetterCounts{Published: 1},
		}
		if diff := cmp.Diff(want, h.committer.Counts()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A dead letter that the broker does not acknowledge holds back the acknowledgements behind it.
// What went before is acknowledged, other dead letters go out beside it, and events are received
// meanwhile.
func TestDeadLetterHoldsBackWhatIsBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.answers["bad"] = make(chan struct{})
		h.run(t.Context())
		h.send("1")
		h.heard("append 1", "ack 1")
		h.send("bad")
		h.heard("dead letter bad waits")
		h.send("2", "worse")
		time.Sleep(time.Hour)
		h.heard()
		if h.committer.Stalled() != nil || h.committer.Counts().DeadLetters.Kept != 0 {
			t.Error("a dead letter that waits is taken for trouble with the journal, or for a refused one")
		}
		close(h.answers["bad"])
		h.heard("dead letter bad", "ack bad", "dead letter worse", "append 2", "ack 2", "ack worse")
		close(h.events)
		<-h.ended
	})
}

func TestDeadLettersGoOutSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.answers["bad"] = make(chan struct{})
		h.send("bad", "worse")
		h.run(t.Context())
		synctest.Wait()
		if n := h.committer.Counts().DeadLetters.Published; n != 1 {
			t.Errorf("%d dead letters are acknowledged while one is not, want 1", n)
		}
		h.said = nil // in either order
		close(h.answers["bad"])
		h.heard("dead letter bad", "ack bad", "ack worse")
		close(h.events)
		<-h.ended
	})
}

// While there is no room the events stay with the broker; when there is, all goes on as if nothing
// had been.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		full := fmt.Errorf("%w: no space left on device", journal.ErrFull)
		h.refuse(full)
		h.send("1", "2")
		h.run(t.Context())
		h.heard("append refused")
		if err := h.committer.Stalled(); !errors.Is(err, journal.ErrFull) {
			t.Errorf("stalled: got %v", err)
		}
		time.Sleep(time.Second) // one failure may pass; the second has the broker keep what comes
		h.heard("append refused", "pause: "+full.Error())
		time.Sleep(2 * time.Second)
		h.heard("append refused", "append refused")
		h.refuse(nil)
		time.Sleep(time.Second)
		h.heard("append 1 2", "resume", "ack 1", "ack 2")
		if err := h.committer.Stalled(); err != nil {
			t.Errorf("stalled with room: %v", err)
		}
		h.send("3")
		h.heard("append 3", "ack 3")
		close(h.events)
		<-h.ended
		if lines := strings.Count(h.log.String(), "\n"); lines != 2 {
			t.Errorf("%d lines in the log, want one when the room ends and one when there is some again:\n%s", lines, &h.log)
		}
	})
}

func TestFullDiskAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.refuse(journal.ErrFull)
		h.send("1")
		ctx, cancel := context.WithCancel(t.Context())
		h.run(ctx)
		h.heard("append refused")
		cancel()
		if err := <-h.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		h.heard()
	})
}

// After an error that does not pass nothing is acknowledged, not even what needs no write.
func TestFinalErrorOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		final := errors.New("input/output error")
		h.refuse(final)
		h.send("1")
		h.run(t.Context())
		if err := <-h.ended; !errors.Is(err, final) {
			t.Errorf("got %v, want %v", err, final)
		}
		h.send("")
		h.heard("append refused")
	})
}

func TestBatchesAreCutWhereTheStoreWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.maxBatch = 1100 // room for two counts, at about 450 with their records, and for little beside them
		h.send("1", "2", "bad", "3", "", "4", "5")
		h.run(t.Context())
		h.heard("dead letter bad", "append 1 2", "ack 1", "ack 2", "ack bad",
			"append 3 4", "ack 3", "ack ", "ack 4",
			"append 5", "ack 5")
		close(h.events)
		<-h.ended
		want := map[string]commit.RuleCounts{"r": {Mapped: 5, Filtered: 1, Rejected: 1}} // each once
		if diff := cmp.Diff(want, h.committer.Counts().Rules); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// Records that are owed of events that became nothing may leave the next no room: then they go first.
func TestOwedRecordsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.maxBatch = 1100
		h.committer.UseRules(compile(t, strings.Replace(rules, "    queue:", "    dedupe: {key: payload, window: 1h}\n    queue:", 1)), "once")
		h.run(t.Context())
		h.send("1")
		h.heard("append 1", "ack 1")
		h.send("1", "1", "1", "1", "1")
		h.heard("ack 1", "ack 1", "ack 1", "ack 1", "ack 1") // no write
		h.send("2")
		h.heard("append ", "append 2", "ack 2")
		close(h.events)
		<-h.ended
	})
}

// An event that becomes more than one transaction may hold would come again for ever. It is
// rejected by each rule that has made something of it, and as if it had not been mapped.
func TestEventThatTheStoreCannotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.maxBatch = 4_000_000
		h.committer.UseRules(compile(t, `
rules:
  - name: count
    topic: t
    payload: text
    dedupe: {key: '="one"', window: 1h}
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =len(payload)}
  - name: copy
    topic: t
    payload: text
    each: '[1, 2, 3, 4, 5]'
    queue: /queue/message
    fields:
      conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11
      channel_id: 2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22
      message: {id: '=uuid("message", item)', content: =payload, delivery_state: PENDING, sender_type: app_user}
  - name: other
    topic: t
    when: len(payload) < 0
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: 0}
`), "other")
		h.run(t.Context())
		h.send(strings.Repeat("x", 1_010_000))
		synctest.Wait()
		h.said = nil
		got := map[string]string{}
		for _, m := range h.letters {
			for _, p := range m.User {
				if p.Name == "reason" {
					got[m.Topic] = p.Value
				}
			}
		}
		const reason = "becomes 5.1 MB, the journal takes 4.0 MB"
		if diff := cmp.Diff(map[string]string{"base/dead-letter/count": reason, "base/dead-letter/copy": reason}, got); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		h.send("two")
		h.heard("append 3"+strings.Repeat(" ", 5), "ack two")
		want := map[string]commit.RuleCounts{
			"count": {Mapped: 1, Rejected: 1}, "copy": {Mapped: 5, Rejected: 5}, "other": {Filtered: 2},
		}
		if diff := cmp.Diff(want, h.committer.Counts().Rules); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		close(h.events)
		<-h.ended
	})
}
