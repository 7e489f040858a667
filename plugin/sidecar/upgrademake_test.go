package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	esbuild "github.com/evanw/esbuild/pkg/api"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/config"
)

var leave = flag.String("leave", "", "write what this `version` leaves behind to testdata/upgrade/VERSION, whose rules.yaml is there")

// legacyEvents are what the bridges of two starts get. The first event and the newest count matter to the tests.
var legacyEvents = [2][][]string{
	{
		{"-t", "chat/whatsapp/42/message", "-m", `{"id": 1, "content": {"text": "Hello"}, "ts": "2026-12-01T10:00:00Z"}`},
		{"-t", "chat/whatsapp/42/message", "-m", `{"id": 2, "content": "traced", "ts": "2026-12-01T10:01:00Z"}`,
			"-D", "publish", "user-property", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{"-t", "chat/telegram/7/message", "-m", `{"id": 3, "content": "for ann", "for": ["ann"], "ts": "2026-12-01T10:02:00Z"}`},
		{"-t", "chat/telegram/7/message", "-m", `{"id": 4, "content": "for bob", "for": ["bob"], "ts": "2026-12-01T10:03:00Z"}`},
		{"-t", "channels/whatsapp/a/state", "-m", `{"state": "online"}`},
	},
	{
		{"-t", "channels/whatsapp/a/state", "-m", `{"state": "offline"}`},
		{"-t", "channels/whatsapp/b/state", "-m", `{"state": "online"}`},
		{"-t", "chat/whatsapp/42/message", "-m", `{"id": 5, "content": "the last", "ts": "2026-12-01T10:04:00Z"}`},
	},
}

// legacyClient is what the client does that client.txt records: it resumes, as examples/inbox does, at a message of the first
// start, asks for snapshots, filters, acknowledges, renews its token and leaves.
const legacyClient = `# A client of this version, and what it heard after a restart of the bridge.
> CONNECT | accept-version:1.2,1.1,1.0 | heart-beat:0,0 | Authorization:Bearer $token
> SUBSCRIBE | id:sub-0 | destination:/queue/unread-count | receipt:subscribed /queue/unread-count | resume-from:$resume | snapshot:latest
> SUBSCRIBE | id:sub-1 | destination:/queue/channel/connected | receipt:subscribed /queue/channel/connected | snapshot:latest
> SUBSCRIBE | id:sub-2 | destination:/queue/channel/disconnected | receipt:subscribed /queue/channel/disconnected | resume-from:zzzzzzzzzzzz-1 | snapshot:latest
> SUBSCRIBE | id:sub-3 | destination:/queue/message | receipt:subscribed /queue/message | resume-from:$resume
> SUBSCRIBE | id:sub-4 | destination:/user/queue/message | receipt:mine | resume-from:$resume
> SUBSCRIBE | id:sub-5 | destination:/queue/message | receipt:filtered | resume-from:$resume | filter:conversation_id=f8cc5093-508d-539e-b112-1d72bbb0a517
> SUBSCRIBE | id:sub-6 | destination:/queue/message | receipt:one by one | resume-from:$resume | ack:client-individual | prefetch-count:1
> ACK | id:$ack
> UNSUBSCRIBE | id:sub-6 | receipt:no more
> SEND | destination:/auth/token | Authorization:Bearer $token | receipt:renewed
> DISCONNECT | receipt:bye
`

// This version leaves something behind: with -leave for the versions after it to be tested with, otherwise so that it does not
// go wrong unnoticed.
func TestLeave(t *testing.T) {
	needNode(t)
	l := legacy{dir: t.TempDir()}
	if *leave != "" {
		l.dir = filepath.Join(upgrades, *leave)
	} else if err := os.CopyFS(l.dir, os.DirFS(filepath.Join(upgrades, "1.0.0"))); err != nil {
		t.Fatal(err)
	}
	broker, dir := mosquittotest.Start(t, mosquittotest.Options{}), t.TempDir()
	sent := 0
	for _, events := range legacyEvents {
		s := l.start(t, broker, dir)
		for _, e := range events {
			publish(t, broker.Addr, e...)
			sent++
		}
		bridgetest.Eventually(t, "the events to be in the journal", func() bool {
			return int(s.figures()["events_total"]) == len(events)
		})
		s.stop()
	}
	l.packJournal(t, dir)
	l.held.Left = l.holds(t).Left // from which open tells the time
	l.held = l.holds(t)
	last := legacyEvents[1][len(legacyEvents[1])-1]
	l.held.Last, l.held.Unread = heldEvent{uint16(sent), last[1], last[3]}, 3
	l.held.Resumes = l.held.Entries[0].ID
	l.write(t, "held.json", l.held)

	quiet := 50 * time.Millisecond
	if *leave != "" {
		quiet = time.Second
	}
	l.recordClient(t, broker, quiet)
	l.packInbox(t)
	if err := os.WriteFile(filepath.Join(l.dir, "inbox.json"), []byte(l.runInbox(t, l.start(t, broker, l.journalDir(t)))), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "config.yaml"), readFile(t, "../../config.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ := config.Load(filepath.Join(l.dir, "config.yaml"), nil)
	if c == nil {
		t.Fatal("config.yaml has mistakes")
	}
	l.write(t, "settings.json", settingsOf(t, c))
}

func (l legacy) recordClient(t *testing.T, broker *mosquittotest.Broker, quiet time.Duration) {
	t.Helper()
	s := l.start(t, broker, l.journalDir(t))
	script := strings.ReplaceAll(legacyClient, "$resume", l.held.Resumes)
	if err := os.WriteFile(filepath.Join(l.dir, "client.txt"), []byte(s.playClient(script, quiet)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (l legacy) holds(t *testing.T) held {
	t.Helper()
	log := l.open(t, l.journalDir(t))
	defer log.Close()
	return holds(t, log)
}

func (l legacy) packJournal(t *testing.T, dir string) {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(readFile(t, filepath.Join(dir, "journal.db")))
	w.Close()
	if err := os.WriteFile(filepath.Join(l.dir, "journal.db.gz"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// packInbox takes the types out of the client of examples/inbox, for Node.
func (l legacy) packInbox(t *testing.T) {
	t.Helper()
	r := esbuild.Transform(string(readFile(t, "../../examples/inbox/src/bridge-client.ts")), esbuild.TransformOptions{
		Loader: esbuild.LoaderTS, Format: esbuild.FormatESModule, Target: esbuild.ES2022,
	})
	if len(r.Errors) > 0 {
		t.Fatalf("bridge-client.ts: %v", r.Errors)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "bridge-client.mjs"), r.Code, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (l legacy) write(t *testing.T, name string, v any) {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, name), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
