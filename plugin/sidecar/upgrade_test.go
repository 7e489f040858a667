package main

import (
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
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mitchellh/mapstructure"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/plugin/config"
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
