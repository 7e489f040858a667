package writer

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrUnread means that the clients which do not read keep too much waiting, and that this one has
// waited longest.
var ErrUnread = errors.New("writer: too much waits for clients that do not read")

// unread is what the kernel has not taken of one write.
type unread struct {
	pieces [][]byte
	own    *[]byte // the buffer of one of them, to be kept for the next write; nil: none
	shared []byte  // what one of them is the end of, if other Writers may have the same; nil: none
}

// writeTo writes all of it.
func (u unread) writeTo(conn net.Conn) error {
	for _, p := range u.pieces {
		if len(p) == 0 {
			continue
		}
		if _, err := conn.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// A ledger knows what all Writers of a Pool keep in memory for clients that have not read it yet.
type ledger struct {
	limit int

	mu      sync.Mutex
	bytes   int
	shares  map[*byte]int // first byte of what several may have -> how many have it
	held    map[*Writer]*list.Element
	waiting list.List   // of entries, in the order in which they began to wait
	review  *time.Timer // looks again at what has waited too long; nil: none is set
}

// An entry is what one Writer keeps.
type entry struct {
	writer *Writer
	since  time.Time
	own    int
	shared []byte
}

// minWait is how long a Writer waits at least before it can fail for the sake of memory: writes that
// go on are over much sooner, however many there are.
const minWait = time.Second

// hold notes what the Writer keeps from now on.
func (l *ledger) hold(w *Writer, u unread) {
	e := &entry{writer: w, since: time.Now(), shared: u.shared}
	if u.own != nil {
		e.own = cap(*u.own)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held, l.shares = map[*Writer]*list.Element{}, map[*byte]int{}
	}
	l.held[w] = l.waiting.PushBack(e)
	l.bytes += e.own
	if len(e.shared) > 0 {
		if l.shares[&e.shared[0]]++; l.shares[&e.shared[0]] == 1 {
			l.bytes += len(e.shared)
		}
	}
	if l.limit > 0 && l.bytes > l.limit && l.review == nil {
		l.review = time.AfterFunc(minWait, l.endOldest)
	}
}

// release notes that the Writer keeps nothing any more.
func (l *ledger) release(w *Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.held[w]; e != nil {
		l.removeLocked(e)
		delete(l.held, w)
	}
}

func (l *ledger) removeLocked(at *list.Element) {
	e := l.waiting.Remove(at).(*entry)
	l.bytes -= e.own
	if len(e.shared) == 0 {
		return
	}
	if l.shares[&e.shared[0]]--; l.shares[&e.shared[0]] == 0 {
		delete(l.shares, &e.shared[0])
		l.bytes -= len(e.shared)
	}
}

// endOldest fails the Writers that have waited longest, until what the others keep is within the
// limit.
func (l *ledger) endOldest() {
	var failed []*Writer
	l.mu.Lock()
	l.review = nil
	now := time.Now()
	for at := l.waiting.Front(); at != nil && l.bytes > l.limit; at = l.waiting.Front() {
		e := at.Value.(*entry)
		if wait := minWait - now.Sub(e.since); wait > 0 {
			l.review = time.AfterFunc(wait, l.endOldest)
			break
		}
		l.removeLocked(at) // it is gone within finalTimeout
		delete(l.held, e.writer)
		failed = append(failed, e.writer)
	}
	l.mu.Unlock()
	for _, w := range failed {
		w.failed(ErrUnread)
	}
}

// Unread returns how many bytes all Writers keep for clients that have not read them yet.
func (p *Pool) Unread() int {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	return p.ledger.bytes
}
