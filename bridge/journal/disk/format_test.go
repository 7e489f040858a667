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

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// oldLog puts a journal of an old format into the directory, as the program wrote it then: the entries 21 to 80, of which
// those of odd positions are unread counts with a key of their own; more of these are kept beyond retention.
func oldLog(t *testing.T, dir string, format int) {
	t.Helper()
	if native := binary.NativeEndian.Uint16([]byte{1, 0}); native != 1 {
		t.Skip("the file is of a little-endian machine")
	}
	f, err := os.Open(fmt.Sprintf("testdata/format%d.db.gz", format))
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

// oldEntry is the entry of the old journal at the position. Format 2 has audiences, neither has trace parents.
func oldEntry(format int, position uint64) journal.Entry {
	n := int(position-1) / 2
	e := journal.Entry{Position: position, Time: received, Queue: "/queue/message", Body: fmt.Appendf(nil, `{"m":%d%s}`, n, strings.Repeat(" ", 8<<10))}
	if position%2 == 1 {
		e.Queue, e.Key, e.Body = "/queue/unread-count", fmt.Sprint("conversation/", max(n, 3)%37), fmt.Appendf(nil, `{"n":%d}`, n)
		if format == 2 {
			e.Audience = []string{"g:support", "u:ada"}
		}
	}
	return e
}

// A journal of an old format opens, with what that format has; opening alone changes nothing, the first commit makes it the
// newest, so that an older program refuses it: it must not give everybody what is not theirs.
func TestOldFormats(t *testing.T) {
	for _, format := range []int{1, 2} {
		t.Run(fmt.Sprint(format), func(t *testing.T) { testOldFormat(t, format) })
	}
}

func testOldFormat(t *testing.T, format int) {
	dir := t.TempDir()
	oldLog(t, dir, format)
	want := contents{Bounds: journal.Bounds{First: 21, Last: 80}}
	for p := uint64(7); p <= 80; p++ {
		e := oldEntry(format, p)
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
	for range 2 {
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
		if f := formatOf(t, dir); f != uint32(format) {
			t.Errorf("opening made it format %d", f)
		}
	}

	l := mustOpen(t, smallOptions(dir))
	newest := journal.Entry{Time: received, Queue: "/queue/unread-count", Key: "k", Audience: []string{"g:support", "u:ada"}, Body: []byte("{}"), TraceParent: "00-1-2-00"}
	if err := l.Append(t.Context(), journal.Batch{Entries: []journal.Entry{newest}}); err != nil {
		t.Fatal(err)
	}
	before, err := read(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if f := formatOf(t, dir); f != 3 {
		t.Errorf("after a commit the file is of format %d", f)
	}
	l = mustOpen(t, smallOptions(dir))
	defer l.Close()
	after, err := read(l)
	if err != nil || diff(before, after) != "" || after.Bounds.Epoch != epoch || after.Bounds.Last != 81 {
		t.Errorf("opened again: %v\n%s", err, diff(before, after))
	}
	newest.Position = 81
	if diff := cmp.Diff(newest, after.Entries[len(after.Entries)-1]); diff != "" {
		t.Errorf("the newest entry (-want +got):\n%s", diff)
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

// What cannot be an audience or a trace parent is damage, also under a good checksum.
func TestDamagedParts(t *testing.T) {
	type seal = func(position, record []byte) []byte
	for _, test := range []struct {
		name, body string
		as         seal
	}{
		{"no audience at all", "\x00\x00\x00\x00", disk.WithAudience},
		{"audience longer than the rest", "\x00\x00\x00\xff\x00\x01a", disk.WithAudience},
		{"cut audience", "\x00\x00", disk.WithAudience},
		{"a token too long", "\x00\x00\x00\x03\x00\x02a", disk.WithAudience},
		{"a token without bytes", "\x00\x00\x00\x01\x00", disk.WithAudience},
		{"audience as long as can be", "\xff\xff\xff\xff\x00\x01a", disk.WithAudience},
		{"trace parent longer than the rest", "\x03ab", disk.WithTrace},
		{"trace parent without a length", "", disk.WithTrace},
		{"trace parent, then an audience that is cut", "\x01a\x00", func(position, record []byte) []byte {
			return disk.WithAudience(position, disk.WithTrace(position, record))
		}},
	} {
		dir := t.TempDir()
		l := mustOpen(t, disk.Options{Dir: dir})
		if err := l.Append(t.Context(), journal.Batch{Entries: []journal.Entry{{Time: received, Queue: "q", Body: []byte(test.body)}}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		editDB(t, dbPath(dir), func(tx *bolt.Tx) error {
			key := []byte{0, 0, 0, 0, 0, 0, 0, 1}
			b := tx.Bucket([]byte("entries"))
			return b.Put(key, test.as(key, b.Get(key)))
		})
		l, err := disk.Open(t.Context(), disk.Options{Dir: dir})
		if err == nil {
			_, err = l.Read(0, 1)
			l.Close()
		}
		if !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "position 1") {
			t.Errorf("%s: %v, want ErrDamaged at position 1", test.name, err)
		}
	}
}
