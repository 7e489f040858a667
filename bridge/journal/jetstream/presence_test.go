package jetstream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// TestPresenceOnServers has replicas know of each other by real servers, wherever they are connected.
func TestPresenceOnServers(t *testing.T) {
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
			nc, _ := connect(t, c)
			config := func(id string, server int) jetstream.Config {
				return jetstream.Config{
					URLs: c.URLs()[server : server+1], Name: "present", ID: id, Replicas: test.servers,
					Tell: func() journal.Replica { return journal.Replica{Version: "1.2", ClientID: "bridge", Sessions: 3} },
				}
			}
			open := func(c jetstream.Config) *jetstream.Log {
				t.Helper()
				l, err := jetstream.Open(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
				return l
			}
			a := open(config("a.example", 0))
			if _, err := a.Lead(t.Context()); err != nil {
				t.Fatal(err)
			}
			b := open(config("b", test.servers-1))
			bridgetest.Eventually(t, "both to know who is there and leads", func() bool {
				sa, sb := a.Standing(), b.Standing()
				return len(sa.Replicas) == 2 && len(sb.Replicas) == 2 && sa.Leader == "a.example" && sb.Leader == "a.example"
			})
			got := b.Standing().Replicas[0]
			want := journal.Replica{ID: "a.example", Version: "1.2", Formats: []int{1}, ClientID: "bridge", Leads: true, Term: 1, Sessions: 3, Began: got.Began, Seen: got.Seen}
			if diff := cmp.Diff(want, got); diff != "" || time.Since(got.Seen) > time.Minute {
				t.Errorf("what one tells of itself, as another one hears it (-want +got):\n%s", diff)
			}

			if _, err := jetstream.Open(t.Context(), config("b", 0)); err == nil || !strings.Contains(err.Error(), `another replica has the id "b"`) {
				t.Errorf("Open with the id of another one = %v", err)
			}
			other := config("c", 0)
			other.Tell = func() journal.Replica { return journal.Replica{ClientID: "other"} }
			if _, err := jetstream.Open(t.Context(), other); err == nil || !strings.Contains(err.Error(), `broker.client_id is "other" here, and "bridge" at the replica`) {
				t.Errorf("Open with another session at the broker = %v", err)
			}

			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			bridgetest.Eventually(t, "the goodbye to be heard", func() bool { return len(a.Standing().Replicas) == 1 })
			open(config("b", 0)) // again, at once

			hung, err := nc.SubscribeSync("present.replica.d")
			if err != nil {
				t.Fatal(err)
			}
			open(config("d", 0))
			if n, _, _ := hung.Pending(); n == 0 {
				t.Error("the one with the same id was not asked")
			}
		})
	}
}

// TestAnnouncementsOfOthers gives a replica announcements that it cannot read.
func TestAnnouncementsOfOthers(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	nc, _ := connect(t, c)
	l := open(t, c, "noise", jetstream.Options{})
	defer l.Close()
	for _, data := range []string{"", "no JSON", `{"id":7}`, `{"id":"x","instance":"y","later":[1],"began":"2026-12-01T07:00:00Z"}`} {
		if err := nc.Publish("noise.replicas", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	bridgetest.Eventually(t, "the one that can be read", func() bool { return len(l.Standing().Replicas) == 2 })
	answer, err := nc.Request("noise.replicas", nil, nats.DefaultTimeout)
	if err != nil || !strings.Contains(string(answer.Data), fmt.Sprintf(`"id":%q`, l.Standing().ID)) {
		t.Errorf("the answer to a question is %v, %v", answer, err)
	}
}

// TestPreferenceOnServers has the one with a new configuration leave the lease for a while to the one
// with that of who led, which does not want it.
func TestPreferenceOnServers(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	open := func(id, hash string) *jetstream.Log {
		t.Helper()
		l, err := jetstream.Open(t.Context(), jetstream.Config{
			URLs: c.URLs(), Name: "preferred", ID: id, Replicas: 1,
			Tell: func() journal.Replica { return journal.Replica{Config: hash} },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	led, newer := open("led", "1"), open("newer", "2")
	open("idle", "1")
	w, err := led.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "the others to know who leads", func() bool { return newer.Standing().Leader == "led" && len(newer.Standing().Replicas) == 3 })
	w.Resign()
	began := time.Now()
	if _, err := newer.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("took the lease after %v, before the others had 2 s", took)
	}
}
