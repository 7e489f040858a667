package disk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/lead"
)

// A request is an Append that waits to be committed.
type request struct {
	batch journal.Batch
	done  chan struct{} // closed when err is set
	err   error
}

func (r *request) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// A writer is a journal.Writer of a Log.
type writer struct {
	*lead.Turn
	log *Log
}

// MaxBatch implements journal.Writer.
func (w writer) MaxBatch() int { return journal.MaxBatch }

// Append implements journal.Writer.
func (w writer) Append(ctx context.Context, b journal.Batch) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	if err := b.Validate(journal.MaxBatch); err != nil {
		if !errors.Is(err, journal.ErrTooLarge) {
			w.Resign()
		}
		return err
	}
	return w.log.append(ctx, b)
}

// append commits the batch. Whoever finds nobody committing commits for all that wait.
func (l *Log) append(ctx context.Context, b journal.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{batch: b, done: make(chan struct{})}
	l.wait(r)
	select {
	case l.committing <- struct{}{}:
		for !r.isDone() {
			l.commit(l.takeWaiting())
		}
		<-l.committing
	case <-r.done:
	case <-ctx.Done():
		if l.withdraw(r) {
			return ctx.Err()
		}
		<-r.done
	}
	return r.err
}

func (l *Log) wait(r *request) {
	l.waitingMu.Lock()
	defer l.waitingMu.Unlock()
	l.waiting = append(l.waiting, r)
}

func (l *Log) takeWaiting() []*request {
	l.waitingMu.Lock()
	defer l.waitingMu.Unlock()
	group := l.waiting
	l.waiting = nil
	return group
}

// withdraw reports whether the request was still waiting.
func (l *Log) withdraw(r *request) bool {
	l.waitingMu.Lock()
	defer l.waitingMu.Unlock()
	i := slices.Index(l.waiting, r)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return true
}

// commit commits the group in one transaction and tells each of it. The caller holds committing.
func (l *Log) commit(group []*request) {
	c := l.newCommit(group)
	err := l.update(c.write)
	if err == nil {
		l.apply(c)
		if len(c.entries) > 0 {
			for _, f := range l.followers {
				f(c.entries)
			}
		}
	}
	for _, r := range group {
		r.err = err
		close(r.done)
	}
}

// apply makes a committed group visible.
func (l *Log) apply(c *commit) {
	l.swept, l.saved, l.state = c.swept, c.saved, c.state
	i := 0
	for _, r := range c.group {
		for k := range r.batch.Entries {
			r.batch.Entries[k].Position = c.entries[i].Position
			i++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals = c.totals
	maps.Copy(l.trimmed, c.trimmed)
	for _, it := range c.forget {
		l.newest.Remove(it.Key)
	}
	for _, p := range c.put {
		l.newest.Put(p.queue, p.item)
	}
}

// update runs one transaction and syncs it. The caller holds committing.
func (l *Log) update(write func(*bolt.Tx) error) error {
	if err := l.seat.Err(); err != nil {
		return err
	}
	if err := l.checkHead(); err != nil {
		return l.fail(err)
	}
	var tx *bolt.Tx
	if err := l.guard(func() (err error) { tx, err = l.db.Begin(true); return err }); err != nil {
		return l.fail(err)
	}
	before := tx.ID() - 1
	if err := l.guard(func() error { return write(tx) }); err != nil {
		return l.fail(errors.Join(err, tx.Rollback()))
	}
	err := l.guard(tx.Commit)
	if err == nil {
		return nil
	}
	tx.Rollback() // where a fault has kept Commit from it
	if isFull(err) && l.transaction() == before {
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	}
	return l.fail(err)
}

// fail ends the log and returns why it has ended, which may be an earlier error.
func (l *Log) fail(err error) error {
	l.seat.End(fmt.Errorf("journal: giving up %s: %w", l.path(), err))
	return l.seat.Err()
}

// transaction returns the number of the newest transaction in the file. bbolt reads the file's
// first pages afresh for that, so a commit that failed after it had written them counts.
func (l *Log) transaction() (id int) {
	if err := l.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		return -1
	}
	return id
}

// isFull reports whether a write failed for want of room. bbolt passes some errors on as text only.
func isFull(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT}, func(no syscall.Errno) bool {
		return errors.Is(err, no) || strings.HasSuffix(err.Error(), no.Error())
	})
}
