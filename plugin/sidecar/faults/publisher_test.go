package faults_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// workers is how many publish at a time, each to topics of its own.
const workers = 16

// padding makes an event about 400 bytes long.
var padding = strings.Repeat("word ", 60)

// A publisher publishes numbered events at QoS 1, each one once: what the broker has not
// acknowledged it never repeats, so that an event that arrives twice was not doubled here.
type publisher struct {
	broker string
	user   string
	rate   int // events a second

	tokens  chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu         sync.Mutex
	connection chan struct{} // closed when connected changes
	client     *paho.Client  // nil: not connected
	lost       context.Context
	next       int    // the number of the next event
	acked      []bool // by number
	nAcked     int
}

func startPublisher(t testing.TB, broker, user string, rate int) *publisher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{broker: broker, user: user, rate: rate, tokens: make(chan struct{}), connection: make(chan struct{}), cancel: cancel}
	t.Cleanup(p.stop)
	p.running.Go(func() { p.keepConnected(ctx) })
	p.running.Go(func() { p.tick(ctx) })
	for worker := range workers {
		p.running.Go(func() { p.work(ctx, worker) })
	}
	return p
}

// stop returns when nothing is published any more.
func (p *publisher) stop() {
	p.cancel()
	p.running.Wait()
}

// tick gives out as many tokens as the rate says. Those that nobody takes are gone.
func (p *publisher) tick(ctx context.Context) {
	const pace = 10 * time.Millisecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	due := 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due += float64(p.rate) * pace.Seconds(); due >= 1; due-- {
			select {
			case p.tokens <- struct{}{}:
			case <-time.After(pace):
			case <-ctx.Done():
				return
			}
		}
	}
}

// keepConnected connects again whenever the connection ends, as a new session.
func (p *publisher) keepConnected(ctx context.Context) {
	for ctx.Err() == nil {
		client, err := p.dial(ctx)
		if err != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		lost, end := context.WithCancel(ctx)
		p.set(client, lost)
		select {
		case <-client.Done():
		case <-ctx.Done():
		}
		p.set(nil, nil)
		end()
		client.Disconnect(&paho.Disconnect{})
		<-client.Done()
	}
}

func (p *publisher) dial(ctx context.Context) (*paho.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.broker)
	if err != nil {
		return nil, err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: time.Minute})
	connect := &paho.Connect{ClientID: "publisher", CleanStart: true, KeepAlive: 60}
	if p.user != "" {
		connect.UsernameFlag, connect.Username = true, p.user
		connect.PasswordFlag, connect.Password = true, []byte(p.user+" password")
	}
	_, err = client.Connect(ctx, connect)
	if err != nil {
		conn.Close()
	}
	return client, err
}

func (p *publisher) set(client *paho.Client, lost context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client, p.lost = client, lost
	close(p.connection)
	p.connection = make(chan struct{})
}

// await returns the connection, and the context that ends with it.
func (p *publisher) await(ctx context.Context) (*paho.Client, context.Context, error) {
	for {
		p.mu.Lock()
		client, lost, changed := p.client, p.lost, p.connection
		p.mu.Unlock()
		if client != nil && lost.Err() == nil {
			return client, lost, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (p *publisher) work(ctx context.Context, worker int) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.tokens:
		}
		if _, _, err := p.publish(ctx, worker); err != nil {
			return
		}
	}
}

// publish publishes the next event once and reports whether the broker has acknowledged it.
func (p *publisher) publish(ctx context.Context, worker int) (n int, acked bool, err error) {
	client, lost, err := p.await(ctx)
	if err != nil {
		return 0, false, err
	}
	p.mu.Lock()
	n = p.next
	p.next++
	p.acked = append(p.acked, false)
	p.mu.Unlock()
	topic := fmt.Sprintf("app/%d/%s", worker, [...]string{"message", "channel"}[queueOf(n)])
	answer, err := client.Publish(lost, &paho.Publish{QoS: 1, Topic: topic, Payload: fmt.Appendf(nil, "n=%d worker=%d %s", n, worker, padding)})
	if err != nil || answer.ReasonCode >= 0x80 {
		return n, false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked[n] = true
	p.nAcked++
	return n, true, nil
}

// finish stops the load and publishes one more event to each queue, however often it takes; it
// returns their numbers. They are the last: the broker has everything else before them.
func (p *publisher) finish(t testing.TB) (last []int) {
	t.Helper()
	p.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	var running sync.WaitGroup
	running.Go(func() { p.keepConnected(ctx) })
	defer running.Wait()
	defer cancel()
	done := map[int]bool{} // queue
	for len(done) < len(queues) {
		n, acked, err := p.publish(ctx, 0)
		if err != nil {
			t.Fatalf("publishing the last events: %v", err)
		}
		if acked && !done[queueOf(n)] {
			done[queueOf(n)] = true
			last = append(last, n)
		}
	}
	return last
}

// queueOf returns the index of the queue that the event goes to.
func queueOf(n int) int {
	if n%4 == 3 {
		return 1
	}
	return 0
}

// counts returns how many events were published and acknowledged.
func (p *publisher) counts() (published, acked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, p.nAcked
}

// newest returns the newest acknowledged event.
func (p *publisher) newest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := p.next - 1; n >= 0; n-- {
		if p.acked[n] {
			return n
		}
	}
	return -1
}

// acknowledged returns the numbers of the acknowledged events.
func (p *publisher) acknowledged() (numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, acked := range p.acked {
		if acked {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
