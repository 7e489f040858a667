package disk_test

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// oldLog puts a journal of format 1 into the directory, as the program wrote it before there were audiences: the entries 21
// to 80, of which those of odd positions are unread counts with a key of their own; six more are kept beyond retention.
func oldLog(t *testing.T, dir string) {
	t.Helper()
	if native := binary.NativeEndian.Uint16([]byte{1, 0}); native != 1 {
		t.Skip("the file is of a little-endian machine")
	}
	f, err := os.Open("testdata/format1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dbPath(dir), b)
}

// oldEntry is the entry of the old journal at the position.
func oldEntry(position uint64) journal.Entry {
	n := int(position-1) / 2
	e := journal.Entry{Position: position, Time: received, Queue: "/queue/message", Body: fmt.Appendf(nil, `{"m":%d%s}`, n, strings.Repeat(" ", 8<<10))}
	if position%2 == 1 {
		e.Queue, e.Key, e.Body = "/queue/unread-count", fmt.Sprint("conversation/", max(n, 3)%37), fmt.Appendf(nil, `{"n":%d}`, n)
	}
	return e
}

// A journal from before there were audiences opens, its entries are everybody's, and those with an audience come after.
func TestFormatBeforeAudiences(t *testing.T) {
	dir := t.TempDir()
	oldLog(t, dir)
	want := contents{Bounds: journal.Bounds{First: 21, Last: 80}}
	for p := uint64(7); p <= 80; p++ {
		e := oldEntry(p)
		if p >= 21 {
			want.Entries = append(want.Entries, e)
		}
		if e.Key != "" {
			want.Newest = append(want.Newest, e)
		}
	}
	for i := range 5 {
		want.Marks = append(want.Marks, journal.Mark{Name: fmt.Sprint("packet/", i), Value: fmt.Append(nil, 35+i)})
	}
	var epoch string
	for range 2 { // opening alone changes nothing
		l := mustOpen(t, smallOptions(dir))
		got, err := read(l)
		if err != nil {
			t.Fatal(err)
		}
		epoch, got.Bounds.Epoch = got.Bounds.Epoch, ""
		if diff := diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if f := formatOf(t, dir); f != 1 {
			t.Errorf("opening made it format %d", f)
		}
	}

	l := mustOpen(t, smallOptions(dir))
	e := []journal.Entry{{Time: received, Queue: "/queue/unread-count", Key: "k", Audience: []string{"g:support", "u:ada"}, Body: []byte("{}")}}
	if err := l.Append(t.Context(), journal.Batch{Entries: e}); err != nil {
		t.Fatal(err)
	}
	before, err := read(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if f := formatOf(t, dir); f != 2 { // an older program must not give everybody what is not theirs
		t.Errorf("after a commit the file is of format %d", f)
	}
	l = mustOpen(t, smallOptions(dir))
	defer l.Close()
	after, err := read(l)
	if err != nil || diff(before, after) != "" || after.Bounds.Epoch != epoch || after.Bounds.Last != 81 {
		t.Errorf("opened again: %v\n%s", err, diff(before, after))
	}
	if got := after.Entries[len(after.Entries)-1].Audience; len(got) != 2 {
		t.Errorf("the last entry's audience is %q", got)
	}
}

// formatOf reads the number of the format that stands in the file.
func formatOf(t *testing.T, dir string) (f uint32) {
	t.Helper()
	db, err := bolt.Open(dbPath(dir), 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		f = binary.BigEndian.Uint32(tx.Bucket([]byte("mqtt-stomp-bridge journal")).Get([]byte("state"))[4:])
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return f
}

// What cannot be an audience is damage, also under a good checksum.
func TestDamagedAudience(t *testing.T) {
	for name, audience := range map[string]string{
		"none at all":           "\x00\x00\x00\x00",
		"longer than the rest":  "\x00\x00\x00\xff\x00\x01a",
		"cut":                   "\x00\x00",
		"a token too long":      "\x00\x00\x00\x03\x00\x02a",
		"a token without bytes": "\x00\x00\x00\x01\x00",
		"as long as can be":     "\xff\xff\xff\xff\x00\x01a",
	} {
		dir := t.TempDir()
		l := mustOpen(t, disk.Options{Dir: dir})
		if err := l.Append(t.Context(), journal.Batch{Entries: []journal.Entry{{Time: received, Queue: "q", Body: []byte(audience)}}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		editDB(t, dbPath(dir), func(tx *bolt.Tx) error {
			key := []byte{0, 0, 0, 0, 0, 0, 0, 1}
			b := tx.Bucket([]byte("entries"))
			return b.Put(key, disk.WithAudience(key, b.Get(key)))
		})
		l, err := disk.Open(t.Context(), disk.Options{Dir: dir})
		if err == nil {
			_, err = l.Read(0, 1)
			l.Close()
		}
		if !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "position 1") {
			t.Errorf("%s: %v, want ErrDamaged at position 1", name, err)
		}
	}
}
