package writer

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// ErrUnread means that the clients which do not read keep too much waiting, and that this one is
// among those that keep the most.
var ErrUnread = errors.New("writer: too much waits for clients that do not read")

// unread is what the kernel has not taken of one write.
type unread struct {
	pieces [][]byte
	own    *[]byte // the buffer of the first of them, to be kept for the next write; nil: none
	shared []byte  // what the last of them is the end of, if other Writers may have the same; nil: none
	sealed int     // how much beside that TLS keeps, at most
}

// trim lets go of what TLS has sealed whole, and notes what it keeps.
func (u *unread) trim(sealed *recordConn) {
	if sealed == nil {
		return
	}
	left := 0
	for _, p := range u.pieces {
		left += len(p)
	}
	u.sealed = max(sealed.waiting(), min(left, sealBytes))
	if u.own != nil && len(u.pieces[0]) == 0 {
		putBuffer(u.own)
		u.own = nil
	}
	if len(u.pieces[len(u.pieces)-1]) == 0 {
		u.shared = nil
	}
}

// writeTo writes all of it.
func (u unread) writeTo(conn net.Conn, sealed *recordConn) error {
	if sealed != nil {
		return sealed.writeAll(u.pieces)
	}
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
	limit int // 0: none

	mu     sync.Mutex
	bytes  int
	shares map[*byte]int // first byte of what several may have -> how many have it
	held   map[*Writer]entry
	review *time.Timer // looks again at what has waited too long; nil: none is set
}

// An entry is what one Writer keeps.
type entry struct {
	since  time.Time
	own    int
	shared []byte
}

// minWait is how long a Writer waits at least before it can fail for the sake of memory: writes
// that go on are over much sooner, however many there are.
const minWait = time.Second

// hold notes what the Writer keeps from now on.
func (l *ledger) hold(w *Writer, u unread) {
	e := entry{since: time.Now(), own: u.sealed, shared: u.shared}
	if u.own != nil {
		e.own += cap(*u.own)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held, l.shares = map[*Writer]entry{}, map[*byte]int{}
	}
	l.held[w] = e
	l.bytes += e.own
	if len(e.shared) > 0 {
		if l.shares[&e.shared[0]]++; l.shares[&e.shared[0]] == 1 {
			l.bytes += len(e.shared)
		}
	}
	if l.limit > 0 && l.bytes > l.limit && l.review == nil {
		l.review = time.AfterFunc(minWait, l.endLargest)
	}
}

// release notes that the Writer keeps nothing any more.
func (l *ledger) release(w *Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(w)
}

func (l *ledger) releaseLocked(w *Writer) {
	e, held := l.held[w]
	if !held {
		return
	}
	delete(l.held, w)
	l.bytes -= e.own
	if len(e.shared) == 0 {
		return
	}
	if l.shares[&e.shared[0]]--; l.shares[&e.shared[0]] == 0 {
		delete(l.shares, &e.shared[0])
		l.bytes -= len(e.shared)
	}
}

// endLargest fails Writers that have waited long enough, those first that keep the most, until what
// the others keep is within the limit. If that does not do, it looks again later.
func (l *ledger) endLargest() {
	l.mu.Lock()
	var failed []*Writer
	for _, w := range l.overdueLocked(time.Now()) {
		if l.bytes <= l.limit {
			break
		}
		l.releaseLocked(w) // it is gone within finalTimeout
		failed = append(failed, w)
	}
	l.review = nil
	if l.bytes > l.limit {
		l.review = time.AfterFunc(minWait/4, l.endLargest)
	}
	l.mu.Unlock()
	for _, w := range failed {
		w.failed(ErrUnread)
	}
}

// overdueLocked returns the Writers that may fail, in that order. A share of what others have too
// counts as such.
func (l *ledger) overdueLocked(now time.Time) []*Writer {
	sizes := map[*Writer]int{}
	for w, e := range l.held {
		if now.Sub(e.since) < minWait {
			continue
		}
		sizes[w] = e.own
		if len(e.shared) > 0 {
			sizes[w] += len(e.shared) / l.shares[&e.shared[0]]
		}
	}
	return slices.SortedFunc(maps.Keys(sizes), func(a, b *Writer) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), l.held[a].since.Compare(l.held[b].since))
	})
}

// Unread returns how many bytes all Writers keep for clients that have not read them yet.
func (p *Pool) Unread() int {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	return p.ledger.bytes
}
