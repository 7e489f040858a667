package commit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// remembering are rules of every pattern. What they make of an event does not depend on when it
// comes, only on what came before.
const remembering = `
memory: {unread: {max_keys: 3}, state: {}, version: {}, name: {}}
rules:
  - name: count
    topic: in/{c}
    let:
      n: (memory.unread[topic.c] ?? 0) + 1
    remember: {unread: {key: =topic.c, value: =n}}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.c)', unread_message_count: =n, timestamp: "2026-05-01T12:00:00Z"}
  - name: read
    topic: read/{c}
    forget: {unread: =topic.c}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.c)', unread_message_count: 0, timestamp: "2026-05-01T12:00:00Z"}
  - name: changed
    topic: state/{c}
    when: payload.v != memory.state[topic.c]
    remember: {state: {key: =topic.c, value: =payload.v}}
    queue: /queue/channel/connected
    fields: {id: '=uuid("c", topic.c)', name: =payload.v, source: '=memory.name[topic.c] ?? "nobody"', source_channel_id: x}
  - name: newest
    topic: version/{c}
    when: payload.v > (memory.version[topic.c] ?? 0)
    remember: {version: {key: =topic.c, value: =payload.v}}
    queue: /queue/channel/disconnected
    fields: {id: '=uuid("v", topic.c)', name: =string(payload.v), source: s, source_channel_id: x}
  - name: named
    topic: name/{c}
    remember: {name: {key: =topic.c, value: =payload.v}}
  - name: once
    topic: once/{c}
    dedupe: {key: =payload.v, window: 1h}
    queue: /queue/channel/connected
    fields: {id: '=uuid("o", topic.c)', name: =payload.v, source: s, source_channel_id: x}
`

// someEvent is one of few, so that equal ones follow each other as they do in life.
func someEvent(r *rand.Rand) (topic, payload string) {
	c := string(rune('a' + r.IntN(5)))
	switch r.IntN(10) {
	case 0, 1, 2:
		return "in/" + c, "{}"
	case 3:
		return "read/" + c, "{}"
	case 4, 5:
		return "state/" + c, fmt.Sprintf(`{"v":%q}`, []string{"on", "off"}[r.IntN(2)])
	case 6:
		return "version/" + c, fmt.Sprintf(`{"v":%d}`, r.IntN(50))
	case 7:
		return "name/" + c, fmt.Sprintf(`{"v":"name %d"}`, r.IntN(3))
	case 8:
		return "once/" + c, fmt.Sprintf(`{"v":"%d"}`, r.IntN(30))
	}
	return "nothing/" + c, "{}"
}

var errKilled = errors.New("killed")

// A life is a bridge that is killed again and again, at a broker that keeps its session: it sends
// what it has no acknowledgement of again.
type life struct {
	t         *testing.T
	rand      *rand.Rand
	mapper    *mapping.Mapper
	journal   *journal.Memory
	committer *commit.Committer
	commit.Store
	events chan *mqtt.Event
	ended  chan error
	dial   uint64 // pongs when the connection was made

	mu         sync.Mutex // guards these; never held while time passes
	connection uint64
	pongs      uint64
	acks       []*mqtt.Event // sent, and not known to have arrived
	fate       int           // of the next Append

	// At the broker.
	all  []*mqtt.Event // as they were published
	sent []*mqtt.Event // and not acknowledged, in order
	next int           // of all
}

// Fates of an Append.
const (
	appended = iota
	killedBefore
	killedAfter
	full
)

// window is how many events the broker sends before it has an acknowledgement.
const window = 8

// Whenever a bridge is killed, and whatever is lost with its connections: clients see what rules
// that remember make of every event once, in the order in which they were published.
func TestExactlyOnceInMemory(t *testing.T) {
	mapper := compile(t, remembering)
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &life{t: t, rand: rand.New(rand.NewPCG(seed, 17)), mapper: mapper, journal: journal.NewMemory(journal.MemoryOptions{})}
				l.live(400)
				l.compare()
			})
		})
	}
}

func (l *life) live(events int) {
	for range events {
		topic, payload := someEvent(l.rand)
		l.all = append(l.all, &mqtt.Event{Topic: topic, Payload: []byte(payload), QoS: 1})
	}
	l.start()
	for l.next < len(l.all) || len(l.sent) > 0 {
		l.decide()
		l.feed(1 + l.rand.IntN(window))
		select {
		case err := <-l.ended:
			if !errors.Is(err, errKilled) {
				l.t.Fatal(err)
			}
			l.arriveSome()
			l.start()
		default:
			l.talk()
		}
	}
	close(l.events)
	if err := <-l.ended; err != nil {
		l.t.Fatal(err)
	}
}

// decide decides what becomes of the next Append.
func (l *life) decide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fate = appended
	if dice := l.rand.IntN(12); dice < 4 {
		l.fate = dice
	}
}

// talk has some acknowledgements arrive, pings be answered, which proves that, rules be loaded, or
// the connection break.
func (l *life) talk() {
	switch l.rand.IntN(6) {
	case 0:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.arriveLocked(len(l.acks))
		l.pongs += uint64(l.rand.IntN(4))
	case 1:
		l.arriveSome()
		l.connect()
	case 2:
		l.committer.UseRules(l.mapper, fmt.Sprint(l.rand.IntN(3)))
	default:
		l.arriveSome()
	}
}

// start starts a bridge where the last has ended.
func (l *life) start() {
	w, err := l.journal.Lead(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	l.Store, l.pongs, l.connection = w, 0, 0 // nothing runs
	l.events, l.ended = make(chan *mqtt.Event, 256), make(chan error, 1)
	l.committer, err = commit.New(l.t.Context(), commit.Config{Source: l, Publisher: l, Pauser: l, Store: l, Snapshot: l.journal,
		Mapper: l.mapper, BaseTopic: "base", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	l.connect()
	go func() { l.ended <- l.committer.Run(context.Background()) }()
}

// connect has the broker send again what it has no acknowledgement of.
func (l *life) connect() {
	l.mu.Lock()
	l.connection++
	l.dial = l.pongs
	l.acks = nil
	l.mu.Unlock()
	again := l.sent
	l.sent = nil
	for _, e := range again {
		l.deliver(e, true)
	}
}

func (l *life) deliver(e *mqtt.Event, dup bool) {
	time.Sleep(time.Millisecond) // no two come at the same time: the one that came first is forgotten first
	e.Dup, e.SessionPresent, e.Connection, e.Pongs, e.Received = dup, true, l.connection, l.dial, time.Now()
	l.sent = append(l.sent, e)
	copied := *e
	l.events <- &copied
}

// feed has the broker send new events as far as its window is open.
func (l *life) feed(most int) {
	for range most {
		if l.next == len(l.all) || len(l.sent) == window {
			break
		}
		e := l.all[l.next]
		l.next++
		e.PacketID = uint16(l.next) // as Mosquitto counts
		l.deliver(e, false)
	}
	time.Sleep(5 * time.Second) // more than a full disk takes
	synctest.Wait()
}

// arriveSome has some of the acknowledgements arrive, the first of them.
func (l *life) arriveSome() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arriveLocked(l.rand.IntN(len(l.acks) + 1))
}

func (l *life) arriveLocked(n int) {
	for _, e := range l.acks[:n] {
		if l.sent[0].PacketID != e.PacketID {
			l.t.Fatalf("acknowledged %d, and %d was first", e.PacketID, l.sent[0].PacketID)
		}
		l.sent = l.sent[1:]
	}
	l.acks = l.acks[n:]
}

// Events implements commit.Source, as do Ack and Pongs.
func (l *life) Events() <-chan *mqtt.Event { return l.events }

func (l *life) Ack(events ...*mqtt.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if e.Connection == l.connection {
			l.acks = append(l.acks, e)
		}
	}
}

func (l *life) Pongs() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pongs
}

// Publish, Pause and Resume are of no interest here.
func (l *life) Publish(_ context.Context, m mqtt.Message) error {
	l.t.Errorf("a dead letter: %v", m.User)
	return nil
}

func (l *life) Pause(error) {}

func (l *life) Resume() {}

// Append implements commit.Store.
func (l *life) Append(ctx context.Context, b journal.Batch) error {
	l.mu.Lock()
	fate := l.fate
	l.fate = appended
	l.mu.Unlock()
	switch fate {
	case killedBefore:
		l.Store.(journal.Writer).Resign()
		return errKilled
	case full:
		return journal.ErrFull
	}
	if err := l.Store.Append(ctx, b); err != nil {
		return err
	}
	if fate == killedAfter {
		l.Store.(journal.Writer).Resign()
		return errKilled
	}
	return nil
}

// compare compares the journal and what is remembered with what comes of mapping each event once.
func (l *life) compare() {
	store := memory.New()
	store.Configure(l.mapper.Memories())
	var want, got []string
	for _, e := range l.all {
		time.Sleep(time.Millisecond)
		tx := store.Begin(time.Now())
		result := l.mapper.Map(mapping.Event{Topic: e.Topic, Payload: e.Payload, QoS: 1, Received: time.Now(), State: tx})
		tx.Commit()
		store.Evict(1000)
		for _, o := range result.Outputs {
			want = append(want, o.Queue+" "+string(o.Body))
		}
	}
	for {
		page, err := l.journal.Read(l.t.Context(), uint64(len(got)), 1000)
		if err != nil {
			l.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.Queue+" "+string(e.Body))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Errorf("journal (-want +got):\n%s", diff)
	}
	for _, m := range l.mapper.Memories() {
		if diff := cmp.Diff(texts(store, m.Name), texts(l.committer.Memory(), m.Name)); diff != "" {
			l.t.Errorf("memory %s (-want +got):\n%s", m.Name, diff)
		}
	}
}

// texts returns what is remembered in the memory.
func texts(s *memory.Store, name string) map[string]string {
	found := map[string]string{}
	for _, k := range s.Page(name, "", 1000) {
		found[k.Key] = k.Text
	}
	return found
}
