package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// A Source is a log as another begins with it.
type Source interface {
	Bounds() journal.Bounds
	// Epoch returns under which epoch the position was given out.
	Epoch(position uint64) string
	// Clock returns how long the log has lived, and the wall clock's reading that goes with it.
	Clock() (lived time.Duration, left time.Time, err error)
	// Entries returns entries after the position, in order; none at the end. Those before Bounds are
	// kept as the newest of their key.
	Entries(after uint64) ([]journal.Dated, error)
	// Records calls yield with every record that has not expired, until it returns an error.
	Records(yield func(journal.Record) error) error
}

// Imported tells what an Import has done so far.
type Imported struct {
	Entries int // within retention
	Keys    int // whose newest entry is kept beyond it
	Records int
	Again   bool // what an interrupted import had left was thrown away first
}

// ErrNotEmpty is returned by Import for a stream that has something already.
var ErrNotEmpty = errors.New("journal: the stream is not empty")

// errImporting ends a log whose stream is not whole.
var errImporting = errors.New("journal: the stream is being filled from another journal, or that was interrupted: " +
	"start this replica when `journal import` is done, or run that again")

// importMark is the name of a record that is in the log while it is imported: each block of an
// import has it, and the last drops it. Whoever finds it in a state has not all of the log.
const importMark = "import/unfinished"

func (s *state) importing() bool { return s.records[importMark] != nil }

// Import fills the log's stream, which it creates where there is none, with all that the source
// keeps: under the same positions and epochs, so that clients go on where they were. A stream that
// has anything is refused with ErrNotEmpty, and not changed, except that an import that was
// interrupted is begun again. It calls progress now and then.
func Import(ctx context.Context, c Config, from Source, progress func(Imported)) (Imported, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Imported{}, err
	}
	s, err := connect(ctx, c)
	if err != nil {
		return Imported{}, err
	}
	defer s.close()
	return importInto(ctx, s, from, progress)
}

// importWait bounds the waiting for the lease: one that nobody renews has run out by then.
const importWait = leaseTTL + 5*time.Second

func importInto(ctx context.Context, s store, from Source, progress func(Imported)) (Imported, error) {
	if _, _, err := importable(ctx, s); err != nil {
		return Imported{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	lease, err := s.lease(waiting, func(time.Duration) bool { return true })
	if err != nil {
		return Imported{}, fmt.Errorf("journal: another import runs, or a bridge that begins to lead: %w", err)
	}
	defer lease.release()
	behind, again, err := importable(ctx, s)
	if err == nil && again {
		err = s.purge(ctx, behind+1)
	}
	if err != nil {
		return Imported{}, err
	}
	m := &importer{to: s, from: from, lost: lease.lost(), progress: progress, behind: behind, done: Imported{Again: again}}
	err = m.run(ctx)
	return m.done, err
}

// importable returns the sequence behind which an import begins, and whether an interrupted one is
// to be thrown away first.
func importable(ctx context.Context, s store) (behind uint64, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	first, last, err := s.ends(ctx)
	if err != nil || first > last {
		return last, false, err
	}
	newest, err := s.read(ctx, last, 1, rowBytes)
	if err != nil || len(newest) == 0 {
		return 0, false, errors.Join(fmt.Errorf("journal: the newest block of the stream, at sequence %d, cannot be read", last), err)
	}
	b, err := decode(newest[0], formats)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("at sequence %d: %w", last, err)
	case !b.imported():
		return 0, false, fmt.Errorf("%w: it has %d blocks, the log in it goes to position %d", ErrNotEmpty, last-first+1, b.base+uint64(len(b.entries))-1)
	}
	return last, true, nil
}

// imported reports whether the block is one of an import, and not its last.
func (b *block) imported() bool {
	return len(b.records) > 0 && b.records[0].Name == importMark
}

// An importer fills a stream: first what is kept beyond retention, then the entries, then the
// records.
type importer struct {
	to       store
	from     Source
	lost     <-chan struct{} // the lease is
	progress func(Imported)
	done     Imported

	behind uint64        // sequence of the newest block; before the first, the one that comes before it
	block  *block        // that is filled
	size   int           // its, at most
	began  time.Duration // when its first entry was appended
}

const (
	// importBytes is about how large a block of an import is: those who resume read whole blocks.
	importBytes = 256 << 10
	// importTogether is how long after the first of its block an entry may have been appended. A
	// block has one time, that of the last.
	importTogether = time.Minute
)

func (m *importer) run(ctx context.Context) error {
	if err := m.begin(); err != nil {
		return err
	}
	if err := m.store(ctx); err != nil { // the mark alone: those who follow end here, see Log.advance
		return err
	}
	if err := m.entries(ctx); err != nil {
		return err
	}
	if err := m.from.Records(func(r journal.Record) error { return m.record(ctx, r) }); err != nil {
		return err
	}
	if err := m.flush(ctx); err != nil {
		return err
	}
	m.block.records, m.block.drop = nil, []string{importMark}
	return m.store(ctx)
}

// begin makes the first block.
func (m *importer) begin() error {
	lived, left, err := m.from.Clock()
	if err != nil {
		return err
	}
	bounds := m.from.Bounds()
	epoch := m.from.Epoch(bounds.First - 1) // the place before the first entry can be resumed from
	m.block = &block{
		term: 1, epoch: epoch, since: bounds.First, before: epoch,
		base: bounds.First, first: bounds.First, head: m.behind + 1,
		clock: clock{lived: lived, began: lived, left: left},
	}
	m.next()
	return nil
}

// next empties the block for what comes after it.
func (m *importer) next() {
	b := m.block
	b.base += uint64(len(b.entries))
	b.entries, b.carried = nil, nil
	b.records = []journal.Record{{Name: importMark}}
	b.clock.appendedAt = 0
	m.size = headerSize + b.content()
}

func (m *importer) entries(ctx context.Context) error {
	first := m.from.Bounds().First
	for after := uint64(0); ; {
		page, err := m.from.Entries(after)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			e := &page[i]
			after = e.Position
			if e.Position < first {
				err = m.keep(ctx, e)
			} else {
				err = m.entry(ctx, e)
			}
			if err != nil {
				return err
			}
		}
	}
}

// keep takes an entry from beyond retention.
func (m *importer) keep(ctx context.Context, e *journal.Dated) error {
	if err := m.room(ctx, entrySize(&e.Entry), "entry at position", e.Position); err != nil {
		return err
	}
	m.block.carried = append(m.block.carried, carried{e.Entry, e.AppendedAt})
	m.done.Keys++
	return nil
}

// entry takes one of the log. A block has one epoch and one time.
func (m *importer) entry(ctx context.Context, e *journal.Dated) error {
	b, epoch := m.block, m.from.Epoch(e.Position)
	if epoch != b.epoch || len(b.entries) > 0 && e.AppendedAt > m.began+importTogether {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	if err := m.room(ctx, entrySize(&e.Entry), "entry at position", e.Position); err != nil {
		return err
	}
	if next := b.base + uint64(len(b.entries)); e.Position != next {
		return fmt.Errorf("journal: position %d comes where %d should", e.Position, next)
	}
	if epoch != b.epoch {
		b.before, b.epoch, b.since = b.epoch, epoch, e.Position
	}
	if len(b.entries) == 0 {
		m.began = e.AppendedAt
	}
	b.entries = append(b.entries, e.Entry)
	b.clock.appendedAt = max(b.clock.appendedAt, e.AppendedAt)
	m.done.Entries++
	return nil
}

func (m *importer) record(ctx context.Context, r journal.Record) error {
	if err := m.room(ctx, recordSize(&r), "record", r.Name); err != nil {
		return err
	}
	m.block.records = append(m.block.records, r)
	m.done.Records++
	return nil
}

// room takes room for something in the block, which is stored first where it is large enough.
func (m *importer) room(ctx context.Context, size int, what string, which any) error {
	if m.size+size > importBytes {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	m.size += size
	if limit := m.to.maxMessage(); m.size > limit {
		return fmt.Errorf("journal: the %s %v takes %d bytes, and the servers take messages of %d: raise max_payload of the NATS servers", what, which, size, limit)
	}
	return nil
}

// flush stores the block if there is more in it than the mark.
func (m *importer) flush(ctx context.Context) error {
	if b := m.block; len(b.entries)+len(b.carried) == 0 && len(b.records) == 1 {
		return nil
	}
	return m.store(ctx)
}

// store stores the block, and begins the next.
func (m *importer) store(ctx context.Context) error {
	b := m.block
	if err := m.commit(ctx, b.encode(formats[0])); err != nil {
		return err
	}
	m.behind++
	b.previous = b.sum
	b.number++
	m.next()
	m.progress(m.done)
	return nil
}

// commit appends the message. Where the answer is lost, what stands there tells whether it was
// stored.
func (m *importer) commit(ctx context.Context, data []byte) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.lost:
			return errors.New("journal: the servers could not be reached for too long, or another replica took the lease")
		default:
		}
		stored, err := m.try(ctx, data)
		switch {
		case stored:
			return nil
		case errors.Is(err, errFull):
			return fmt.Errorf("%w; is journal.max_bytes as large as it was for the journal that is imported?", err)
		case errors.Is(err, errFenced):
			return err
		}
		if ended := pause(ctx, awayPause); ended != nil {
			return errors.Join(ended, err)
		}
	}
}

// try reports whether the message is stored.
func (m *importer) try(ctx context.Context, data []byte) (stored bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	appending, end := context.WithTimeout(ctx, askTimeout)
	defer end()
	err = m.to.append(appending, m.behind, data)
	if err == nil || errors.Is(err, errFull) {
		return err == nil, err
	}
	there, failed := m.to.read(ctx, m.behind+1, 1, len(data))
	switch {
	case failed != nil || len(there) == 0:
		return false, errors.Join(err, failed)
	case !bytes.Equal(there[0], data):
		return false, errFenced
	}
	return true, nil
}
