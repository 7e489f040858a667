package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, c *natstest.Cluster) (*nats.Conn, natsjs.JetStream) {
	t.Helper()
	nc, err := nats.Connect(c.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// TestRefused holds what is said of streams and servers that do not do, at once.
func TestRefused(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	_, js := connect(t, c)
	other := natsjs.StreamConfig{Name: "other-log", Subjects: []string{"other.>"}, MaxAge: time.Hour, MaxMsgs: 5, MaxBytes: 1000, DenyPurge: true}
	if _, err := js.CreateStream(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		config jetstream.Config
		want   string
	}{
		{"other settings", jetstream.Config{Name: "other", Replicas: 1}, `journal: the stream "other-log" has other settings than this bridge needs: ` +
			`subjects is [other.>], not [other.log]; discard is DiscardOld, not DiscardNew; max_bytes is 1000, not 872415232 or more; ` +
			`max_age is 1h0m0s, not 0s; max_msgs is 5, not unlimited; allow_direct is false, not true; deny_delete is false, not true; ` +
			`deny_purge is true, not false; republish is none, not other.log to other.tail; remove the stream, or give this bridge another name`},
		{"no cluster", jetstream.Config{Name: "three"}, "journal: NATS: nats: API error: code=500 err_code=10074 " +
			"description=replicas > 1 not supported in non-clustered mode; ask for 1 replica, or run a cluster of NATS servers"},
		{"a bad name", jetstream.Config{Name: "a.b"}, `journal: the name "a.b" may have letters, digits, - and _ only`},
		{"a bad id", jetstream.Config{ID: "a..b"}, `journal: the id "a..b" of this replica may have up to 253 letters, digits, - and _, and dots between them`},
		{"six replicas", jetstream.Config{Replicas: 6}, "journal: 6 replicas of the stream; NATS has 1 to 5"},
	} {
		test.config.URLs = c.URLs()
		if _, err := jetstream.Open(t.Context(), test.config); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n%v, want\n%s", test.name, err, test.want)
		}
	}
	if _, err := jetstream.Open(t.Context(), jetstream.Config{}); err == nil || err.Error() != "journal: no URL of a NATS server" {
		t.Errorf("no URL: %v", err)
	}
}

// TestWaitsForServers opens a log before there is a server.
func TestWaitsForServers(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	c.Servers[0].Kill()
	config := jetstream.Config{URLs: c.URLs(), Name: "late", Replicas: 1}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := jetstream.Open(ctx, config); !errors.Is(err, context.DeadlineExceeded) ||
		!strings.HasPrefix(err.Error(), `journal: waiting for the stream "late-log": context deadline exceeded`) {
		t.Errorf("Open without a server = %v", err)
	}
	opened := make(chan error)
	go func() {
		l, err := jetstream.Open(t.Context(), config)
		if err == nil {
			err = l.Close()
		}
		opened <- err
	}()
	c.Servers[0].Restart()
	if err := <-opened; err != nil {
		t.Errorf("Open with a server that comes later = %v", err)
	}
}

// TestLeaseOfTheGone takes over from those who hold the lease and are not there, or hang.
func TestLeaseOfTheGone(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	nc, js := connect(t, c)
	for _, test := range []struct {
		name string
		hold func(t *testing.T, subject string)
	}{
		{"its connection was gone before", func(*testing.T, string) {}},
		{"its connection goes", func(t *testing.T, subject string) {
			sub, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(nil) })
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(2*time.Second, func() { _ = sub.Unsubscribe() })
		}},
		{"it hangs", func(t *testing.T, subject string) {
			sub, err := nc.SubscribeSync(subject) // and nobody answers
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = sub.Unsubscribe() })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := fmt.Sprint("log", streams.Add(1))
			l := open(t, c, name, jetstream.Options{})
			defer l.Close()
			kv, err := js.KeyValue(t.Context(), name+"-lead")
			if err != nil {
				t.Fatal(err)
			}
			test.hold(t, name+".lead.other")
			value := fmt.Sprintf(`{"id":"other","ping":"%s.lead.other"}`, name)
			if _, err := kv.Create(t.Context(), "reader", []byte(value)); err != nil {
				t.Fatal(err)
			}
			w, err := l.Lead(t.Context())
			if err != nil {
				t.Fatalf("Lead: %v", err)
			}
			if entry, err := kv.Get(t.Context(), "reader"); err != nil || strings.Contains(string(entry.Value()), "other") {
				t.Errorf("the key is still %s, %v", entry.Value(), err)
			}
			w.Resign()
			bridgetest.Eventually(t, "the lease to be given up", func() bool {
				_, err := kv.Get(t.Context(), "reader")
				return errors.Is(err, natsjs.ErrKeyNotFound)
			})
		})
	}
}

// TestLeaseIsTaken has another one take the lease: the turn ends.
func TestLeaseIsTaken(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	_, js := connect(t, c)
	l := open(t, c, "taken", jetstream.Options{})
	defer l.Close()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "taken-lead")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "reader", []byte(`{"id":"other","ping":"taken.lead.other"}`)); err != nil {
		t.Fatal(err)
	}
	<-w.Done()
	if l.Err() != nil {
		t.Errorf("the log has ended: %v", l.Err())
	}
}

// TestServersGone kills servers under appends: who appends waits, and nothing is lost or there
// twice.
func TestServersGone(t *testing.T) {
	for _, test := range []struct {
		name string
		bin  func(testing.TB) string
		o    natstest.Options
		kill func(*testing.T, *natstest.Cluster, *jetstream.Log)
	}{
		{"all, and back again", natstest.Distributed, natstest.Options{}, func(t *testing.T, c *natstest.Cluster, l *jetstream.Log) {
			c.Servers[0].Kill()
			if _, err := l.Read(t.Context(), 0, 1); !errors.Is(err, journal.ErrAway) {
				t.Errorf("Read without servers = %v, want ErrAway", err)
			}
			c.Servers[0].Restart()
		}},
		{"the one that leads of three", natstest.Current, natstest.Options{Servers: 3}, func(t *testing.T, c *natstest.Cluster, _ *jetstream.Log) {
			_, js := connect(t, c)
			s, err := js.Stream(t.Context(), "gone-log")
			if err != nil {
				t.Fatal(err)
			}
			c.Servers[s.CachedInfo().Cluster.Leader[1]-'0'].Kill() // named n and its number
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := natstest.Start(t, test.bin(t), test.o)
			l := open(t, c, "gone", jetstream.Options{Cache: 1})
			defer l.Close()
			w, err := l.Lead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			const batches = 300
			reached, done := make(chan struct{}), make(chan error, 1)
			slowest := time.Duration(0)
			go func() {
				done <- func() error {
					for n := range batches {
						if n == batches/3 {
							close(reached)
						}
						began := time.Now()
						if err := w.Append(t.Context(), numbered(n)); err != nil {
							return fmt.Errorf("batch %d: %w", n, err)
						}
						slowest = max(slowest, time.Since(began))
					}
					return nil
				}()
			}()
			<-reached
			test.kill(t, c, l)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			t.Logf("the slowest append took %v", slowest)
			checkNumbered(t, l, batches)
		})
	}
}

func numbered(n int) journal.Batch {
	return journal.Batch{Entries: []journal.Entry{{Queue: "/queue/a", Body: fmt.Append(nil, n)}}}
}

func checkNumbered(t *testing.T, l *jetstream.Log, n int) {
	t.Helper()
	page, err := l.Read(t.Context(), 0, 2*n)
	if err != nil || len(page) != n {
		t.Fatalf("the log has %d entries, %v; want %d", len(page), err, n)
	}
	for i, e := range page {
		if string(e.Body) != fmt.Sprint(i) {
			t.Fatalf("entry %d is %s", i, e.Body)
		}
	}
}

// TestFullStream appends where the stream has no room: it is given back what is needed no more.
func TestFullStream(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	l := open(t, c, "full", jetstream.WithSlack(jetstream.Options{MaxBytes: 1}, 1))
	defer l.Close()
	_, js := connect(t, c)
	s, err := js.Stream(t.Context(), "full-log")
	if err != nil {
		t.Fatal(err)
	}
	small := s.CachedInfo().Config
	small.MaxBytes = 10 << 20
	if _, err := js.UpdateStream(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const batches = 6
	body, full := make([]byte, 4<<20), 0
	for range batches {
		b := journal.Batch{Entries: []journal.Entry{{Queue: "/queue/a", Body: body}}}
		bridgetest.Eventually(t, "room in the stream", func() bool {
			err := w.Append(t.Context(), b)
			if errors.Is(err, journal.ErrFull) {
				full++
			} else if err != nil {
				t.Fatalf("Append: %v", err)
			}
			return err == nil
		})
	}
	if b := l.Bounds(); full == 0 || b.Last != batches {
		t.Errorf("%d times there was no room, %v", full, b)
	}
}

// TestPurge takes away what is before a sequence and nothing else: to nats-server 2.9 purging before
// the first one meant everything.
func TestPurge(t *testing.T) {
	for _, test := range []struct {
		name string
		bin  func(testing.TB) string
	}{{"distributed", natstest.Distributed}, {"current", natstest.Current}} {
		t.Run(test.name, func(t *testing.T) {
			c := natstest.Start(t, test.bin(t), natstest.Options{})
			l := open(t, c, "purged", jetstream.Options{})
			defer l.Close()
			w, err := l.Lead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			const last = 10
			for n := range last - 1 { // and the one that the turn begins with
				if err := w.Append(t.Context(), numbered(n)); err != nil {
					t.Fatal(err)
				}
			}
			_, js := connect(t, c)
			s, err := js.Stream(t.Context(), "purged-log")
			if err != nil {
				t.Fatal(err)
			}
			first := uint64(1)
			for _, before := range []uint64{0, 1, 2, 5, 1} {
				first = max(first, before)
				if err := l.Purge(t.Context(), before); err != nil {
					t.Fatalf("purging before %d: %v", before, err)
				}
				info, err := s.Info(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if info.State.FirstSeq != first || info.State.LastSeq != last {
					t.Errorf("purged before %d, the stream has %d to %d, want %d to %d", before, info.State.FirstSeq, info.State.LastSeq, first, last)
				}
			}
		})
	}
}
