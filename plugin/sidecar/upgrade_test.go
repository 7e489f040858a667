package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mitchellh/mapstructure"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/listen"
)

// Each directory of testdata/upgrade has what a version has left behind; README.md there says how it is made. Never make
// those of a version again that has been released: that this program goes on with them is what is tested.
const upgrades = "testdata/upgrade"

// A legacy is what a version has left behind.
type legacy struct {
	dir  string
	held held
}

// A held is what a journal holds, in the words of JSON.
type held struct {
	Left     time.Time         // when it was last written to
	Lived    time.Duration     // by its own clock, until then
	Entries  []heldEntry       // in order
	Latest   map[string]string // queue -> message-ids of the newest of each key
	Records  map[string]string // name -> value in hexadecimal, and when it expires
	Last     heldEvent         // that the broker gave the bridge
	Resumes  string            // the message-id at which the client of client.txt resumes
	Unread   int               // what the rules remember of conversation 42
	Position uint64            // the last
}

type heldEntry struct {
	ID, Queue, Key, Body, Trace string
	Audience                    []string
	Time                        time.Time
	AppendedAt                  time.Duration
}

type heldEvent struct {
	PacketID       uint16
	Topic, Payload string
}

// forEachLegacy runs a test with what each version has left.
func forEachLegacy(t *testing.T, test func(t *testing.T, l legacy)) {
	t.Helper()
	dirs, err := filepath.Glob(upgrades + "/*/held.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("nothing is left behind: %v", err)
	}
	for _, file := range dirs {
		l := legacy{dir: filepath.Dir(file)}
		t.Run(filepath.Base(l.dir), func(t *testing.T) {
			if err := json.Unmarshal(readFile(t, file), &l.held); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			test(t, l)
		})
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// journalDir returns a directory with a copy of the journal.
func (l legacy) journalDir(t *testing.T) string {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(readFile(t, filepath.Join(l.dir, "journal.db.gz"))))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens the journal in dir a minute after it was left.
func (l legacy) open(t *testing.T, dir string) *disk.Log {
	t.Helper()
	log, err := disk.Open(t.Context(), disk.Options{Dir: dir, Now: func() time.Time { return l.held.Left.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// The journal of a version is opened with all that was in it: entries, positions, epochs, keys, records.
func TestUpgradeJournal(t *testing.T) {
	forEachLegacy(t, func(t *testing.T, l legacy) {
		got := l.holds(t)
		got.Last, got.Resumes, got.Unread = l.held.Last, l.held.Resumes, l.held.Unread
		if diff := cmp.Diff(l.held, got); diff != "" {
			t.Errorf("the journal (-left +opened):\n%s", diff)
		}
	})
}

// holds returns what the log holds.
func holds(t *testing.T, log *disk.Log) held {
	t.Helper()
	x := log.Export()
	h := held{Latest: map[string]string{}, Records: map[string]string{}, Position: log.Bounds().Last}
	var err error
	if h.Lived, h.Left, err = x.Clock(); err != nil {
		t.Fatal(err)
	}
	h.Left = h.Left.UTC()
	entries, err := x.Entries(0)
	if err != nil {
		t.Fatal(err)
	}
	id := func(position uint64) string { return fmt.Sprintf("%s-%d", log.Epoch(position), position) }
	for _, e := range entries {
		h.Entries = append(h.Entries, heldEntry{
			ID: id(e.Position), Queue: e.Queue, Key: e.Key, Body: string(e.Body), Trace: e.TraceParent,
			Audience: e.Audience, Time: e.Time.UTC(), AppendedAt: e.AppendedAt,
		})
	}
	for _, q := range contract.QueueNames() {
		newest, err := log.Latest(t.Context(), q, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range newest {
			h.Latest[q] += id(e.Position) + " "
		}
	}
	err = x.Records(func(r journal.Record) error {
		h.Records[r.Name] = hex.EncodeToString(r.Value)
		if !r.Expires.IsZero() {
			h.Records[r.Name] += " until " + r.Expires.UTC().Format(time.RFC3339Nano)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A sender gives events to a Committer, which acknowledges them.
type sender struct{ events, acknowledged chan *mqtt.Event }

func (s sender) Events() <-chan *mqtt.Event                  { return s.events }
func (s sender) Pongs() uint64                               { return 0 }
func (s sender) Publish(context.Context, mqtt.Message) error { return nil }
func (s sender) Pause(error)                                 {}
func (s sender) Resume()                                     {}
func (s sender) Ack(events ...*mqtt.Event) {
	for _, e := range events {
		s.acknowledged <- e
	}
}

// An event that a version has journalled, and whose acknowledgement the broker has not had, is recognised when it comes
// again after the upgrade. The same one under another packet identifier is a new one.
func TestUpgradeRedelivery(t *testing.T) {
	forEachLegacy(t, func(t *testing.T, l legacy) {
		log := l.open(t, l.journalDir(t))
		w, err := log.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := l.rules(t)
		s := sender{make(chan *mqtt.Event), make(chan *mqtt.Event, 2)}
		k, err := commit.New(t.Context(), commit.Config{
			Source: s, Publisher: s, Pauser: s, Store: w, Snapshot: log, Mapper: c.Mapper, RulesHash: c.RulesHash,
			BaseTopic: "mqtt-stomp-bridge", Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- k.Run(t.Context()) }()
		for _, test := range []struct {
			packetID uint16
			news     bool
		}{{l.held.Last.PacketID, false}, {l.held.Last.PacketID + 1000, true}} {
			before := log.Bounds().Last
			s.events <- &mqtt.Event{
				Topic: l.held.Last.Topic, Payload: []byte(l.held.Last.Payload), QoS: 1, Dup: true, PacketID: test.packetID,
				SessionPresent: true, Connection: 1, Received: l.held.Left.Add(time.Minute),
			}
			<-s.acknowledged
			if news := log.Bounds().Last > before; news != test.news {
				t.Errorf("packet %d: journalled again: %t, want %t", test.packetID, news, test.news)
			}
		}
		close(s.events)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// rules returns the rules of the bridge that has made the journal.
func (l legacy) rules(t *testing.T) *config.Config {
	t.Helper()
	c, problems := config.Load(filepath.Join(l.dir, "rules.yaml"), nil)
	for _, p := range problems {
		t.Errorf("%s", p)
	}
	if c == nil {
		t.FailNow()
	}
	return c
}

// A client of a version resumes after the upgrade where it was, and hears what it heard then; what rules remember goes on.
func TestUpgradeClient(t *testing.T) {
	forEachLegacy(t, func(t *testing.T, l legacy) {
		broker := mosquittotest.Start(t, mosquittotest.Options{})
		s := l.start(t, broker, l.journalDir(t))
		want := string(readFile(t, filepath.Join(l.dir, "client.txt")))
		got := s.playClient(want, 0)
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("what the client hears (-then +now):\n%s", diff)
		}
		c := s.dial("ann", "/queue/unread-count")
		publish(t, broker.Addr, "-t", "chat/whatsapp/42/message", "-m", `{"id": "after", "content": "Hello again", "ts": "2026-12-02T10:00:00Z"}`)
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var count struct {
			N int `json:"unread_message_count"`
		}
		if err := json.Unmarshal([]byte(m.Body), &count); err != nil || count.N != l.held.Unread+1 {
			t.Errorf("%s, want a count of %d", m.Body, l.held.Unread+1)
		}
		var position uint64
		if _, err := fmt.Sscanf(m.ID[strings.LastIndex(m.ID, "-")+1:], "%d", &position); err != nil || position <= l.held.Position {
			t.Errorf("the message-id is %s, after position %d", m.ID, l.held.Position)
		}
	})
}

// start starts a bridge with the rules and a journal of the version, which it keeps for as long as the test data may be old.
func (l legacy) start(t *testing.T, broker *mosquittotest.Broker, journalDir string) *running {
	t.Helper()
	return startSidecar(t, string(readFile(t, filepath.Join(l.dir, "rules.yaml"))), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr,
		"BRIDGE_JOURNAL_DIR="+journalDir, "BRIDGE_JOURNAL_MAX_AGE=87600h", "BRIDGE_JOURNAL_LATEST_MAX_AGE=87600h")
}

// playClient sends the frames of a script, the lines that begin with >, and returns it with what is heard after each as lines
// that begin with <. Of a frame that the script expects only those headers count that it names: a later version may say more.
// Where quiet is not 0 the script expects nothing yet, and a step is over when nothing has come for so long.
func (r *running) playClient(script string, quiet time.Duration) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), bridgetest.Patience)
	defer cancel()
	c, err := listen.Open(ctx, listen.Config{URL: r.url()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	token, ack := r.token("ann"), "" // of the last message
	var out []string
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "> "):
			out = append(out, line)
			if err := c.SendFrame(parseFrame(strings.NewReplacer("$token", token, "$ack", ack).Replace(line[2:]))); err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			for quiet > 0 {
				f, err := readWithin(ctx, c, quiet)
				if err != nil {
					break
				}
				out, ack = append(out, "< "+formatFrame(f, headersThatLast)), lastAck(f, ack)
			}
		case strings.HasPrefix(line, "< "):
			f, err := c.ReadFrame(ctx)
			if err != nil {
				r.t.Fatalf("waiting for %s: %v", line, err)
			}
			out, ack = append(out, "< "+formatFrame(f, headersOf(parseFrame(line[2:])))), lastAck(f, ack)
		default:
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func readWithin(ctx context.Context, c *listen.Client, quiet time.Duration) (stomp.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	return c.ReadFrame(ctx)
}

// headersThatLast are all but those of the one session or program.
func headersThatLast(key string) bool { return key != "session" && key != "server" && key != "ack" }

func lastAck(f stomp.Frame, before string) string {
	for _, h := range f.Headers {
		if h.Key == "ack" {
			return h.Value
		}
	}
	return before
}

func headersOf(f stomp.Frame) func(string) bool {
	return func(key string) bool {
		return slices.ContainsFunc(f.Headers, func(h stomp.Header) bool { return h.Key == key })
	}
}

// formatFrame writes a frame on one line, COMMAND | key:value | ... || body, with the headers that count.
func formatFrame(f stomp.Frame, counts func(key string) bool) string {
	parts := []string{string(f.Command)}
	for _, h := range slices.SortedFunc(slices.Values(f.Headers), func(a, b stomp.Header) int { return strings.Compare(a.Key, b.Key) }) {
		if counts(h.Key) {
			parts = append(parts, h.Key+":"+h.Value)
		}
	}
	line := strings.Join(parts, " | ")
	if len(f.Body) > 0 {
		line += " || " + string(f.Body)
	}
	return line
}

func parseFrame(line string) (f stomp.Frame) {
	line, body, _ := strings.Cut(line, " || ")
	parts := strings.Split(line, " | ")
	f.Command, f.Body = stomp.Command(parts[0]), []byte(body)
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(p, ":")
		f.Headers = append(f.Headers, stomp.Header{Key: key, Value: value})
	}
	return f
}

// The configuration of a version, with every setting at its default, is read without a mistake or a warning and means the
// same; its tests pass; and what a setting is where none is given is the same as well. A difference is a [CHANGE].
func TestUpgradeConfig(t *testing.T) {
	forEachLegacy(t, func(t *testing.T, l legacy) {
		var want map[string]string
		if err := json.Unmarshal(readFile(t, filepath.Join(l.dir, "settings.json")), &want); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"config.yaml", "rules.yaml"} { // rules.yaml sets nothing
			c, problems := config.Load(filepath.Join(l.dir, file), nil)
			for _, p := range problems {
				t.Errorf("%s", p)
			}
			if c == nil {
				t.FailNow()
			}
			got := settingsOf(t, c)
			maps.DeleteFunc(got, func(path, _ string) bool { _, then := want[path]; return !then }) // those that have come since
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-then +now):\n%s", file, diff)
			}
			for _, r := range c.Mapper.Test() {
				if r.Problem != nil {
					t.Errorf("%s%s", r.Problem, r.Diff)
				}
			}
		}
	})
}

// settingsOf returns the settings by their paths, as texts.
func settingsOf(t *testing.T, c *config.Config) map[string]string {
	t.Helper()
	tree := map[string]any{}
	if err := mapstructure.Decode(c, &tree); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, k := range config.Keys() {
		var at any = tree
		for _, part := range strings.Split(k.Path, ".") {
			at = at.(map[string]any)[part]
		}
		all[k.Path] = fmt.Sprint(at)
	}
	return all
}
