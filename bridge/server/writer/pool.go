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

	// Owned by the goroutine: for the pass of one broadcast, empty between passes.
	crowd   []*Writer   // whom it writes to
	reached []*hub.Feed // to whom it was written
}

// A worker gets its turn when there is something to write.
type worker interface{ turn() }

func (s *shard) add(w worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, w)
	if !s.running {
		s.running = true
		go s.run()
	}
}

func (s *shard) run() {
	var ready []worker
	for {
		s.mu.Lock()
		if len(s.ready) == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		ready, s.ready = s.ready, ready[:0]
		s.mu.Unlock()
		for _, w := range ready {
			w.turn()
		}
		clear(ready)
	}
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
