package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// atOnce is a time to wait for the lock of the file that bbolt rounds down to one try.
const atOnce = time.Millisecond

func (l *Log) open(ctx context.Context) error {
	if l.dir == "" {
		panic("disk: Options.Dir is empty")
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err := os.Stat(l.path()); errors.Is(err, fs.ErrNotExist) {
		if err := l.create(); err != nil {
			return fmt.Errorf("journal: creating %s: %w", l.path(), explain(err))
		}
		l.logger.Info("journal: created an empty one", "file", l.path())
	}
	start := time.Now()
	unclean, err := l.isMarked()
	if unclean {
		l.logger.Warn("journal: the last stop was not clean, checking the file", "file", l.path())
	}
	if err == nil {
		err = l.inspect(ctx, unclean)
	}
	if err == nil {
		err = l.load(ctx, unclean)
	}
	if err != nil {
		return fmt.Errorf("journal: opening %s: %w", l.path(), explain(err))
	}
	l.watching.Go(l.watch)
	l.logger.Info("journal: open", "file", l.path(), "epoch", l.incarnations.now().epoch, "first", l.totals.first, "last", l.totals.last,
		"took", time.Since(start))
	return nil
}

// explain adds what to do.
func explain(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, ErrDamaged), errors.Is(err, errFormat):
		return fmt.Errorf("%w; restore the file, or move it away to begin an empty journal: "+
			"clients that resume from what it does not hold are then told of the gap", err)
	}
	return err
}

// bolt opens the database. Without its list of free pages in the file, a commit writes less and
// there is less to be damaged; bbolt finds them when it opens the file.
func (l *Log) bolt(path string) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{
		Timeout:         atOnce,
		NoFreelistSync:  true,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: int(min(2*l.limits.MaxBytes, 1<<30)), // growing the map waits for all readers
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			l.file = f
			return f, err
		},
	})
}

// create makes the file under another name, so that a whole one is there or none.
func (l *Log) create() error {
	path := l.path() + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := l.bolt(path)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(l.fill), db.Close()); err != nil {
		return err
	}
	if _, err := os.Stat(l.path()); err == nil {
		return ErrInUse // somebody else was faster
	}
	if err := os.Rename(path, l.path()); err != nil {
		return err
	}
	return syncDir(l.dir)
}

func (l *Log) fill(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketLog, bucketEntries, bucketKept, bucketRecords} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	s := state{totals: totals{first: 1}, left: l.now(), epoch: journal.NewEpoch()}
	return tx.Bucket(bucketLog).Put(keyState, s.encode())
}

// inspect reads the whole file before anything trusts it: where the file is not what it should be,
// bbolt panics, in goroutines of its own too, or follows an offset to where nothing is mapped,
// which ends the process.
func (l *Log) inspect(ctx context.Context, unclean bool) error {
	if info, err := os.Stat(l.path()); err != nil {
		return err
	} else if !info.Mode().IsRegular() || info.Size() == 0 {
		return fmt.Errorf("%w: not a file with anything in it", ErrDamaged) // bbolt would fill an empty one
	}
	if err := readHead(l.path()); err != nil {
		return err // bbolt would call the file foreign, where only the disk has failed
	}
	// Open read-only, bbolt locks the file against writers while it is read, and reads only its
	// head itself.
	db, err := bolt.Open(l.path(), 0o600, &bolt.Options{Timeout: atOnce, ReadOnly: true, NoStatistics: true})
	switch _, system := errors.AsType[syscall.Errno](err); {
	case err == nil:
	case system || errors.Is(err, berrors.ErrTimeout):
		return err
	default: // bbolt does not recognise the file
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer db.Close()
	return checkFile(ctx, l.path(), db.Info().PageSize, unclean, l.newProgress("journal: still reading the file"))
}

// load takes the file into use and finds out what it holds.
func (l *Log) load(ctx context.Context, unclean bool) error {
	db, err := l.bolt(l.path())
	if err != nil {
		return err
	}
	l.db, l.pageSize = db, db.Info().PageSize
	if l.opened, err = l.file.Stat(); err == nil {
		err = l.mark()
	}
	if err == nil {
		err = l.view(func(tx *bolt.Tx) error { return l.scan(ctx, tx) })
	}
	if err == nil {
		return nil
	}
	if !unclean {
		os.Remove(l.marker()) // nothing has been written: the last stop is still a clean one
	}
	return errors.Join(err, db.Close())
}

// scan reads what the log keeps in memory: the bounds, the bytes, and where the newest entry of
// every key lies.
func (l *Log) scan(ctx context.Context, tx *bolt.Tx) error {
	s, err := readState(tx)
	if err != nil {
		return err
	}
	l.totals, l.found = s.totals, s.first-1
	l.clock = retention.NewClock(l.now, s.lived, s.left)
	l.state = bytes.Clone(tx.Bucket(bucketLog).Get(keyState))
	if l.incarnations, err = l.readIncarnations(tx, s); err != nil {
		return err
	}

	// All of it is counted again. The checksums do not see a page that is an older version of
	// itself, nor one that is missing at the end of a bucket: the totals do.
	found := totals{first: s.last + 1, last: s.last}
	p := l.newProgress("journal: still reading the entries")
	reached := func(k []byte) {
		if p.due() {
			p.at(uint64(found.kept+found.bytes), uint64(s.kept+s.bytes),
				"position", binary.BigEndian.Uint64(k), "first", s.first, "last", s.last)
		}
	}
	for k, v := range pairs(tx.Bucket(bucketKept)) {
		if err := errors.Join(l.index(k, v), ctx.Err()); err != nil {
			return err
		}
		found.kept += value(v).size()
		reached(k)
	}
	next := s.first // after those kept beyond retention, which are all older: newest.Put wants them in order
	for k, v := range pairs(tx.Bucket(bucketEntries)) {
		if err := errors.Join(l.index(k, v), ctx.Err()); err != nil {
			return err
		}
		if position := binary.BigEndian.Uint64(k); position != next {
			return fmt.Errorf("%w: position %d in the place of %d", ErrDamaged, position, next)
		}
		found.bytes += value(v).size()
		found.first = s.first
		next++
		reached(k)
	}
	p = l.newProgress("journal: still reading the records")
	for k, v := range pairs(tx.Bucket(bucketRecords)) {
		if _, err := readRecord(k, v); err != nil {
			return err
		}
		if found.records++; p.due() {
			p.at(uint64(found.records), uint64(s.records))
		}
	}
	if next != s.last+1 || found != s.totals {
		return fmt.Errorf("%w: a part is missing: %+v, want %+v", ErrDamaged, found, s.totals)
	}
	return nil
}

// readState reads the state before it looks for what it says the rest of, which another format may
// keep in other buckets.
func readState(tx *bolt.Tx) (state, error) {
	missing := func(name []byte) error {
		return fmt.Errorf("%w: no bucket %q, so it is not a journal", ErrDamaged, name)
	}
	log := tx.Bucket(bucketLog)
	if log == nil {
		return state{}, missing(bucketLog)
	}
	s, err := decodeState(log.Get(keyState))
	if err != nil {
		return state{}, err
	}
	for _, name := range [][]byte{bucketEntries, bucketKept, bucketRecords} {
		if tx.Bucket(name) == nil {
			return state{}, missing(name)
		}
	}
	return s, nil
}

// pairs iterates over a bucket. What it gives holds until the transaction ends.
func pairs(b *bolt.Bucket) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := b.Cursor()
		for k, v := c.First(); k != nil && yield(k, v); k, v = c.Next() {
		}
	}
}

// index checks an entry and remembers the newest of its key. Entries come in the order of
// positions.
func (l *Log) index(k, v []byte) error {
	if len(k) != 8 {
		return fmt.Errorf("%w: a position of %d bytes", ErrDamaged, len(k))
	}
	position, e := binary.BigEndian.Uint64(k), value(v)
	if err := e.check(k); err != nil {
		return fmt.Errorf("entry at position %d: %w", position, err)
	}
	if key := e.key(); key != "" {
		at := l.incarnations.appendedAt(position, e.appendedAt())
		l.newest.Put(e.queue(), retention.Item{Key: key, Position: position, AppendedAt: at, Size: e.size()})
	}
	return nil
}

func (l *Log) isMarked() (bool, error) {
	_, err := os.Stat(l.marker())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// mark leaves the marker, which Close removes, on the disk before anything is written.
func (l *Log) mark() error {
	f, err := os.OpenFile(l.marker(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(l.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
