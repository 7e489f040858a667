package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

const sumsConfig = `
rules:
  - name: unread
    topic: app/{conversation_id}/unread
    when: not (payload.skip ?? false)
    dedupe: {key: payload.id, window: 10m}
    queue: /queue/unread-count
    fields: {conversation_id: =topic.conversation_id, unread_message_count: =payload.count}
  - name: everything
    topic: app/{conversation_id}/unread
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.conversation_id
      message: {id: '=uuid("message", payload.id)', content: =payload.text, delivery_state: DELIVERED, sender_type: app_user}
  - name: counts
    topic: app/{conversation_id}/count
    queue: /queue/unread-count
    fields: {conversation_id: =topic.conversation_id, unread_message_count: =payload}
  - name: addressed
    topic: app/{conversation_id}/batch
    each: payload.items
    audience: {users: =item.to}
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.conversation_id
      message: {id: '=uuid("message", item.id)', content: "", delivery_state: DELIVERED, sender_type: app_user}
`

// figures are the samples of a scrape, by name and labels as they stand there.
type figures map[string]float64

var seriesLine = regexp.MustCompile(`(?m)^mqtt_stomp_bridge_(\S+?(?:\{.*\})?) (\S+)$`)

func (r *running) figures() figures {
	r.t.Helper()
	f := figures{}
	for _, m := range seriesLine.FindAllStringSubmatch(bridgetest.Metrics(r.ops), -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			r.t.Fatalf("sample %q: %v", m[0], err)
		}
		f[m[1]] = n
	}
	return f
}

// outcomes are the samples of a counter with an outcome, by that, for one rule or queue.
func (f figures) outcomes(counter, label, value string) map[string]int {
	all := map[string]int{}
	for name, n := range f {
		labels, found := strings.CutPrefix(name, counter+`{outcome="`)
		if outcome, found2 := strings.CutSuffix(labels, fmt.Sprintf(`",%s=%q}`, label, value)); found && found2 {
			all[outcome] = int(n)
		}
	}
	return all
}

// publishLines publishes each line as an event of the topic, at QoS 1 on one connection.
func publishLines(t *testing.T, addr, topic string, lines []string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	c := exec.Command("mosquitto_pub", "-h", host, "-p", port, "-V", "5", "-q", "1", "-t", topic, "-l")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, out)
	}
}

// The figures of a bridge at work add up: every event has one outcome with each rule whose topic it
// matches, and every entry one with each subscription there was, whatever the clients do.
func TestSums(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_queued_messages 100000"}})
	s := startSidecar(t, sumsConfig, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr,
		"BRIDGE_SERVER_LIMITS_WRITE_TIMEOUT=1h") // two clients do not read for as long as all this takes

	const rounds, counted = 120, 1000
	text := strings.Repeat("x", 16<<10) // what the kernel holds for a client that does not read is less than all of it
	var events, counts, batches []string
	for i := range rounds {
		line := func(values map[string]any) {
			b, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, string(b))
		}
		line(map[string]any{"id": i, "count": i, "text": text})
		line(map[string]any{"id": i, "count": i, "text": text}) // for the rule unread the same again
		line(map[string]any{"id": i, "skip": true, "text": text})
		line(map[string]any{"id": -i - 1, "count": -1, "text": text}) // no count
		line(map[string]any{"id": nil, "count": 1})                   // no message
		events = append(events, "not JSON")
		batches = append(batches, fmt.Sprintf(`{"items":[{"id":%d,"to":"ann"},{"id":%[1]d,"to":"bob"},{"id":%[1]d}]}`, i))
	}
	for i := range counted {
		counts = append(counts, strconv.Itoa(i))
	}
	publishPhase := func() {
		publishLines(t, broker.Addr, "app/"+conversation+"/unread", events)
		publishLines(t, broker.Addr, "app/"+conversation+"/count", counts)
		publishLines(t, broker.Addr, "app/"+conversation+"/batch", batches)
	}
	acknowledged := func(phases int) func() bool {
		return func() bool {
			return s.figures()["mqtt_acks_total"] == float64(phases*(len(events)+len(counts)+len(batches)))
		}
	}
	sessions := func(n int) func() bool {
		return func() bool { return s.figures()["sessions"] == float64(n) }
	}

	queues := []string{"/queue/message", "/queue/unread-count"}
	ann, bob, slow, gone := s.dial("ann", queues...), s.dial("bob", queues...), s.dialSlowly("slow", queues...), s.dialSlowly("gone", queues...)
	annLeaves, bobLeaves := readOn(ann), readOn(bob)
	publishPhase()
	bridgetest.Eventually(t, "the first half to be acknowledged", acknowledged(1))
	bobLeaves() // who is there for half of it
	bridgetest.Eventually(t, "bob to be gone", sessions(3))
	half := s.figures()
	publishPhase()
	bridgetest.Eventually(t, "all to be acknowledged", acknowledged(2))
	f := s.figures()
	if f[`lag_entries{queue="/queue/unread-count"}`] < 1 || f["sessions_held_up"] != 2 {
		t.Errorf("two clients do not read, but the figures say %v", f)
	}
	slowLeaves := readOn(slow)
	for _, user := range []string{"ann", "slow"} {
		bridgetest.Eventually(t, user+" to have all", func() bool {
			all := s.sessions(user)
			if len(all) != 1 {
				t.Fatalf("%d sessions of %s, want 1", len(all), user)
			}
			return !slices.ContainsFunc(all[0].Subscriptions, func(x hub.Status) bool { return x.Waiting > 0 })
		})
	}
	annLeaves()
	slowLeaves()
	gone.Close()
	bridgetest.Eventually(t, "all to be gone", sessions(0))

	f = s.figures()
	const n = 2 * rounds
	for rule, want := range map[string]map[string]int{
		"unread":     {"mapped": rounds + n, "duplicate": rounds + n, "filtered": n, "rejected": 2 * n},
		"everything": {"mapped": 4 * n, "duplicate": 0, "filtered": 0, "rejected": 2 * n},
		"counts":     {"mapped": 2 * counted, "duplicate": 0, "filtered": 0, "rejected": 0},
		"addressed":  {"mapped": 2 * n, "duplicate": 0, "filtered": 0, "rejected": n},
	} {
		if diff := cmp.Diff(want, f.outcomes("rule_outcomes_total", "rule", rule)); diff != "" {
			t.Errorf("rule %s (-want +got):\n%s", rule, diff)
		}
	}
	if got, want := f[`dead_letters_total{outcome="published"}`], float64(5*n); got != want {
		t.Errorf("%v dead letters, want %v", got, want)
	}
	for _, queue := range queues {
		name := fmt.Sprintf("entries_total{queue=%q}", queue)
		got := f.outcomes("deliveries_total", "queue", queue)
		sum := got["delivered"] + got["conflated"] + got["not addressed"] + got["left behind"]
		if owed := 3*int(f[name]) + int(half[name]); sum != owed {
			t.Errorf("%s: %v entries, %d outcomes of %d: %v", queue, f[name], sum, owed, got)
		}
		t.Logf("%s: %v entries: %v", queue, f[name], got)
	}
	for series, want := range map[string]float64{
		`entries_total{queue="/queue/message"}`:      6 * n,
		`entries_total{queue="/queue/unread-count"}`: rounds + n + 2*counted,
		`lag_entries{queue="/queue/message"}`:        0,
		`sessions_held_up`:                           0,
		`events_total`:                               2 * (6*rounds + counted + rounds),
		`events_unmatched_total`:                     0,
	} {
		if f[series] != want {
			t.Errorf("%s is %v, want %v", series, f[series], want)
		}
	}
	for _, series := range []string{ // what happened at all
		`deliveries_total{outcome="left behind",queue="/queue/message"}`, `deliveries_total{outcome="not addressed",queue="/queue/message"}`,
		`deliveries_total{outcome="conflated",queue="/queue/unread-count"}`, "write_latency_seconds_count",
	} {
		if f[series] < 1 {
			t.Errorf("%s is %v", series, f[series])
		}
	}
}

// dialSlowly connects a client that reads nothing until it is asked for messages, with little room
// at its kernel.
func (r *running) dialSlowly(user string, queues ...string) *listen.Client {
	r.t.Helper()
	c, err := listen.Dial(r.t.Context(), listen.Config{URL: r.url(), Token: r.token(user), Queues: queues,
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				err = c.(*net.TCPConn).SetReadBuffer(128 << 10)
			}
			return c, err
		}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// readOn reads messages until leave, which disconnects.
func readOn(c *listen.Client) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.Next(ctx); err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		c.Close()
	}
}
