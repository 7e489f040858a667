package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
)

// pageBytes is about how much one Read or Latest returns. A read transaction lasts no longer than
// copying that: pages that it can see cannot be used again by a commit.
const pageBytes = 1 << 20

// view runs a read transaction.
func (l *Log) view(read func(*bolt.Tx) error) error {
	if err := l.checkHead(); err != nil {
		return err
	}
	return l.guard(func() error { return l.db.View(read) })
}

// guard does work in the file, which is mapped: a page that the disk does not give back would end
// the process, and is an error. So is a page that bbolt panics at, since the file was sound when it
// was opened; that ends the log.
func (l *Log) guard(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // as runtime/debug describes a fault
			err = fmt.Errorf("journal: %s cannot be read: %w", l.path(), syscall.EIO)
		default:
			l.logger.Debug("journal: panic in the file", "panic", p, "stack", slog.StringValue(string(debug.Stack())))
			err = l.fail(fmt.Errorf("%w while it was open: %v", ErrDamaged, p))
		}
	}()
	return work()
}

// Reach implements journal.Log.
func (l *Log) Reach(context.Context, uint64) error { return l.Err() }

// Read implements journal.Log. An entry that is not there, or not what was written, is an error
// that names its position.
func (l *Log) Read(_ context.Context, after uint64, max int) (page []journal.Entry, err error) {
	b := l.Bounds()
	if l.isClosed() {
		return nil, errClosed
	}
	if after >= b.Last || max <= 0 {
		return nil, nil
	}
	err = l.view(func(tx *bolt.Tx) error {
		s, err := readState(tx)
		if err != nil {
			return err
		}
		next := after + 1
		if next < s.first {
			return journal.ErrTrimmed
		}
		cursor := tx.Bucket(bucketEntries).Cursor()
		k, v := cursor.Seek(positionKey(next))
		for size := int64(0); next <= b.Last && len(page) < max && size < pageBytes; k, v = cursor.Next() {
			if !bytes.Equal(k, positionKey(next)) {
				return fmt.Errorf("journal: entry at position %d: %w: it is not there", next, ErrDamaged)
			}
			e, err := readEntry(k, v)
			if err != nil {
				return err
			}
			page = append(page, e)
			next++
			size += value(v).size()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func readEntry(k, v []byte) (journal.Entry, error) {
	position := binary.BigEndian.Uint64(k)
	err := value(v).check(k)
	var e journal.Entry
	if err == nil {
		e, err = value(v).entry(position)
	}
	if err != nil {
		return journal.Entry{}, fmt.Errorf("journal: entry at position %d: %w", position, err)
	}
	return e, nil
}

// Latest implements journal.Log.
func (l *Log) Latest(_ context.Context, queue string, after uint64, max int) ([]journal.Entry, error) {
	for {
		positions, err := l.newestAfter(queue, after, max)
		if err != nil || len(positions) == 0 {
			return nil, err
		}
		page, err := l.readAt(positions)
		if err != nil || len(page) > 0 {
			return page, err
		}
		after = positions[len(positions)-1] // all of them have been replaced since, by entries further on
	}
}

func (l *Log) newestAfter(queue string, after uint64, max int) ([]uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, errClosed
	}
	return l.newest.After(queue, after, max), nil
}

// readAt returns the entries at the positions, without those that are gone, up to a page.
func (l *Log) readAt(positions []uint64) (page []journal.Entry, err error) {
	err = l.view(func(tx *bolt.Tx) error {
		entries, kept := tx.Bucket(bucketEntries), tx.Bucket(bucketKept)
		size := int64(0)
		for _, p := range positions {
			k := positionKey(p)
			v := entries.Get(k)
			if v == nil {
				v = kept.Get(k)
			}
			if v == nil {
				continue
			}
			e, err := readEntry(k, v)
			if err != nil {
				return err
			}
			page = append(page, e)
			if size += value(v).size(); size >= pageBytes {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Records implements journal.Writer, in the order of names.
func (w writer) Records(prefix string, yield func(journal.Record) bool) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	from := []byte(prefix)
	for from != nil {
		var page []journal.Record
		if page, from, err = w.log.recordPage([]byte(prefix), from); err != nil {
			return err
		}
		for _, r := range page {
			if !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// recordPage returns the records with the prefix, beginning with the name from, and the name to go
// on with, nil at the end.
func (l *Log) recordPage(prefix, from []byte) (page []journal.Record, next []byte, err error) {
	if l.isClosed() {
		return nil, nil, errClosed
	}
	now := l.now()
	err = l.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketRecords).Cursor()
		size := 0
		for k, v := cursor.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
			if size >= pageBytes {
				next = bytes.Clone(k)
				return nil
			}
			r, err := readRecord(k, v)
			if err != nil {
				return err
			}
			if !r.Expired(now) {
				page = append(page, r)
			}
			size += len(k) + len(v)
		}
		return nil
	})
	return page, next, err
}
