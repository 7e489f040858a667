package disk_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// The log says how far the opening of a large file is: a share and a place of each thing that is
// read.
func TestOpenTellsProgress(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { fillForProgress(t, dir) })

	now := time.Now()
	later := func() time.Time { // a clock on which everything takes long
		now = now.Add(2 * time.Second)
		return now
	}
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: withoutVariable})
	if err := mustOpen(t, disk.Options{Dir: dir, Logger: slog.New(handler), Now: later}).Close(); err != nil {
		t.Fatal(err)
	}
	// How many pages there are depends on the machine.
	pages := regexp.MustCompile(`^(level=INFO msg="journal: still reading the file" percent=\d\d bytes=\d+ of=\d+\n)+`)
	lines := log.Bytes()
	first := pages.Find(lines)
	if first == nil {
		t.Errorf("no line for the pages at first in\n%s", lines)
	}
	const want = `level=INFO msg="journal: still reading the entries" percent=31 position=1024 first=1101 last=3300
level=INFO msg="journal: still reading the entries" percent=62 position=2048 first=1101 last=3300
level=INFO msg="journal: still reading the entries" percent=93 position=3072 first=1101 last=3300
level=INFO msg="journal: still reading the records" percent=46
level=INFO msg="journal: still reading the records" percent=93
level=INFO msg="journal: open" first=1101 last=3300
`
	if diff := cmp.Diff(want, string(lines[len(first):])); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
}

// fillForProgress makes a file with 1100 keys, whose entries retention has passed, 2200 entries and
// as many records.
func fillForProgress(t *testing.T, dir string) {
	l := mustOpen(t, disk.Options{Dir: dir, MaxAge: time.Minute})
	var old, young journal.Batch
	for i := range 1100 { // too old at the next batch, but each the newest of its key
		old.Entries = append(old.Entries, journal.Entry{Time: received, Queue: "/queue/a", Key: fmt.Sprint("key/", i), Body: make([]byte, 4000)})
	}
	for i := range 2200 {
		young.Entries = append(young.Entries, journal.Entry{Time: received, Queue: "/queue/a", Body: make([]byte, 4000)})
		young.Records = append(young.Records, journal.Record{Name: fmt.Sprint("record/", i), Value: []byte("value")})
	}
	for _, b := range []journal.Batch{old, young} {
		if err := appendTo(t.Context(), l, b); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// withoutVariable leaves out what is another each time.
func withoutVariable(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.TimeKey, "file", "epoch", "took":
		return slog.Attr{}
	}
	return a
}
