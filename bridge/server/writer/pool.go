package writer

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// Limits bound what clients that do not read may cost. The first two must be set.
type Limits struct {
	WriteTimeout time.Duration // of a single write
	AnswerBytes  int           // of answers that wait; beyond that Update blocks
	// UnreadBytes bounds what all Writers together keep of writes that the kernel does not take.
	// Beyond it, those that keep the most fail with ErrUnread, if they have waited for a second or
	// more. 0: no bound.
	UnreadBytes int
}

// A Pool makes the Writers of one server, and has a goroutine per processor at most to write for
// them all. It is safe for concurrent use.
type Pool struct {
	hub    *hub.Hub
	limits Limits
	shards []shard
	ledger ledger
	turns  chan struct{} // holds whose turn it is, see Writer.next
	made   atomic.Uint64
}

// NewPool returns a Pool whose Writers write what the hub publishes.
func NewPool(h *hub.Hub, l Limits) *Pool {
	p := &Pool{hub: h, limits: l, shards: make([]shard, runtime.GOMAXPROCS(0)), turns: make(chan struct{}, 1)}
	p.ledger.limit = l.UnreadBytes
	return p
}

// New returns a Writer for the connection, without subscriptions. failed is called with each error
// of the feed, and with ErrUnread, from any goroutine; it must call End.
func (p *Pool) New(conn net.Conn, failed func(error)) *Writer {
	w := &Writer{
		conn:   conn,
		raw:    rawConn(conn),
		sealed: recordsOf(conn),
		shard:  &p.shards[p.made.Add(1)%uint64(len(p.shards))],
		limits: &p.limits,
		ledger: &p.ledger,
		turns:  p.turns,
		failed: failed,
	}
	w.feed = p.hub.NewFeed(w)
	w.drained.L = &w.mu
	return w
}

// A shard writes to its share of the connections, one after the other, without waiting for any of
// them. Its goroutine exists while there is something to write.
type shard struct {
	mu      sync.Mutex
	ready   []worker
	running bool

	broadcastsMu sync.Mutex
	broadcasts   map[uint64]*broadcast // hub profile -> broadcast

	// Owned by the goroutine, or by who has set running.
	row     []worker    // whose turns it is
	crowd   []*Writer   // for the pass of one broadcast, empty between passes: whom it writes to
	reached []*hub.Feed // likewise: to whom it was written
}

// A worker gets its turn when there is something to write.
type worker interface {
	turn()
	quick() bool // a turn takes no longer than writing to a few clients
}

func (s *shard) add(w worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, w)
	if !s.running {
		s.running = true
		go s.run()
	}
}

// serve is add by who has time for a turn that is quick: it is had here, and not by a goroutine
// that would have to be started, if there is none. What comes up meanwhile is left to one.
func (s *shard) serve(w worker) {
	s.mu.Lock()
	s.ready = append(s.ready, w)
	running := s.running
	s.running = true
	s.mu.Unlock()
	switch {
	case running:
	case !w.quick(), s.next():
		go s.run()
	}
}

func (s *shard) run() {
	for more := true; more; {
		more = s.next()
	}
}

// next gives a turn to all that are ready, and reports whether others are then. Otherwise the shard
// does not run any more.
func (s *shard) next() (more bool) {
	s.mu.Lock()
	s.row, s.ready = s.ready, s.row[:0]
	s.mu.Unlock()
	for _, w := range s.row {
		w.turn()
	}
	clear(s.row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = len(s.ready) > 0
	return s.running
}

// broadcast returns the broadcast for feeds of the profile, made from one of them if there is none.
func (s *shard) broadcast(profile uint64, like *hub.Feed) *broadcast {
	b := s.broadcasts[profile]
	if b == nil {
		b = &broadcast{shard: s, profile: profile, members: map[*hub.Feed]*Writer{}}
		b.group = like.NewGroup(b)
		if s.broadcasts == nil {
			s.broadcasts = map[uint64]*broadcast{}
		}
		s.broadcasts[profile] = b
	}
	return b
}

// dismiss ends the broadcast if nobody is in it.
func (s *shard) dismiss(b *broadcast) {
	s.broadcastsMu.Lock()
	defer s.broadcastsMu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.members)+len(b.joiners) == 0 && s.broadcasts[b.profile] == b {
		delete(s.broadcasts, b.profile)
		b.group.Close()
	}
}
