package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
)

// replicaOptions are those of a replica that tells of a configuration.
func replicaOptions(id, config string) Options {
	return Options{id: id, tell: func() journal.Replica {
		return journal.Replica{Config: config, ClientID: "bridge", BaseTopic: "mqtt-stomp-bridge"}
	}}
}

func ids(l *Log) (all []string) {
	for _, r := range l.Standing().Replicas {
		all = append(all, r.ID)
	}
	return all
}

// TestPresence has replicas come and go: each knows of all that are there, and who leads.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := newStream()
		a := mustOpen(t, &memoryStore{stream: stream}, replicaOptions("a", "1"))
		defer a.Close()
		b := mustOpen(t, &memoryStore{stream: stream}, replicaOptions("b", "1"))
		w, err := b.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), numbered(0)); err != nil {
			t.Fatal(err)
		}
		hung := mustOpen(t, &deafStore{memoryStore{stream: stream}}, replicaOptions("hung", "1"))
		defer hung.Close()
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b", "hung"}, ids(a)); diff != "" {
			t.Errorf("present (-want +got):\n%s", diff)
		}
		if s := a.Standing(); s.Leader != "b" || s.Leads || s.Conflict != nil {
			t.Errorf("while another one leads: %+v", s)
		}
		if s := hung.Standing(); s.Leader != "b" {
			t.Errorf("of one that has come later: %+v", s)
		}

		time.Sleep(absentAfter + time.Second)
		if diff := cmp.Diff([]string{"a", "b"}, ids(a)); diff != "" {
			t.Errorf("without the one that has told nothing since (-want +got):\n%s", diff)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a"}, ids(a)); diff != "" {
			t.Errorf("after a goodbye (-want +got):\n%s", diff)
		}
		if s := a.Standing(); s.Leader != "" {
			t.Errorf("when nobody leads: %+v", s)
		}
	})
}

// A deafStore announces nothing but itself, once.
type deafStore struct{ memoryStore }

func (s *deafStore) meet(ctx context.Context, r *roster) (leave func(), err error) {
	leave, err = s.memoryStore.meet(ctx, r)
	s.memoryStore.announce(r.me())
	return leave, err
}

func (*deafStore) announce(announcement) {}

// TestConflicts opens logs beside replicas that they do not go together with.
func TestConflicts(t *testing.T) {
	began := time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
	other := journal.Replica{ID: "a", ClientID: "bridge", BaseTopic: "base", Began: began}
	for _, test := range []struct {
		name string
		me   journal.Replica
		want string
	}{
		{"none", journal.Replica{ID: "b", ClientID: "bridge", BaseTopic: "base"}, ""},
		{"one that tells nothing", journal.Replica{ID: "b"}, ""},
		{"the same id", journal.Replica{ID: "a", ClientID: "bridge", BaseTopic: "base"},
			`journal: another replica has the id "a", since 2026-12-01T07:00:00Z; set journal.nats.id to another one at each replica`},
		{"another session and another topic", journal.Replica{ID: "b", ClientID: "x", BaseTopic: "y"},
			"journal: broker.client_id is \"x\" here, and \"bridge\" at the replica \"a\"; it must be the same at all replicas\n" +
				"journal: broker.base_topic is \"y\" here, and \"base\" at the replica \"a\"; it must be the same at all replicas"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stream := newStream()
			first := newRoster(func() journal.Replica { return other }, slog.New(slog.DiscardHandler))
			if _, err := (&memoryStore{stream: stream}).meet(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			l, err := open(t.Context(), &memoryStore{stream: stream}, Options{id: test.me.ID, tell: func() journal.Replica { return test.me }})
			if err == nil {
				_ = l.Close()
			}
			if got := errorText(err); got != test.want {
				t.Errorf("open:\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestConflictLater has two replicas begin without hearing of each other: once they do, the one that
// came later leads no more, and both say why.
func TestConflictLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := newStream()
		var said bridgetest.Buffer
		o := replicaOptions("same", "1")
		o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		first := mustOpen(t, &memoryStore{stream: stream}, o)
		defer first.Close()
		stream.mu.Lock()
		clear(stream.rosters) // the first hears nothing, and is not asked
		stream.mu.Unlock()
		time.Sleep(time.Second)
		second := mustOpen(t, &memoryStore{stream: stream}, o)
		defer second.Close()
		w, err := second.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stream.mu.Lock()
		stream.rosters[first.roster] = true
		stream.mu.Unlock()
		<-w.Done()

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := second.Lead(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lead of the one that came later: %v", err)
		}
		const want = `another replica has the id \"same\"`
		if s := second.Standing(); s.Conflict == nil || strings.Count(said.String(), want) != 2 {
			t.Errorf("of the one that came later: %v; the log of both has\n%s", s.Conflict, said.String())
		}
		if w, err = first.Lead(t.Context()); err != nil {
			t.Fatalf("Lead of the one that came first: %v", err)
		}
		time.Sleep(time.Minute)
		if w.(*writer).over() {
			t.Error("the one that came first leads no more")
		}
	})
}

// TestPreference has a replica with a new configuration wait for those that have the one of who led.
func TestPreference(t *testing.T) {
	for _, test := range []struct {
		name         string
		others, mine string
		want         time.Duration
	}{
		{"the same configuration", "1", "1", 0},
		{"another one, and somebody else has that of who led", "1", "2", preferFor},
		{"another one, which is all there is", "2", "2", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newStream()
				led := mustOpen(t, &memoryStore{stream: stream}, replicaOptions("led", "1"))
				other := mustOpen(t, &memoryStore{stream: stream}, replicaOptions("other", test.others))
				defer other.Close()
				l := mustOpen(t, &memoryStore{stream: stream}, replicaOptions("mine", test.mine))
				defer l.Close()
				if _, err := led.Lead(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				time.Sleep(announceEvery)
				if err := led.Close(); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if _, err := l.Lead(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < test.want || took > test.want+standbyLook {
					t.Errorf("took the lease after %v, want %v", took, test.want)
				}
			})
		})
	}
}
