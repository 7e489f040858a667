package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 891_000_000, time.UTC)

// contents is everything that can be read from a log.
type contents struct {
	Bounds  journal.Bounds
	Entries []journal.Entry
	Newest  []journal.Entry
	Records []journal.Record
}

func read(l journal.Log) (c contents, err error) {
	ctx := context.Background()
	c.Bounds = l.Bounds()
	for after := c.Bounds.First - 1; err == nil && after < c.Bounds.Last; after = c.Entries[len(c.Entries)-1].Position {
		var page []journal.Entry
		if page, err = l.Read(ctx, after, 1000); len(page) == 0 {
			break
		}
		c.Entries = append(c.Entries, page...)
	}
	if err == nil {
		c.Newest, err = l.Latest(ctx, "/queue/unread-count", 0, 1000)
	}
	if err != nil {
		return c, err
	}
	w, err := l.Lead(ctx)
	if err != nil {
		return c, err
	}
	defer w.Resign()
	err = w.Records("", func(r journal.Record) bool { c.Records = append(c.Records, r); return true })
	return c, err
}

func diff(want, got contents) string { return cmp.Diff(want, got, cmp.Comparer(bytes.Equal)) }

// smallLog makes a log of a few hundred pages, trimmed, with keys beyond retention, and returns
// what is in it.
func smallLog(t *testing.T, dir string) contents {
	t.Helper()
	l := mustOpen(t, smallOptions(dir))
	for n := range 150 {
		b := journal.Batch{Records: []journal.Record{{Name: fmt.Sprint("digest/", n%50), Value: fmt.Append(nil, n)}}}
		for i := range 4 {
			e := journal.Entry{
				Time: received, Queue: "/queue/unread-count", Key: fmt.Sprint("conversation/", n*i%90),
				Body: fmt.Appendf(nil, "entry %d.%d %s", n, i, strings.Repeat("x", 300*i)),
			}
			if i == 1 {
				e.Audience = []string{"g:support", fmt.Sprint("u:", n)}
			}
			if i <= 1 {
				e.TraceParent = fmt.Sprintf("00-%032x-%016x-01", n+1, i+1)
			}
			b.Entries = append(b.Entries, e)
		}
		if err := appendTo(t.Context(), l, b); err != nil {
			t.Fatal(err)
		}
	}
	c, err := read(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

func smallOptions(dir string) disk.Options { return disk.Options{Dir: dir, MaxBytes: 256 << 10} }

func dbPath(dir string) string { return filepath.Join(dir, "journal.db") }

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustWrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// used returns the part of the file that holds pages.
func used(file []byte) []byte {
	return file[:(len(bytes.TrimRight(file, "\x00"))+4095)/4096*4096]
}

func TestTruncatedFile(t *testing.T) {
	dir := t.TempDir()
	want := smallLog(t, dir)
	file := mustRead(t, dbPath(dir))
	whole := len(used(file))
	for _, size := range []int{0, 1, 100, 4096, 5000, 8192, 12288, whole / 2, whole - 4096, whole - 1} {
		for _, unclean := range []bool{false, true} {
			mustWrite(t, dbPath(dir), file[:size])
			leaveMarker(t, dir, unclean)
			_, err := disk.Open(t.Context(), smallOptions(dir))
			if !errors.Is(err, disk.ErrDamaged) {
				t.Errorf("cut to %d bytes of %d: Open = %v, want ErrDamaged", size, whole, err)
			}
			if got := mustRead(t, dbPath(dir)); !bytes.Equal(got, file[:size]) {
				t.Errorf("cut to %d bytes: Open changed the file", size)
			}
		}
	}
	mustWrite(t, dbPath(dir), file)
	l := mustOpen(t, smallOptions(dir))
	defer l.Close()
	if got, err := read(l); err != nil || diff(want, got) != "" {
		t.Errorf("the whole file again: %v\n%s", err, diff(want, got))
	}
}

func leaveMarker(t *testing.T, dir string, unclean bool) {
	t.Helper()
	path := filepath.Join(dir, "journal.open")
	if unclean {
		mustWrite(t, path, nil)
	} else if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// TestFlippedByte changes single bytes of a file. Open or the reading must say so, or the change
// must not matter.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	want := smallLog(t, dir)
	file := mustRead(t, dbPath(dir))
	size := len(used(file))
	random := rand.New(rand.NewPCG(1, 2))
	var offsets []int
	for page := 0; page < size; page += 4096 {
		offsets = append(offsets, page+random.IntN(16), page+16+random.IntN(64), page+random.IntN(4096))
	}
	random.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
	offsets = offsets[:min(len(offsets), 250)]
	for page := 8192; page < size; page += 4096 {
		offsets = append(offsets, page+10) // the number of elements: fewer look like a whole page
	}
	offsets = append(offsets, 16, 20, 24, 40, 56, 64, 72, 4096+16, 4096+40, 4096+56, 4096+64, 4096+72)

	harmless := 0
	for i, offset := range offsets {
		changed := slices.Clone(file)
		changed[offset] ^= 1 << random.IntN(8)
		mustWrite(t, dbPath(dir), changed)
		unclean := i%2 == 1 && offset >= 8192 // in the head, that is what an unclean stop may look like
		leaveMarker(t, dir, unclean)

		l, err := disk.Open(t.Context(), smallOptions(dir))
		if err != nil {
			if !errors.Is(err, disk.ErrDamaged) && !strings.Contains(err.Error(), "move it away") {
				t.Errorf("byte %d: Open = %v, want ErrDamaged", offset, err)
			}
			continue
		}
		got, err := read(l)
		switch {
		case errors.Is(err, disk.ErrDamaged):
		case err != nil:
			t.Errorf("byte %d: reading: %v, want ErrDamaged", offset, err)
		case diff(want, got) != "":
			t.Errorf("byte %d: not noticed:\n%s", offset, diff(want, got))
		default:
			harmless++
		}
		if err := appendTo(t.Context(), l, journal.Batch{Entries: []journal.Entry{{Time: received, Queue: "q"}}}); err != nil {
			t.Errorf("byte %d: Append: %v", offset, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("byte %d: Close: %v", offset, err)
		}
	}
	t.Logf("%d changes, %d of them where nothing is kept", len(offsets), harmless)
}

// TestFlippedByteWhileOpen changes an entry under an open log.
func TestFlippedByteWhileOpen(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	defer l.Close()
	b := journal.Batch{Entries: []journal.Entry{
		{Time: received, Queue: "q", Body: []byte("the first")},
		{Time: received, Queue: "q", Key: "k", Body: []byte("the second")},
		{Time: received, Queue: "q", Body: []byte("the third")},
	}}
	if err := appendTo(t.Context(), l, b); err != nil {
		t.Fatal(err)
	}
	file := mustRead(t, dbPath(dir))
	f, err := os.OpenFile(dbPath(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("T"), int64(bytes.Index(file, []byte("the second")))); err != nil {
		t.Fatal(err)
	}

	if _, err := l.Read(t.Context(), 0, 10); !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "position 2:") {
		t.Errorf("Read = %v, want ErrDamaged at position 2", err)
	}
	if _, err := l.Latest(t.Context(), "q", 0, 10); !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "position 2:") {
		t.Errorf("Latest = %v, want ErrDamaged at position 2", err)
	}
	if page, err := l.Read(t.Context(), 2, 10); err != nil || len(page) != 1 {
		t.Errorf("Read after it = %v, %v", page, err)
	}
}

// A page that the disk does not give back, while the file is mapped, is an error to who reads it or
// writes beside it, and not the end of the process. A file that has become shorter is the same to
// it.
func TestUnreadablePage(t *testing.T) {
	synctest.Test(t, testUnreadablePage) // so that nobody looks after the file meanwhile
}

func testUnreadablePage(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	entries := make([]journal.Entry, 1000)
	for i := range entries {
		entries[i] = journal.Entry{Queue: "q", Body: make([]byte, 1000)}
	}
	if err := appendTo(t.Context(), l, journal.Batch{Entries: entries}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dbPath(dir), 64<<10); err != nil {
		t.Fatal(err)
	}
	_, err := l.Read(t.Context(), 0, len(entries))
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "journal.db cannot be read") {
		t.Errorf("Read: %v", err)
	}
	if l.Err() != nil {
		t.Errorf("a page that cannot be read has ended the log: %v", l.Err())
	}
	w := mustLead(t, l)
	if err := w.Append(t.Context(), journal.Batch{Entries: entries[:1]}); !errors.Is(err, syscall.EIO) || errors.Is(err, journal.ErrFull) {
		t.Errorf("Append: %v", err)
	}
	<-w.Done()
	<-l.Done()
	if _, err := l.Lead(t.Context()); !errors.Is(err, syscall.EIO) || !errors.Is(l.Err(), syscall.EIO) {
		t.Errorf("after that Lead = %v, and the log has ended by %v", err, l.Err())
	}
	l.Close() // which ends, and cannot note much
}

func TestForeignFile(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want string // part of the error
	}{
		{"empty", func(t *testing.T, path string) { mustWrite(t, path, nil) }, "damaged"},
		{"text", func(t *testing.T, path string) { mustWrite(t, path, bytes.Repeat([]byte("hello\n"), 10000)) }, "damaged"},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "damaged"},
		{"another program's database", func(t *testing.T, path string) {
			editDB(t, path, func(tx *bolt.Tx) error {
				_, err := tx.CreateBucket([]byte("books"))
				return err
			})
		}, "not a journal"},
		{"another format", func(t *testing.T, path string) {
			if err := mustOpen(t, disk.Options{Dir: filepath.Dir(path)}).Close(); err != nil {
				t.Fatal(err)
			}
			editDB(t, path, func(tx *bolt.Tx) error {
				b := tx.Bucket([]byte("mqtt-stomp-bridge journal"))
				return b.Put([]byte("state"), disk.StateOfFormat(3))
			})
		}, "another version's file: format 3, this program reads format 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dbPath(dir))
			_, err := disk.Open(t.Context(), disk.Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Open = %v, want %q in it", err, test.want)
			}
			for _, part := range []string{dbPath(dir), "move it away", "gap"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Open = %v, without %q", err, part)
				}
			}
		})
	}
}

func editDB(t *testing.T, path string, edit func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	if _, err := disk.Open(t.Context(), disk.Options{Dir: dir}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("Open of an open log = %v, want ErrInUse", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, disk.Options{Dir: dir}).Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestUncleanStop looks at what is said about the last stop, and what is left of a clean one.
func TestUncleanStop(t *testing.T) {
	dir := t.TempDir()
	marker := filepath.Join(dir, "journal.open")
	want := smallLog(t, dir)
	if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close, Stat of the marker = %v, want none", err)
	}
	for _, unclean := range []bool{false, true} {
		leaveMarker(t, dir, unclean)
		var said bytes.Buffer
		o := smallOptions(dir)
		o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		l := mustOpen(t, o)
		if _, err := os.Stat(marker); err != nil {
			t.Errorf("while open: %v", err)
		}
		if got, err := read(l); err != nil || diff(want, got) != "" {
			t.Errorf("unclean %v: %v\n%s", unclean, err, diff(want, got))
		}
		if got := strings.Contains(said.String(), "the last stop was not clean"); got != unclean {
			t.Errorf("unclean %v: the log says:\n%s", unclean, said.String())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
