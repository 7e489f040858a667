package commit_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// stateRules map retained messages of several topics, two of which speak of the same channel.
const stateRules = `
rules:
  - name: state
    topic: dev/{id}/state
    retained: deliver
    payload: text
    when: payload != "filtered"
    queue: /queue/channel/connected
    fields: {id: '=uuid("dev", topic.id)', name: =payload, source: SOURCE, source_channel_id: =topic.id}
  - name: gone
    topic: dev/{id}/gone
    payload: text
    queue: /queue/channel/disconnected
    fields: {id: '=uuid("dev", topic.id)', name: =payload, source: s, source_channel_id: =topic.id}
  - name: unread
    topic: chat/{id}/unread
    retained: deliver
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("chat", topic.id)', unread_message_count: =payload, timestamp: '2026-11-30T12:00:00Z'}
  - name: read at
    topic: chat/{id}/at
    retained: deliver
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("chat", topic.id)', unread_message_count: =payload, timestamp: =received}
  - name: notice
    topic: notice/{id}
    retained: deliver
    payload: text
    queue: /queue/message
    fields:
      conversation_id: '=uuid("chat", topic.id)'
      channel_id: '=uuid("dev", topic.id)'
      message: {id: '=uuid("notice", topic.id + payload)', content: =payload, delivery_state: PENDING, sender_type: app_user, sent_at: '2026-11-30T12:00:00Z'}
`

// A feed is one process: a Committer on a journal that outlives it.
type feed struct {
	events  chan *mqtt.Event
	letters int
}

func (f *feed) Events() <-chan *mqtt.Event { return f.events }
func (f *feed) Ack(...*mqtt.Event)         {}
func (f *feed) Pongs() uint64              { return 0 }
func (f *feed) Pause(error)                {}
func (f *feed) Resume()                    {}

func (f *feed) Publish(context.Context, mqtt.Message) error {
	f.letters++
	return nil
}

// process commits the events by the rules, and returns the entries that it has appended and how
// many dead letters it has published. An event is "topic=payload", live or "copy topic=payload"; or
// it is "begins" or "ends".
func process(t *testing.T, log journal.Log, m *mapping.Mapper, hash string, events ...string) (entries []string, letters int) {
	t.Helper()
	f := &feed{events: make(chan *mqtt.Event, len(events))}
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Resign()
	committer, err := commit.New(t.Context(), commit.Config{Source: f, Publisher: f, Pauser: f, Store: w, Snapshot: log,
		Mapper: m, RulesHash: hash, BaseTopic: "base", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	before := log.Bounds().Last
	for i, text := range events {
		e := &mqtt.Event{QoS: 1, PacketID: uint16(i + 1), SessionPresent: true, Connection: 1, Received: time.Now()}
		rest, copied := strings.CutPrefix(text, "copy ")
		switch {
		case text == "begins":
			e = &mqtt.Event{Reading: mqtt.ReadingBegins}
		case text == "ends":
			e = &mqtt.Event{Reading: mqtt.ReadingEnds}
		case copied:
			e.Reading, e.Retained, e.QoS, e.PacketID = mqtt.ReadingCopy, true, 0, 0
		}
		topic, payload, _ := strings.Cut(rest, "=")
		if e.Reading == mqtt.ReadingNone || copied {
			e.Topic, e.Payload = topic, []byte(payload)
		}
		f.events <- e
	}
	close(f.events)
	if err := committer.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := log.Read(t.Context(), before, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page {
		entries = append(entries, e.Queue[strings.LastIndexByte(e.Queue, '/')+1:]+" "+describe(e.Body))
	}
	return entries, f.letters
}

// describe returns what the tests' payloads differ in.
func describe(body []byte) string {
	for _, field := range []string{`"name":"`, `"unread_message_count":`, `"content":"`} {
		if _, rest, ok := strings.Cut(string(body), field); ok {
			return rest[:strings.IndexAny(rest, `",`)]
		}
	}
	return string(body)
}

// A retained message is committed where the journal lacks what it says, and not otherwise.
func TestRetainedMessages(t *testing.T) {
	tests := []struct {
		name    string
		before  []string // of an earlier process, live
		reading []string // of this one, between begins and ends
		changed bool     // the rules have changed in between
		want    []string
	}{
		{name: "new journal", reading: []string{"copy dev/1/state=online"}, want: []string{"connected online"}},
		{name: "there already", before: []string{"dev/1/state=online"}, reading: []string{"copy dev/1/state=online"}},
		{name: "changed while away", before: []string{"dev/1/state=online"}, reading: []string{"copy dev/1/state=offline"},
			want: []string{"connected offline"}},
		{name: "changed back while away", before: []string{"dev/1/state=offline", "dev/1/state=online"},
			reading: []string{"copy dev/1/state=offline"}, want: []string{"connected offline"}},
		{name: "overtaken by another topic", before: []string{"dev/1/state=online", "dev/1/gone=bye"},
			reading: []string{"copy dev/1/state=online"}},
		{name: "overtaken, but changed while away", before: []string{"dev/1/state=online", "dev/1/gone=bye"},
			reading: []string{"copy dev/1/state=back"}, want: []string{"connected back"}},
		{name: "the rule was mended", before: []string{"dev/1/state=online"}, changed: true,
			reading: []string{"copy dev/1/state=online"}, want: []string{"connected online"}},
		{name: "another rule has changed", before: []string{"chat/1/unread=3"}, changed: true,
			reading: []string{"copy chat/1/unread=3"}},
		{name: "another count", before: []string{"chat/1/unread=3"}, reading: []string{"copy chat/1/unread=4"}, want: []string{"unread-count 4"}},
		{name: "the time of receipt in a field", before: []string{"chat/1/at=3"}, changed: true, reading: []string{"copy chat/1/at=3"}},
		{name: "newest of the key, from another topic", before: []string{"chat/1/unread=3", "chat/1/at=4"}, changed: true,
			reading: []string{"copy chat/1/unread=3"}, want: []string{"unread-count 3"}},
		{name: "without a key", reading: []string{"copy notice/1=hello"}, want: []string{"message hello"}},
		{name: "without a key, there already", before: []string{"notice/1=hello"}, reading: []string{"copy notice/1=hello"}},
		{name: "without a key, there already, other rules", before: []string{"notice/1=hello"}, changed: true,
			reading: []string{"copy notice/1=hello"}},
		{name: "without a key, another", before: []string{"notice/1=hello"}, reading: []string{"copy notice/1=bye"}, want: []string{"message bye"}},
		{name: "older than what came live meanwhile", reading: []string{"dev/1/state=new", "copy dev/1/state=old"}, want: []string{"connected new"}},
		{name: "newer than what came live before", before: []string{"dev/1/state=old"},
			reading: []string{"copy dev/1/state=new", "dev/1/state=newest"}, want: []string{"connected new", "connected newest"}},
		{name: "what came live meanwhile was filtered", reading: []string{"dev/1/state=filtered", "copy dev/1/state=on"},
			want: []string{"connected on"}},
		{name: "a rule that skips retained messages", reading: []string{"copy dev/1/gone=bye"}},
		{name: "twice in one reading", reading: []string{"copy dev/1/state=on", "copy dev/1/state=on"}, want: []string{"connected on"}},
		{name: "two topics of one key", reading: []string{"copy chat/1/unread=3", "copy chat/1/at=3"},
			want: []string{"unread-count 3", "unread-count 3"}},
	}
	m := compile(t, strings.ReplaceAll(stateRules, "SOURCE", "s"))
	mended := compile(t, strings.ReplaceAll(stateRules, "SOURCE", "mended"))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := journal.NewMemory(journal.MemoryOptions{})
			defer log.Close()
			process(t, log, m, "1", test.before...)
			m, hash := m, "1"
			if test.changed {
				m, hash = mended, "2"
			}
			reading := append(append([]string{"begins"}, test.reading...), "ends")
			got, letters := process(t, log, m, hash, reading...)
			if diff := cmp.Diff(test.want, got); diff != "" || letters > 0 {
				t.Errorf("%d dead letters, entries (-want +got):\n%s", letters, diff)
			}
			live := func(text string) bool { return !strings.HasPrefix(text, "copy ") }
			if slices.ContainsFunc(test.reading, live) {
				return // the broker would retain something else by now
			}
			if got, _ := process(t, log, m, hash, reading...); len(got) > 0 {
				t.Errorf("read once more, entries: %v", got)
			}
		})
	}
}

// A retained message that cannot be mapped is one dead letter, not one for each reading.
func TestRetainedDeadLetterOnce(t *testing.T) {
	log := journal.NewMemory(journal.MemoryOptions{})
	defer log.Close()
	m := compile(t, stateRules)
	for i, want := range []int{1, 0} {
		if _, got := process(t, log, m, "1", "begins", "copy chat/1/unread=many", "ends"); got != want {
			t.Errorf("reading %d: %d dead letters, want %d", i+1, got, want)
		}
	}
	if _, got := process(t, log, m, "2", "begins", "copy chat/1/unread=many", "ends"); got != 1 {
		t.Errorf("after a change of the rules: %d dead letters, want 1", got)
	}
}

// namingRules remember what a retained message says, and forget it by another topic.
const namingRules = `
memory: {name: {}}
rules:
  - name: named
    topic: dev/{id}/name
    retained: deliver
    payload: text
    remember: {name: {key: =topic.id, value: =payload}}
  - name: nameless
    topic: dev/{id}/nameless
    payload: text
    forget: {name: =topic.id}
  - name: state
    topic: dev/{id}/state
    retained: deliver
    payload: text
    when: memory.name[topic.id] != "filtered"
    queue: /queue/channel/connected
    fields: {id: '=uuid("dev", topic.id)', name: '=payload + " of " + (memory.name[topic.id] ?? "nobody")', source: s, source_channel_id: =topic.id}
`

// What the rules remember of a retained message they remember once.
func TestRetainedMessagesAreRemembered(t *testing.T) {
	tests := []struct {
		name    string
		before  []string // of an earlier process, live
		reading []string // of this one, between begins and ends
		changed bool     // the rules have changed in between
		want    []string // entries
		names   map[string]string
	}{
		{name: "new journal", reading: []string{"copy dev/1/name=x"}, names: map[string]string{"1": `"x"`}},
		{name: "there already, and forgotten", before: []string{"dev/1/name=x", "dev/1/nameless=yes"},
			reading: []string{"copy dev/1/name=x"}, names: map[string]string{}},
		{name: "there already, and forgotten, other rules", before: []string{"dev/1/name=x", "dev/1/nameless=yes"}, changed: true,
			reading: []string{"copy dev/1/name=x"}, names: map[string]string{"1": `"x"`}},
		{name: "changed while away", before: []string{"dev/1/name=x"}, reading: []string{"copy dev/1/name=y"}, names: map[string]string{"1": `"y"`}},
		{name: "older than what came live meanwhile", reading: []string{"dev/1/name=new", "copy dev/1/name=old"},
			names: map[string]string{"1": `"new"`}},
		{name: "seen by the next", reading: []string{"copy dev/1/name=x", "copy dev/1/state=on"}, want: []string{"connected on of x"},
			names: map[string]string{"1": `"x"`}},
		{name: "what reads memory is there already", before: []string{"dev/1/name=x", "dev/1/state=on"}, reading: []string{"copy dev/1/state=on"},
			names: map[string]string{"1": `"x"`}},
		{name: "what reads memory is there already, other rules", before: []string{"dev/1/name=x", "dev/1/state=on"}, changed: true,
			reading: []string{"copy dev/1/state=on"}, names: map[string]string{"1": `"x"`}},
	}
	m := compile(t, namingRules)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := journal.NewMemory(journal.MemoryOptions{})
			defer log.Close()
			process(t, log, m, "1", test.before...)
			hash := "1"
			if test.changed {
				hash = "2"
			}
			reading := append(append([]string{"begins"}, test.reading...), "ends")
			got, _ := process(t, log, m, hash, reading...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.names, texts(rememberedIn(t, log), "name")); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// rememberedIn returns what the journal's records say.
func rememberedIn(t *testing.T, log journal.Log) *memory.Store {
	t.Helper()
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Resign()
	s := memory.New()
	for _, prefix := range memory.Prefixes() {
		if err := w.Records(prefix, func(r journal.Record) bool { s.Load(memory.Record(r)); return true }); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
