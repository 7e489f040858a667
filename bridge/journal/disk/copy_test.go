package disk_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// ids are the epochs under which positions were given out.
type ids map[uint64]string

// give appends n entries, one after the other, and adds their names.
func (given ids) give(t *testing.T, l *disk.Log, n int) {
	t.Helper()
	for range n {
		b := journal.Batch{Entries: []journal.Entry{{Time: received, Queue: "/queue/unread-count", Key: "k"}}}
		if err := appendTo(t.Context(), l, b); err != nil {
			t.Fatal(err)
		}
		p := b.Entries[0].Position
		given[p] = l.Epoch(p)
	}
}

// known checks that the log has given out what was given up to the position, and nothing after.
func (given ids) known(t *testing.T, l *disk.Log, upTo uint64) {
	t.Helper()
	for p, epoch := range given {
		if got := l.Epoch(p) == epoch; got != (p <= upTo) {
			t.Errorf("the log knows %s-%d: %v, want %v", epoch, p, got, !got)
		}
	}
}

// TestCopyRunOn runs a copy of a log on beside it. Neither takes what the other has given out since
// for its own, and both know what was given out before.
func TestCopyRunOn(t *testing.T) {
	for _, test := range []struct {
		name     string
		stopped  bool // when it is copied
		appended int  // since the log was opened; 5 before that
		upTo     uint64
	}{
		{"while stopped", true, 3, 8},
		{"just opened", false, 0, 5},
		{"while running", false, 3, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			given, dir := ids{}, t.TempDir()
			l := mustOpen(t, disk.Options{Dir: dir})
			given[0] = l.Epoch(0)
			given.give(t, l, 5)
			mustClose(t, l)
			l = mustOpen(t, disk.Options{Dir: dir})
			given.give(t, l, test.appended)
			if test.stopped {
				mustClose(t, l)
			}
			file := mustRead(t, dbPath(dir))
			if test.stopped {
				l = mustOpen(t, disk.Options{Dir: dir})
			}
			given.give(t, l, 10)

			for range 3 { // restored again and again
				other, copied := ids{}, t.TempDir()
				mustWrite(t, dbPath(copied), file)
				c := mustOpen(t, disk.Options{Dir: copied})
				given.known(t, c, test.upTo)
				other.give(t, c, 20)
				given.known(t, c, test.upTo)
				other.known(t, l, 0)
				mustClose(t, c)

				c = mustOpen(t, disk.Options{Dir: copied})
				given.known(t, c, test.upTo)
				other.known(t, c, 1<<63)
				mustClose(t, c)
			}
			given.known(t, l, 1<<63)
			mustClose(t, l)
			l = mustOpen(t, disk.Options{Dir: dir})
			given.known(t, l, 1<<63)
			mustClose(t, l)
		})
	}
}

// TestCopyWhileAppending copies a file while it is written to. Such a copy may be damaged;
// otherwise it knows what it holds under the right names, and nothing else.
func TestCopyWhileAppending(t *testing.T) {
	given, dir := ids{}, t.TempDir()
	var files [][]byte
	for range 3 {
		l := mustOpen(t, disk.Options{Dir: dir, MaxBytes: 16 << 10})
		end := l.Bounds().Last
		var copying sync.WaitGroup
		copying.Go(func() {
			for n := range uint64(10) {
				for l.Bounds().Last < end+20*n {
					runtime.Gosched()
				}
				files = append(files, copySlowly(t, dbPath(dir)))
			}
		})
		given.give(t, l, 200)
		copying.Wait()
		mustClose(t, l)
	}
	opened := 0
	for _, file := range files {
		copied := t.TempDir()
		mustWrite(t, dbPath(copied), file)
		leaveMarker(t, copied, true)
		c, err := disk.Open(t.Context(), disk.Options{Dir: copied})
		if errors.Is(err, disk.ErrDamaged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		opened++
		b := c.Bounds()
		for p, epoch := range given {
			if got := c.Epoch(p) == epoch; p+1 >= b.First && got != (p <= b.Last) {
				t.Errorf("a copy that ends at %d knows %s-%d: %v", b.Last, epoch, p, got)
			}
		}
		mustClose(t, c)
	}
	if t.Logf("of %d copies %d are whole", len(files), opened); opened == 0 {
		t.Error("every copy is damaged")
	}
}

// copySlowly lets others work between the pages.
func copySlowly(t *testing.T, path string) (file []byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	for page := make([]byte, 4096); ; runtime.Gosched() {
		if _, err := io.ReadFull(f, page); err != nil {
			return file
		}
		file = append(file, page...)
	}
}

// TestManyRuns opens a log that was opened more often than it keeps incarnations of: the last
// thousand, less that of now, can be resumed from.
func TestManyRuns(t *testing.T) {
	const runs = 1010
	dir := t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	ids{}.give(t, l, runs)
	mustClose(t, l)
	given := ids{}
	editDB(t, dbPath(dir), func(tx *bolt.Tx) error { return disk.SplitIncarnation(tx, given) })
	l = mustOpen(t, disk.Options{Dir: dir})
	defer mustClose(t, l)
	for p, epoch := range given {
		if got, want := l.Epoch(p) == epoch, p > runs-999; got != want {
			t.Errorf("position %d is known under the epoch of its run: %v, want %v", p, got, want)
		}
	}
}

// TestTrimmedRuns looks at what is left of runs whose entries have left the log.
func TestTrimmedRuns(t *testing.T) {
	given, dir := ids{}, t.TempDir()
	o := disk.Options{Dir: dir, MaxBytes: 2000}
	var first uint64
	for range 40 {
		l := mustOpen(t, o)
		given.give(t, l, 3)
		first = l.Bounds().First
		mustClose(t, l)
	}
	l := mustOpen(t, o)
	defer mustClose(t, l)
	if first < 60 {
		t.Fatalf("the log begins at %d", first)
	}
	epochs := map[string]bool{}
	for p := range uint64(120) {
		epochs[l.Epoch(p+1)] = true
		if p+1 >= first-1 && l.Epoch(p+1) != given[p+1] {
			t.Errorf("position %d has another name than it was given out under", p+1)
		}
	}
	if want := int(120-first)/3 + 3; len(epochs) > want {
		t.Errorf("%d epochs are kept, want at most %d: entries are kept from %d", len(epochs), want, first)
	}
}

// TestFileOfOneEpoch opens a file as earlier versions left it: what they gave out is known.
func TestFileOfOneEpoch(t *testing.T) {
	given, dir := ids{}, t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	given.give(t, l, 5)
	mustClose(t, l)
	editDB(t, dbPath(dir), disk.DropIncarnations)
	for range 2 {
		l = mustOpen(t, disk.Options{Dir: dir})
		given.known(t, l, 1<<63)
		given.give(t, l, 2)
		given.known(t, l, 1<<63)
		mustClose(t, l)
	}
}

// TestIncarnationsOfAnotherFile opens a file whose incarnations do not belong to its entries.
func TestIncarnationsOfAnotherFile(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		l := mustOpen(t, disk.Options{Dir: dir})
		ids{}.give(t, l, n+1)
		mustClose(t, l)
	}
	editDB(t, dbPath(dir), disk.DropLastIncarnation)
	if _, err := disk.Open(t.Context(), disk.Options{Dir: dir}); err == nil {
		t.Error("Open succeeded")
	}
}

func mustClose(t *testing.T, l *disk.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}
