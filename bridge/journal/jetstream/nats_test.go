package jetstream_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/journal/journaltest"
)

// TestNATS runs the suite of a log on real servers.
func TestNATS(t *testing.T) {
	for _, test := range []struct {
		name    string
		bin     func(testing.TB) string
		servers int
	}{
		{"distributed, one server", natstest.Distributed, 1},
		{"current, one server", natstest.Current, 1},
		{"current, three servers", natstest.Current, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := natstest.Start(t, test.bin(t), natstest.Options{Servers: test.servers})
			open := opener(c)
			t.Run("log", func(t *testing.T) { journaltest.Run(t, open) })
			t.Run("durable", func(t *testing.T) { journaltest.RunDurable(t, open) })
			t.Run("replicas", func(t *testing.T) { journaltest.RunReplicas(t, open) })
		})
	}
}

// streams counts the streams of all tests. Each has a new name: none is deleted.
var streams atomic.Int64

// replicas counts the logs that are opened. Each has a new ID.
var replicas atomic.Int64

// opener opens logs on the servers; those of one test are there again when they are opened again.
func opener(c *natstest.Cluster) journaltest.Opener {
	type key struct {
		test *testing.T
		log  string
	}
	var mu sync.Mutex
	names := map[key]string{}
	return func(t *testing.T, log string, o journaltest.Options) journal.Log {
		t.Helper()
		mu.Lock()
		name := names[key{t, log}]
		if name == "" {
			name = fmt.Sprint("log", streams.Add(1))
			names[key{t, log}] = name
		}
		mu.Unlock()
		return open(t, c, name, jetstream.WithSlack(jetstream.Options{MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, Latest: o.Latest, Now: o.Now}, 1<<10))
	}
}

func open(t testing.TB, c *natstest.Cluster, name string, o jetstream.Options) *jetstream.Log {
	t.Helper()
	l, err := jetstream.Open(t.Context(), jetstream.Config{URLs: c.URLs(), Name: name, ID: fmt.Sprint("replica", replicas.Add(1)), Replicas: len(c.Servers), Options: o})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l
}
