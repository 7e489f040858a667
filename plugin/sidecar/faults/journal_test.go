package faults_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A journal that is not what was written: the bridge says what to do and ends with code 1. It
// neither delivers from it nor puts an empty one in its place; when the file is restored it goes on
// as if nothing had been.
func TestJournalDamaged(t *testing.T) {
	s := start(t, options{})
	for _, damage := range []struct {
		name string
		do   func(file []byte) []byte
	}{
		{"a byte of an entry flipped", flip},
		{"cut in half", func(file []byte) []byte { return file[:len(bytes.TrimRight(file, "\x00"))/2] }}, // it ends in room for more
		{"cut to a part of a page", func(file []byte) []byte { return file[:1000] }},
		{"empty", func([]byte) []byte { return nil }},
		{"another file", func([]byte) []byte { return bytes.Repeat([]byte("This is not a journal.\n"), 1000) }},
	} {
		s.load()
		s.bridge.process.Stop()
		file := filepath.Join(s.bridge.dir, "journal.db")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damaged := damage.do(bytes.Clone(whole))
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, s.bridge, damage.name, "journal.dir: ", "damaged", "restore the file, or move it away")
		if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, damaged) {
			t.Errorf("%s: the bridge has changed the file: %d bytes, %v", damage.name, len(left), err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s.bridge.start()
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("journal: 5 x damaged, refused, restored").exact()
}

// Moving a damaged journal away is what the refusal advises. Then every client is told, for each
// queue, that it missed something.
func TestJournalMovedAway(t *testing.T) {
	s := start(t, options{})
	s.load()
	s.bridge.process.Stop()
	file := filepath.Join(s.bridge.dir, "journal.db")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	s.again(s.bridge.start)
	s.flow()
	s.settle()
	v := newVerdict(t, "journal: moved away", s.events, onDisk(t, s.bridge.dir))
	for i, c := range s.clients {
		v.clients++
		v.resumes += c.connections - 1
		v.gaps += c.gaps
		if want := 2 * len(queues); c.gaps < want { // on the RECEIPT and on the next MESSAGE
			t.Errorf("client %d was told of the gap %d times, want %d", i, c.gaps, want)
		}
	}
	v.note = "journalled: what the new one has"
	results.add(v.row)
}

// A copy of the journal takes its place after it was run on. Every client has seen what the copy
// does not hold, and the copy gives its positions out again: each queue says gap, once, also to a
// client that comes when the copy is longer than what it has seen, and no message has the name of
// another.
func TestJournalRestored(t *testing.T) {
	s := start(t, options{clients: 3})
	s.load()
	s.bridge.process.Stop()
	file := filepath.Join(s.bridge.dir, "journal.db")
	copied, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.again(s.bridge.start) // a clean restart: everybody resumes
	s.load()
	s.again(func() { // and so after a kill
		s.bridge.process.End(syscall.SIGKILL)
		s.bridge.start()
	})
	s.load()
	s.all("to be told of no gap", func(c *subscriber) bool { return c.told() == 0 })

	away := s.clients[2]
	away.stop()
	s.clients = s.clients[:2]
	s.bridge.process.Stop()
	if err := os.WriteFile(file, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	s.again(s.bridge.start)
	s.all("to be as far as the one that is away", func(c *subscriber) bool {
		return c.told() > 0 && slices.Min(c.positions()) > slices.Max(away.positions())
	})
	s.clients = append(s.clients, away)
	away.start()
	want := 2 * len(queues) // on the RECEIPT and on the next MESSAGE
	s.all("to be told of the gap", func(c *subscriber) bool { return c.told() >= want })
	from := s.restarted()
	s.again(func() {
		s.bridge.process.Stop()
		s.bridge.start()
	})
	s.load()
	s.settle()
	v := newVerdict(t, "journal: an older copy restored", s.events, onDisk(t, s.bridge.dir))
	for i, c := range s.clients {
		v.clients++
		v.resumes += c.connections - 1
		v.gaps += c.gaps
		if c.gaps != want {
			t.Errorf("client %d was told of the gap %d times, want %d", i, c.gaps, want)
		}
		for _, q := range c.streams {
			q.namesOnce(t)
		}
	}
	v.note = "journalled: what the copy has"
	for _, n := range v.lost {
		if n >= from {
			t.Errorf("event %d was acknowledged and is not in the journal", n)
		}
	}
	results.add(v.row)
}

// namesOnce checks that no message came under the message-id of another.
func (s *stream) namesOnce(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for i, p := range s.positions {
		id := fmt.Sprintf("%s-%d", s.epochs[i], p)
		if seen[id] {
			t.Fatalf("%s: two messages are called %s", s.queue, id)
		}
		seen[id] = true
	}
}

// The file is removed under a running bridge, which would write on into what nobody can open again.
// It ends with code 1 and says why. Started again it begins an empty journal, and clients are told
// of the gap.
func TestJournalRemoved(t *testing.T) {
	s := start(t, options{clients: 3})
	s.load()
	file := filepath.Join(s.bridge.dir, "journal.db")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if code := s.bridge.process.Wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if last := s.bridge.process.Log.Tail(1); !strings.Contains(last, file) || !strings.Contains(last, "removed, renamed or replaced") {
		t.Errorf("the last line says: %s", last)
	}
	if traces := s.bridge.process.Log.Lines("goroutine "); len(traces) > 0 {
		t.Errorf("goroutines are traced: %s", traces)
	}
	s.again(s.bridge.start)
	from := s.restarted()
	s.all("to be told of the gap", func(c *subscriber) bool { return c.told() == 2*len(queues) })
	s.settle()
	v := newVerdict(t, "journal: the file removed", s.events, onDisk(t, s.bridge.dir))
	for _, c := range s.clients {
		v.clients++
		v.resumes += c.connections - 1
		v.gaps += c.gaps
	}
	for _, n := range v.lost {
		if n >= from {
			t.Errorf("event %d was acknowledged and is not in the journal", n)
		}
	}
	v.note = "journalled: what the new one has"
	results.add(v.row)
}

// Another program writes into the file of a running bridge. It ends with code 1 and a message, not
// with a trace of what it was doing, and does not start again on what is left.
func TestJournalDamagedWhileOpen(t *testing.T) {
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(i * i)
	}
	for _, damage := range []struct {
		name string
		at   int64
		with []byte
	}{
		{"its head", 0, make([]byte, 8192)},
		{"all pages but the head: zeros", 8192, make([]byte, 1<<20)},
		{"all pages but the head: noise", 8192, bytes.Repeat(noise, 256)},
	} {
		t.Run(damage.name, func(t *testing.T) {
			s := start(t, options{clients: 1})
			f, err := os.OpenFile(filepath.Join(s.bridge.dir, "journal.db"), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			// Again and again: a commit under way may write whole over what has just been damaged.
			done := make(chan struct{})
			var writing sync.WaitGroup
			writing.Go(func() {
				for ended := false; !ended; {
					select {
					case <-done: // and once more, so that the file is found damaged
						ended = true
					case <-time.After(20 * time.Millisecond):
					}
					if _, err := f.WriteAt(damage.with, damage.at); err != nil {
						t.Error(err)
						return
					}
				}
			})
			code := s.bridge.process.Wait()
			close(done)
			writing.Wait()
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			if last := s.bridge.process.Log.Tail(1); !strings.Contains(last, "damaged") {
				t.Errorf("the last line says: %s", last)
			}
			if traces := s.bridge.process.Log.Lines("goroutine "); len(traces) > 0 {
				t.Errorf("goroutines are traced: %s", traces)
			}
			refuses(t, s.bridge, "started again", "journal.dir: ", "damaged", "restore the file, or move it away")
		})
	}
}

// A second bridge on the same directory ends, and the first goes on.
func TestJournalInUse(t *testing.T) {
	s := start(t, options{clients: 1})
	second := newBridge(t, s.broker.Addr, s.bridge.dir)
	refuses(t, second, "in use", "journal.dir: ", "in use by another process")
	s.flow()
	s.finish("journal: in use by a second bridge").exact()
}

// refuses starts the bridge, which must end with code 1 and a line that has the words.
func refuses(t *testing.T, b *bridge, name string, words ...string) {
	t.Helper()
	b.start()
	if code := b.process.Wait(); code != 1 {
		t.Errorf("%s: exit code %d", name, code)
	}
	for _, w := range words {
		if last := b.process.Log.Tail(1); !strings.Contains(last, w) {
			t.Errorf("%s: no %q in the last line: %s", name, w, last)
		}
	}
}

// flip changes one bit of every copy of the text that begins some entry: those in free pages do not
// count.
func flip(file []byte) []byte {
	text := []byte("n=7 worker=")
	for at := 0; ; at += len(text) {
		i := bytes.Index(file[at:], text)
		if i < 0 {
			return file
		}
		at += i
		file[at] ^= 1
	}
}
