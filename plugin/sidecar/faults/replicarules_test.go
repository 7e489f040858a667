package faults_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A reader that cannot reach the broker leaves it to one that can.
func readerWithoutBroker(t *testing.T, servers *natstest.Cluster) {
	f := startFleet(t, servers, setup{options: options{mqtt: true, environ: hasty}})
	f.load()
	dial := f.dials[slices.Index(f.replicas, f.reader())]
	f.handOver(dial.blackhole)
	dial.heal()
	f.load()
	f.finish("replicas, reader: cut off from mosquitto").exact()
	f.within(45 * time.Second)
}

// A killed Mosquitto loses what it has not saved, see TestBrokerKilled. Everything that it takes
// after its last restart must arrive, from whichever replica.
func mosquittoKilled(t *testing.T, servers *natstest.Cluster) {
	f := startFleet(t, servers, setup{options: options{rate: 200}})
	f.save() // or the first kill would take the whole session
	for range 2 {
		f.load()
		before := f.sessions()
		f.during(func() {
			f.broker.Kill()
			f.broker.Restart()
			bridgetest.Eventually(t, "the reader to connect again", func() bool { return f.sessions() > before })
		})
	}
	from := f.restarted()
	f.finish("replicas, mosquitto: 2 x SIGKILL").complete(from)
}

// What the rules of one replica remember, the next one goes on with.
func counting(t *testing.T, servers *natstest.Cluster) {
	rounds := 3
	if long() {
		rounds = 10
	}
	f := startFleet(t, servers, setup{options: options{rules: countingRules}})
	for range rounds {
		f.load()
		readerKilled(f)
	}
	f.load()
	v := f.finish(fmt.Sprintf("replicas, counting, reader: %d x SIGKILL", rounds))
	v.counted()
	v.exact()
}

// badRules reject what is published below bad.
const badRules = rules + `
  - name: bad
    topic: bad/#
    payload: text
    queue: /queue/channel/connected
    fields: {id: '=uuid("channel", payload)', name: '=payload == "good" ? payload : nil', source: test, source_channel_id: x}
`

// Every event that is rejected becomes a dead letter, at least one, whoever reads.
func deadLetters(t *testing.T, servers *natstest.Cluster) {
	rounds := 3
	if long() {
		rounds = 10
	}
	f := startFleet(t, servers, setup{options: options{rules: badRules}})
	letters := watchLetters(t, f.broker.Addr)
	lines, published := publishLines(t, f.broker, "bad/event")
	n := 0
	for range rounds {
		f.load()
		for range 100 {
			fmt.Fprintln(lines, n)
			n++
		}
		readerKilled(f)
	}
	lines.Close()
	if err := published(); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "a dead letter of each bad event", func() bool { return letters.events() == n })
	v := f.finish(fmt.Sprintf("replicas, dead letters, reader: %d x SIGKILL", rounds))
	v.note += fmt.Sprintf("; %d bad events, %d dead letters", n, letters.count())
	v.exact()
}

// publishLines publishes each line that is written at QoS 1. Close ends that; published waits until
// the broker has acknowledged all, and returns an error if it has not.
func publishLines(t *testing.T, broker *mosquittotest.Broker, topic string) (lines io.WriteCloser, published func() error) {
	t.Helper()
	host, port, _ := net.SplitHostPort(broker.Addr)
	c := exec.CommandContext(t.Context(), mosquittotest.Look(t, "mosquitto_pub"), "-h", host, "-p", port, "-q", "1", "-t", topic, "-l")
	lines, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return lines, c.Wait
}

// Letters are the dead letters that a client of the broker has got, by event.
type letters struct {
	mu  sync.Mutex
	got map[int]int
}

func watchLetters(t *testing.T, broker string) *letters {
	t.Helper()
	l := &letters{got: map[int]int{}}
	conn, err := net.Dial("tcp", broker)
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) { return true, l.take(string(p.Packet.Payload)) },
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: "letters", CleanStart: true, KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "mqtt-stomp-bridge/dead-letter/#", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		<-client.Done()
	})
	return l
}

func (l *letters) take(payload string) error {
	n, err := strconv.Atoi(strings.TrimSpace(payload))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[n]++
	return nil
}

// events returns of how many events there are letters.
func (l *letters) events() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

// count returns how many letters there are.
func (l *letters) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.got {
		n += times
	}
	return n
}
