package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/listen"
)

// queues are what every client subscribes to. Neither conflates.
var queues = []string{"/queue/message", "/queue/channel/connected"}

const (
	beat    = time.Second // heart-beat in both directions
	silence = 3 * beat    // of the server, after which a client gives its connection up
)

// A subscriber is a STOMP client that connects again whenever its connection ends, resumes each
// queue after the last message it got of it, and notes all messages.
type subscriber struct {
	visit
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu          sync.Mutex
	streams     []*stream // one a queue
	connections int
	gaps        int            // said on a RECEIPT or a MESSAGE
	ends        map[string]int // why connections ended or were refused
}

// A visit says how a subscriber comes.
type visit struct {
	urls   []string // it connects to any of them
	token  string
	roams  bool   // it leaves by itself, after 0.3 to 2.8 seconds each time
	keep   bool   // the bodies too
	front  *front // nil: none
	filter string // of the first queue, and then it subscribes to no other; "": none
	worker int    // of the events that the filter selects
}

// A stream is what a client got of one queue. Its fields are guarded by subscriber.mu.
type stream struct {
	queue     string
	last      string // message-id
	epochs    []string
	positions []uint64 // with their epochs

	filtered bool // by the worker
	worker   int

	// Only where keep is set.
	keep   bool
	bodies []string
	at     map[int]uint64 // event -> its position
}

// end is the position of the last message; 0 before the first.
func (s *stream) end() uint64 {
	if len(s.positions) == 0 {
		return 0
	}
	return s.positions[len(s.positions)-1]
}

// wants reports whether the entry belongs to the stream.
func (s *stream) wants(e *journal.Entry) bool {
	return e.Queue == s.queue && (!s.filtered || worker(string(e.Body)) == s.worker)
}

func startSubscriber(t testing.TB, v visit) *subscriber {
	t.Helper()
	s := &subscriber{visit: v, ends: map[string]int{}}
	for _, queue := range queues {
		s.streams = append(s.streams, &stream{queue: queue, filtered: v.filter != "", worker: v.worker, keep: v.keep, at: map[int]uint64{}})
		if v.filter != "" {
			break
		}
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start has it connect, also after stop.
func (s *subscriber) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() { s.run(ctx) })
}

func (s *subscriber) stop() {
	s.cancel()
	s.running.Wait()
}

func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.session(ctx)
		s.mu.Lock()
		s.ends[kind(err)]++
		s.mu.Unlock()
		pause(ctx, 50*time.Millisecond)
	}
}

// kind is the error without what differs each time, such as a local port.
func kind(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

var (
	errSilent = fmt.Errorf("nothing came for %v", silence)
	errMoves  = errors.New("moves on")
)

const shortestStay, longestStay = 300 * time.Millisecond, 2800 * time.Millisecond

// session takes messages until the connection ends.
func (s *subscriber) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	if s.roams {
		stay := shortestStay + rand.N(longestStay-shortestStay)
		defer time.AfterFunc(stay, func() { cancel(errMoves) }).Stop()
	}
	err := s.receive(ctx, cancel, watch)
	if errors.Is(context.Cause(ctx), errMoves) {
		return errMoves
	}
	return err
}

func (s *subscriber) receive(ctx context.Context, cancel context.CancelCauseFunc, watch *time.Timer) error {
	opening, opened := context.WithTimeout(ctx, silence) // or it would wait longer for one that hangs
	c, err := listen.Open(opening, listen.Config{URL: s.urls[rand.IntN(len(s.urls))]})
	opened()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.subscribe(c); err != nil {
		return err
	}
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel(nil)
	beating.Go(func() { keepBeating(ctx, c) })
	for {
		f, err := c.ReadFrame(ctx)
		if err != nil {
			return err
		}
		watch.Reset(silence)
		if err := s.take(f); err != nil {
			return err
		}
	}
}

// subscribe sends CONNECT and what subscribes to the queues, all at once.
func (s *subscriber) subscribe(c *listen.Client) error {
	hb := stomp.HeartBeat{Send: beat, Receive: beat}
	frames := []stomp.Frame{{Command: stomp.CommandConnect, Headers: []stomp.Header{
		{Key: "accept-version", Value: "1.2"}, {Key: "host", Value: "127.0.0.1"},
		{Key: "heart-beat", Value: hb.String()}, {Key: "Authorization", Value: s.token},
	}}}
	s.mu.Lock()
	for i, q := range s.streams {
		h := []stomp.Header{{Key: "id", Value: strconv.Itoa(i)}, {Key: "destination", Value: q.queue}, {Key: "receipt", Value: strconv.Itoa(i)}}
		if s.filter != "" {
			h = append(h, stomp.Header{Key: "filter", Value: s.filter})
		}
		if q.last != "" {
			h = append(h, stomp.Header{Key: "resume-from", Value: q.last})
		}
		frames = append(frames, stomp.Frame{Command: stomp.CommandSubscribe, Headers: h})
	}
	s.mu.Unlock()
	for _, f := range frames {
		if err := c.SendFrame(f); err != nil {
			return err
		}
	}
	return nil
}

func keepBeating(ctx context.Context, c *listen.Client) {
	tick := time.NewTicker(beat / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.SendFrame(stomp.Frame{Command: stomp.CommandHeartBeat}) != nil {
			return // ReadFrame says why
		}
	}
}

func (s *subscriber) take(f stomp.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if note, _ := f.Get("resume"); note == "gap" {
		s.gaps++
	}
	switch f.Command {
	case stomp.CommandReceipt:
		if id, _ := f.Get("receipt-id"); id == strconv.Itoa(len(s.streams)-1) {
			s.connections++
		}
	case stomp.CommandMessage:
		id, _ := f.Get("subscription")
		i, err := strconv.Atoi(id)
		if err != nil {
			return err
		}
		if err := s.streams[i].take(f); err != nil {
			return err
		}
		if s.front != nil {
			s.front.advance(s.streams[i].end())
		}
	case stomp.CommandError:
		message, _ := f.Get("message")
		return errors.New("ERROR: " + message)
	}
	return nil
}

func (s *stream) take(f stomp.Frame) error {
	s.last, _ = f.Get("message-id")
	epoch, digits, _ := strings.Cut(s.last, "-")
	position, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return err
	}
	s.epochs = append(s.epochs, epoch)
	s.positions = append(s.positions, position)
	if s.keep {
		body := string(f.Body)
		s.bodies = append(s.bodies, body)
		s.at[number(body)] = position
	}
	return nil
}

// positions returns the position of the last message of each queue.
func (s *subscriber) positions() (ends []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.streams {
		ends = append(ends, q.end())
	}
	return ends
}

// ended returns how many connections have ended or were refused.
func (s *subscriber) ended() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.ends {
		n += times
	}
	return n
}

// refused returns how many connections have ended or were refused, but for those that it left.
func (s *subscriber) refused() int {
	s.mu.Lock()
	moves := s.ends[errMoves.Error()]
	s.mu.Unlock()
	return s.ended() - moves
}

// told returns how many times a gap was said.
func (s *subscriber) told() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gaps
}

// connected returns how many times all queues were subscribed to.
func (s *subscriber) connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// place returns the position of the event with the number; 0: not yet. Only for one that keeps
// bodies.
func (s *subscriber) place(n int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.streams {
		if p := q.at[n]; p > 0 {
			return p
		}
	}
	return 0
}
