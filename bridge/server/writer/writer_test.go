package writer_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

// Answers that come while a write waits go out before the entries that came before them.
func TestAnswersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits, 0, journal.MemoryOptions{})
		w, conn := b.pipe(nil)
		subscribe(w, "a", "subscribed\n")
		synctest.Wait() // that is on its way from here on
		b.publish("1")
		b.publish("2")
		say(w, "answer\n")
		synctest.Wait()
		if s := w.Status(); !s.HeldUp || s.AnswerBytes != len("answer\n") || s.Subscriptions[0].Waiting != 2 {
			t.Errorf("status %+v while the peer does not read", s)
		}
		newPeer(t, conn).want("subscribed", "answer", "a 1", "a 2")
		synctest.Wait()
		if s := w.Status(); s.HeldUp || s.AnswerBytes != 0 || s.Subscriptions[0].Waiting != 0 {
			t.Errorf("status %+v after the peer has read", s)
		}
	})
}

// Update blocks while too many answers wait. Reply drops what is too much, Adjust does what it is
// told, and neither blocks.
func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits, 0, journal.MemoryOptions{})
		w, conn := b.pipe(nil)
		say(w, "on its way\n")
		synctest.Wait()
		long := strings.Repeat("x", limits.AnswerBytes)
		say(w, long+"\n")
		done := false
		go func() {
			say(w, "one too many\n")
			done = true
		}()
		w.Reply([]byte("pong\n"))
		adjusted := false
		w.Adjust(func(*hub.Feed) { adjusted = true })
		synctest.Wait()
		if done || !adjusted {
			t.Errorf("Update returned: %v, want it to wait; Adjust called its function: %v", done, adjusted)
		}
		newPeer(t, conn).want("on its way", long, "one too many")
		synctest.Wait()
		if !done {
			t.Error("Update did not return after the peer had read")
		}
	})
}

// The end lets go of an Update that waits, which then does nothing.
func TestEndFreesUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits, 0, journal.MemoryOptions{})
		w, conn := b.pipe(nil)
		say(w, "on its way\n")
		synctest.Wait()
		long := strings.Repeat("x", limits.AnswerBytes)
		say(w, long+"\n")
		go w.Update(func(*hub.Feed, []byte) []byte {
			t.Error("Update called its function after the end")
			return nil
		})
		synctest.Wait()
		w.End(func(*hub.Feed) []byte { return []byte("last\n") })
		w.End(func(*hub.Feed) []byte { return []byte("second end\n") })
		w.Reply([]byte("pong\n"))
		p := newPeer(t, conn)
		p.want("on its way", long, "last")
		if rest, err := io.ReadAll(p); len(rest) > 0 || err != nil {
			t.Errorf("after the last bytes came %q, %v", rest, err)
		}
		if err := w.Err(); err != nil {
			t.Errorf("Err is %v", err)
		}
	})
}

// A write to a peer that does not read fails after its timeout, at the end after a much shorter
// one.
func TestWriteTimeout(t *testing.T) {
	for name, test := range map[string]struct {
		end  bool
		want time.Duration
	}{
		"in between": {false, limits.WriteTimeout},
		"at the end": {true, 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, limits, 0, journal.MemoryOptions{})
				w, conn := b.pipe(nil)
				began := time.Now()
				say(w, "on its way\n")
				if test.end {
					w.End(func(*hub.Feed) []byte { return []byte("last\n") })
				}
				w.Await()
				var timeout net.Error
				if err := w.Err(); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(began) != test.want {
					t.Errorf("after %v: %v, want a timeout after %v", time.Since(began), err, test.want)
				}
				if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the peer's connection is open: %v", err)
				}
			})
		})
	}
}

// What fails a feed ends its Writer, which tells the peer where it stands.
func TestFeedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits, 2, journal.MemoryOptions{MaxBytes: 1000})
		var w *writer.Writer
		var failure error
		w, conn := b.pipe(func(err error) {
			failure = err
			w.End(func(feed *hub.Feed) []byte { return fmt.Appendf(nil, "failed at %d\n", feed.Position()) })
		})
		subscribe(w, "a", "")
		for i := range 20 {
			b.publish(fmt.Sprint(i, strings.Repeat("x", 100)))
			synctest.Wait() // the first is on its way from here on
		}
		newPeer(t, conn).want("a 0"+strings.Repeat("x", 100), "failed at 1")
		if !errors.Is(failure, hub.ErrBehind) {
			t.Errorf("failed with %v, want %v", failure, hub.ErrBehind)
		}
	})
}

// Beats come at their interval, but not behind a write that waits, and not after the end.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, limits, 0, journal.MemoryOptions{})
		w, conn := b.pipe(nil)
		p := newPeer(t, conn)
		began := time.Now()
		w.KeepAlive([]byte("beat\n"), time.Second)
		p.want("beat", "beat")
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("two beats took %v", d)
		}
		say(w, "on its way\n")
		time.Sleep(3500 * time.Millisecond)
		say(w, "answer\n")
		p.want("on its way", "answer", "beat")
		if d := time.Since(began); d != 6*time.Second {
			t.Errorf("the third beat came after %v", d)
		}
		w.End(func(*hub.Feed) []byte { return []byte("last\n") })
		if rest, err := io.ReadAll(p); string(rest) != "last\n" || err != nil {
			t.Errorf("at the end came %q, %v", rest, err)
		}
	})
}
