package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

var importQueues = []string{"/queue/a", "/queue/b", "/queue/c"}

// importedJournal returns a journal on disk that was open several times, has keys beyond retention,
// audiences, and records of which some have expired.
func importedJournal(t *testing.T) *disk.Log {
	t.Helper()
	dir, n := t.TempDir(), 0
	open := func() *disk.Log {
		l, err := disk.Open(t.Context(), disk.Options{Dir: dir, MaxBytes: 2 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for range 4 {
		l := open()
		w, err := l.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			var b journal.Batch
			for range 5 {
				n++
				e := journal.Entry{Time: time.Unix(int64(n), 5).UTC(), Queue: importQueues[n%3], Body: fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", n*37%5000))}
				if n%4 == 0 {
					e.Key, e.Audience = fmt.Sprint("key/", n%1000), []string{fmt.Sprint("u:", n)}
				}
				if n%9 == 0 {
					e.TraceParent = fmt.Sprint("trace-", n)
				}
				b.Entries = append(b.Entries, e)
			}
			b.Records = []journal.Record{
				{Name: fmt.Sprint("kept/", n), Value: []byte(strings.Repeat("v", n))},
				{Name: fmt.Sprint("later/", n), Expires: time.Now().Add(time.Hour).UTC()},
				{Name: "replaced", Value: fmt.Append(nil, n)},
			}
			if err := w.Append(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open()
	t.Cleanup(func() { _ = l.Close() })
	if x := read(t, l); x.bounds.First < 100 || x.entries[0].Position >= x.bounds.First || len(x.epochs) < 3 {
		t.Fatalf("the journal has %v, first entry %d, %d epochs", x.bounds, x.entries[0].Position, len(x.epochs))
	}
	return l
}

// A source is a Source in memory.
type source struct {
	bounds  journal.Bounds
	epochs  map[string]bool
	epoch   func(uint64) string
	lived   time.Duration
	left    time.Time
	entries []journal.Dated
	records []journal.Record
}

func read(t *testing.T, l *disk.Log) *source {
	t.Helper()
	x := l.Export()
	s := &source{bounds: x.Bounds(), epoch: x.Epoch, epochs: map[string]bool{}}
	var err error
	if s.lived, s.left, err = x.Clock(); err != nil {
		t.Fatal(err)
	}
	for after := uint64(0); ; {
		page, err := x.Entries(after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		s.entries = append(s.entries, page...)
		after = page[len(page)-1].Position
	}
	if err := x.Records(func(r journal.Record) error { s.records = append(s.records, r); return nil }); err != nil {
		t.Fatal(err)
	}
	for p := s.bounds.First - 1; p <= s.bounds.Last; p++ {
		s.epochs[x.Epoch(p)] = true
	}
	return s
}

func (s *source) Bounds() journal.Bounds                   { return s.bounds }
func (s *source) Epoch(position uint64) string             { return s.epoch(position) }
func (s *source) Clock() (time.Duration, time.Time, error) { return s.lived, s.left, nil }
func (s *source) Records(yield func(journal.Record) error) (err error) {
	for i := 0; i < len(s.records) && err == nil; i++ {
		err = yield(s.records[i])
	}
	return err
}

func (s *source) Entries(after uint64) ([]journal.Dated, error) {
	for i, e := range s.entries {
		if e.Position > after {
			return s.entries[i:min(i+100, len(s.entries))], nil
		}
	}
	return nil, nil
}

// checkImported compares the log with the journal that was imported.
func checkImported(t *testing.T, want *disk.Log, got *Log) {
	t.Helper()
	bounds := want.Bounds()
	if diff := cmp.Diff(bounds, got.Bounds()); diff != "" {
		t.Fatalf("Bounds (-want +got):\n%s", diff)
	}
	for p := bounds.First - 1; p <= bounds.Last; p++ {
		if want, got := want.Epoch(p), got.Epoch(p); got != want {
			t.Fatalf("position %d has the epoch %q, want %q", p, got, want)
		}
	}
	ctx := t.Context()
	checkPages(t, "entries", bounds.First-1, func(l journal.Log, after uint64) ([]journal.Entry, error) { return l.Read(ctx, after, 100) }, want, got)
	for _, queue := range importQueues {
		checkPages(t, queue, 0, func(l journal.Log, after uint64) ([]journal.Entry, error) { return l.Latest(ctx, queue, after, 100) }, want, got)
		if want, got := want.Trimmed(queue), got.Trimmed(queue); got != want {
			t.Errorf("Trimmed(%s) = %d, want %d", queue, got, want)
		}
	}
	if diff := cmp.Diff(leaderRecords(t, want), leaderRecords(t, got), asBytes); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// asBytes compares them as a whole, which is faster.
var asBytes = cmp.Comparer(bytes.Equal)

func checkPages(t *testing.T, what string, from uint64, read func(journal.Log, uint64) ([]journal.Entry, error), want, got journal.Log) {
	t.Helper()
	all := func(l journal.Log) (all []journal.Entry) {
		for after := from; ; after = all[len(all)-1].Position {
			page, err := read(l, after)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				return all
			}
			all = append(all, page...)
		}
	}
	if diff := cmp.Diff(all(want), all(got), asBytes); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func leaderRecords(t *testing.T, l journal.Log) map[string]journal.Record {
	t.Helper()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Resign()
	found := map[string]journal.Record{}
	if err := w.Records("", func(r journal.Record) bool { found[r.Name] = r; return true }); err != nil {
		t.Fatal(err)
	}
	return found
}

func noProgress(Imported) {}

// TestImport imports a journal and goes on with the log.
func TestImport(t *testing.T) {
	from := importedJournal(t)
	x := read(t, from)
	for i := range x.entries {
		x.entries[i].AppendedAt = time.Duration(i) * 7 * time.Second
	}
	x.lived = 24 * time.Hour
	s := newStream()
	done, err := importInto(t.Context(), &memoryStore{stream: s}, x, noProgress)
	if err != nil {
		t.Fatal(err)
	}
	entries := int(x.bounds.Last - x.bounds.First + 1)
	if want := (Imported{Entries: entries, Keys: len(x.entries) - entries, Records: len(x.records)}); done != want {
		t.Errorf("imported %+v, want %+v", done, want)
	}
	l := mustOpen(t, &memoryStore{stream: s}, Options{MaxBytes: 1 << 20, slack: 1 << 10})
	defer l.Close()
	checkTimes(t, x, l)
	checkImported(t, from, l)
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		e := journal.Entry{Queue: importQueues[n%3], Key: fmt.Sprint("key/", n%300), Body: make([]byte, 1000)}
		if err := w.Append(t.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	w.Resign()
	if b := l.Bounds(); b.First <= x.bounds.Last || b.Last != x.bounds.Last+2000 {
		t.Errorf("Bounds = %v, so what was imported does not leave the log", b)
	}
	other := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer other.Close()
	for _, queue := range importQueues {
		checkPages(t, queue, 0, func(l journal.Log, after uint64) ([]journal.Entry, error) {
			return l.Latest(t.Context(), queue, after, 100)
		}, l, other)
	}
	records := leaderRecords(t, l)
	if diff := cmp.Diff(records, leaderRecords(t, other), asBytes); diff != "" || len(records) != len(x.records) {
		t.Errorf("%d records, want %d; in another replica (-one +other):\n%s", len(records), len(x.records), diff)
	}
}

// checkTimes checks that entries have become younger at most, and hardly.
func checkTimes(t *testing.T, x *source, l *Log) {
	t.Helper()
	checked := 0
	for _, e := range x.entries {
		it, ok := l.state.newest.get(e.Key)
		if !ok || it.Position != e.Position {
			continue
		}
		checked++
		if it.AppendedAt < e.AppendedAt || it.AppendedAt > e.AppendedAt+importTogether || e.Position < x.bounds.First && it.AppendedAt != e.AppendedAt {
			t.Fatalf("position %d was appended at %v, and now at %v", e.Position, e.AppendedAt, it.AppendedAt)
		}
	}
	if checked == 0 {
		t.Error("no times to check")
	}
	if c := l.state.clock; c.lived != x.lived || !c.left.Equal(x.left) {
		t.Errorf("the clock shows %v at %v, want %v at %v", c.lived, c.left, x.lived, x.left)
	}
}

// TestImportNothing imports a journal that was never written to.
func TestImportNothing(t *testing.T) {
	from, err := disk.Open(t.Context(), disk.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	s := newStream()
	if _, err := importInto(t.Context(), &memoryStore{stream: s}, from.Export(), noProgress); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer l.Close()
	checkImported(t, from, l)
}

// TestImportInterrupted ends an import after each of its blocks but the last: until it is done
// nobody takes what is there for the log.
func TestImportInterrupted(t *testing.T) {
	from := importedJournal(t)
	whole := newStream()
	if _, err := importInto(t.Context(), &memoryStore{stream: whole}, from.Export(), noProgress); err != nil {
		t.Fatal(err)
	}
	s := newStream()
	waiting := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer waiting.Close()
	blocks := int(whole.last())
	for stop := 1; stop < blocks; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		stored := 0
		done, err := importInto(ctx, &memoryStore{stream: s}, from.Export(), func(Imported) {
			if stored++; stored == stop {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || done.Again != (stop > 1) {
			t.Fatalf("interrupted after %d blocks of %d: %+v, %v", stored, blocks, done, err)
		}
		if _, err := open(t.Context(), &memoryStore{stream: s}, Options{}); !errors.Is(err, errImporting) {
			t.Fatalf("open after %d blocks of %d = %v", stored, blocks, err)
		}
	}
	if <-waiting.Done(); !errors.Is(waiting.Err(), errImporting) {
		t.Errorf("a replica that was there before has ended by %v", waiting.Err())
	}
	if done, err := importInto(t.Context(), &memoryStore{stream: s}, from.Export(), noProgress); err != nil || !done.Again {
		t.Fatalf("imported again: %+v, %v", done, err)
	}
	l := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer l.Close()
	checkImported(t, from, l)
}

// TestImportRefused holds what is said where an import would do harm.
func TestImportRefused(t *testing.T) {
	from := importedJournal(t)
	s := newStream()
	l := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer l.Close()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Resign()
	before := s.last()
	if _, err := importInto(t.Context(), &memoryStore{stream: s}, from.Export(), noProgress); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("importing where a bridge has led = %v", err)
	}
	imported := newStream()
	for i, want := range []error{nil, ErrNotEmpty} {
		if _, err := importInto(t.Context(), &memoryStore{stream: imported}, from.Export(), noProgress); !errors.Is(err, want) {
			t.Errorf("import %d = %v, want %v", i, err, want)
		}
	}
	large := &source{bounds: journal.Bounds{First: 1, Last: 1}, epoch: from.Epoch, entries: []journal.Dated{{Entry: journal.Entry{
		Position: 1, Queue: "/queue/a", Body: make([]byte, 9<<20),
	}}}}
	want := "journal: the entry at position 1 takes 9437256 bytes, and the servers take messages of 8384512: raise max_payload of the NATS servers"
	if _, err := importInto(t.Context(), &memoryStore{stream: newStream()}, large, noProgress); err == nil || err.Error() != want {
		t.Errorf("a large entry: %v, want %s", err, want)
	}
	if s.last() != before {
		t.Error("a stream that was refused has changed")
	}
}

// TestImportWithFaults loses and delays what an import asks for, and has others append between.
func TestImportWithFaults(t *testing.T) {
	from := importedJournal(t)
	x := read(t, from)
	for seed := range uint64(20) {
		s := newStream()
		synctest.Test(t, func(t *testing.T) {
			faulty := &memoryStore{stream: s, random: rand.New(rand.NewPCG(seed, 0))}
			defer faulty.close()
			for {
				_, err := importInto(t.Context(), faulty, x, noProgress)
				if err == nil {
					return
				}
				t.Logf("seed %d: %v", seed, err)
				if errors.Is(err, ErrNotEmpty) || s.last() > 1000 {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
		l := mustOpen(t, &memoryStore{stream: s}, Options{})
		checkImported(t, from, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportNATS imports on real servers, where an earlier import was interrupted.
func TestImportNATS(t *testing.T) {
	from := importedJournal(t)
	for _, test := range []struct {
		name    string
		bin     func(testing.TB) string
		servers int
	}{
		{"distributed, one server", natstest.Distributed, 1},
		{"current, three servers", natstest.Current, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := natstest.Start(t, test.bin(t), natstest.Options{Servers: test.servers})
			config := Config{URLs: c.URLs(), Name: "import", Replicas: test.servers}
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := Import(ctx, config, from.Export(), func(done Imported) {
				if done.Entries > 0 {
					cancel()
				}
			}); !errors.Is(err, context.Canceled) {
				t.Fatalf("interrupted: %v", err)
			}
			if _, err := Open(t.Context(), config); !errors.Is(err, errImporting) {
				t.Fatalf("Open of what was interrupted = %v", err)
			}
			if done, err := Import(t.Context(), config, from.Export(), noProgress); err != nil || !done.Again {
				t.Fatalf("again: %+v, %v", done, err)
			}
			l, err := Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			checkImported(t, from, l)
			if _, err := Import(t.Context(), config, from.Export(), noProgress); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("once more = %v, want ErrNotEmpty", err)
			}
		})
	}
}
