package server

import (
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/hub"
)

// A shard writes to its share of the sessions, one after the other, without waiting for any of them. Its goroutine exists
// while there is something to write.
type shard struct {
	mu      sync.Mutex
	ready   []worker
	running bool

	lanesMu sync.Mutex // taken before any lane's
	lanes   map[uint64]*lane
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

// A lane writes to sessions that have the same subscriptions and are all up to date: what comes next is put together once,
// and each of them gets it in one write. A session that the kernel does not let keep up leaves with what it has not got.
type lane struct {
	shard  *shard
	shape  uint64
	queued atomic.Bool // waits for its turn in the shard

	mu      sync.Mutex // taken after any outbound's
	group   *hub.Group
	members []*outbound
	joiners []*outbound
	pass    uint64 // number of the last write

	// The shard's own, for one pass.
	crowd   []*outbound // whom it writes to
	reached []*hub.Feed // to whom it was written
}

// join has the outbound taken into a lane, if it can be.
func (o *outbound) join() {
	if o.raw == nil || !o.changed || o.blocked || o.ending() {
		return
	}
	o.changed = false
	if shape, ok := o.feed.Shape(); ok {
		o.joining = o.shard.admit(shape, o)
	}
}

// admit puts the outbound in the row of those that the lane of this shape takes in.
func (s *shard) admit(shape uint64, o *outbound) *lane {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	l := s.lanes[shape]
	if l == nil {
		l = &lane{shard: s, shape: shape}
		l.group = o.feed.NewGroup(l)
		if s.lanes == nil {
			s.lanes = map[uint64]*lane{}
		}
		s.lanes[shape] = l
	}
	l.mu.Lock()
	l.joiners = append(l.joiners, o)
	l.mu.Unlock()
	l.Wake()
	return l
}

// Wake implements hub.Owner.
func (l *lane) Wake() {
	if !l.queued.Swap(true) {
		l.shard.add(l)
	}
}

// turn writes to all members what waits, in one write each, and then takes in who wants to join.
func (l *lane) turn() {
	l.queued.Store(false)
	l.mu.Lock()
	joiners := l.joiners // none of them is ahead of the group once that has moved on
	l.joiners = nil
	more, err := l.group.Next(writeBytes)
	if l.group.Any() {
		l.pass++
	}
	if l.group.Everybody() || err != nil {
		l.crowd = append(l.crowd[:0], l.members...)
	} else {
		for f := range l.group.Addressed() {
			l.crowd = append(l.crowd, f.Owner().(*outbound))
		}
	}
	pass := l.pass
	l.mu.Unlock()

	if len(l.crowd) > 0 {
		l.deliver(pass, err)
	}
	l.mu.Lock()
	l.group.Release()
	l.mu.Unlock()
	for _, o := range joiners {
		o.enter(l)
	}
	if more {
		l.Wake()
	}
	l.shard.dismiss(l)
}

// deliver writes to those who are members at this moment.
func (l *lane) deliver(pass uint64, err error) {
	for _, o := range l.crowd {
		switch {
		case err != nil:
			o.failed(err)
		case o.deliver(l, pass):
			l.reached = append(l.reached, o.feed)
		}
	}
	l.mu.Lock()
	l.group.Wrote(l.reached)
	l.mu.Unlock()
	clear(l.crowd)
	clear(l.reached)
	l.crowd, l.reached = l.crowd[:0], l.reached[:0]
}

// dismiss ends the lane if nobody is in it.
func (s *shard) dismiss(l *lane) {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.members)+len(l.joiners) == 0 && s.lanes[l.shape] == l {
		delete(s.lanes, l.shape)
		l.group.Close()
	}
}

// deliver writes what the lane's members get in this pass, and reports whether it did.
func (o *outbound) deliver(l *lane, pass uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lane != l || o.pass == pass {
		return false
	}
	frames := l.group.Frames(o.feed)
	n, err := o.try(frames)
	if n == len(frames) {
		o.pass = pass
		return true
	}
	rest := o.leave()
	if err != nil {
		putBuffer(rest)
		o.finish(err)
		return false
	}
	o.block(rest, n)
	return false
}

// enter joins the lane, if that is still wanted and the feed can be brought to where the lane is.
func (o *outbound) enter(l *lane) {
	o.mu.Lock()
	if o.joining != l {
		o.mu.Unlock()
		return
	}
	o.joining = nil
	b := getBuffer()
	l.mu.Lock()
	*b, _, _ = l.group.Catch(o.feed, *b, writeBytes) // an error comes again
	l.mu.Unlock()
	o.write(b)
	if !o.blocked && !o.finished {
		l.take(o)
	}
	o.mu.Unlock()
	o.Wake() // what came meanwhile woke nobody
}

// take makes the outbound a member if it stands where the lane does.
func (l *lane) take(o *outbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.group.Join(o.feed) {
		o.lane, o.pass, o.place = l, l.pass, len(l.members)
		l.members = append(l.members, o)
	}
}

// leave has the feed go on by itself. What the lane is about to write and has not yet written here is returned: it comes
// before all else.
func (o *outbound) leave() (rest *[]byte) {
	l := o.lane
	if l == nil {
		return nil
	}
	o.lane = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	frames := l.group.Frames(o.feed)
	wrote := o.pass == l.pass || len(frames) == 0
	l.group.Leave(o.feed, wrote)
	if !wrote {
		rest = getBuffer()
		*rest = append(*rest, frames...)
	}
	last := len(l.members) - 1
	l.members[o.place] = l.members[last]
	l.members[o.place].place = o.place
	l.members[last] = nil
	l.members = l.members[:last]
	if last == 0 {
		l.Wake() // to be dismissed
	}
	return rest
}
