package bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// A replica is a bridge over a log that it shares, and what it has followed there.
type replica struct {
	*bridge.Bridge
	end   context.CancelFunc
	ended <-chan error

	mu     sync.Mutex
	bodies []string
}

func startReplica(t *testing.T, id string, broker *mosquittotest.Broker, servers *natstest.Cluster) *replica {
	t.Helper()
	log, err := jetstream.Open(t.Context(), jetstream.Config{URLs: servers.URLs(), Name: "bridge", ID: id, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{}
	log.Follow(func(entries []journal.Entry) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range entries {
			r.bodies = append(r.bodies, string(e.Body))
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	report := new(source.Report)
	rules := mapping.ParseSource("rules.yaml", []byte(`rules:
  - name: count
    topic: n
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =payload}
`), report)
	b, err := bridge.New(bridge.Config{
		MQTT:     mqtt.Config{URLs: []*url.URL{broker.URL("mqtt")}, ClientID: "replicas"},
		Log:      log,
		Server:   server.Config{Policy: server.Policy{Auth: auth.Anonymous{}}},
		Listener: l,
		Mapper:   mapping.Compile([]mapping.Source{rules}, mapping.Options{}, report),

		TrailBytes: 1 << 20,
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Bridge = b
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	r.end, r.ended = end, ended
	return r
}

func (r *replica) followed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies[:len(r.bodies):len(r.bodies)]
}

var count = regexp.MustCompile(`"unread_message_count":(\d+)`)

// Two replicas take turns at the broker while events come: by the lease being taken from one, which
// ends its turn and not the process, and by the end of one. Both have every event, once and in
// order.
func TestReplicasTakeTurns(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_queued_messages 0"}})
	servers := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	first := startReplica(t, "first", broker, servers)
	bridgetest.Eventually(t, "the first to lead", func() bool { return first.Standing().Leads && len(first.Troubles()) == 0 })
	second := startReplica(t, "second", broker, servers)

	publish := exec.Command(mosquittotest.Look(t, "mosquitto_pub"), "-l", "-q", "1", "-t", "n", "-h", "127.0.0.1", "-p", broker.URL("mqtt").Port())
	lines, err := publish.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := publish.Start(); err != nil {
		t.Fatal(err)
	}
	const rounds, events = 4, 300
	for round := range rounds {
		writeEvents(t, lines, round*events, events/2)
		taken := func() {}
		switch round {
		case 0, 1:
			taken = takeLease(t, servers)
		case 2:
			first.end()
			if err := <-first.ended; err != nil {
				t.Errorf("the first has ended: %v", err)
			}
		}
		writeEvents(t, lines, round*events+events/2, events/2)
		taken()
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if err := publish.Wait(); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "all events at the second", func() bool { return len(second.followed()) >= rounds*events })
	second.end()
	if err := <-second.ended; err != nil {
		t.Errorf("the second has ended: %v", err)
	}
	for i, body := range second.followed() {
		if m := count.FindStringSubmatch(body); m == nil || m[1] != fmt.Sprint(i) {
			t.Fatalf("event %d of %d is %s", i, len(second.followed()), body)
		}
	}
	for i, body := range first.followed() {
		if body != second.followed()[i] {
			t.Fatalf("entry %d is %s at the first, and %s at the second", i, body, second.followed()[i])
		}
	}
}

// writeEvents has events published with the numbers from first on, a few at a time.
func writeEvents(t *testing.T, lines io.Writer, first, n int) {
	t.Helper()
	w := bufio.NewWriter(lines)
	for i := range n {
		fmt.Fprintln(w, first+i)
		if i%10 == 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // so that they do not come all in one batch
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// takeLease takes the lease from who has it, in the name of one that is gone. What it returns waits
// until somebody else has it.
func takeLease(t *testing.T, servers *natstest.Cluster) func() {
	t.Helper()
	const key, nobody = "reader", `{"id":"nobody","ping":"bridge.lead.nobody"}`
	nc, err := nats.Connect(servers.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "bridge-lead")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), key, []byte(nobody)); err != nil {
		t.Fatal(err)
	}
	return func() {
		defer nc.Close()
		bridgetest.Eventually(t, "the lease to be taken over", func() bool {
			entry, err := kv.Get(t.Context(), key)
			return err == nil && string(entry.Value()) != nobody
		})
	}
}
