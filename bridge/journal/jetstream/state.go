package jetstream

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// A state is what the blocks so far say of the log: what it keeps, and where that stands. Applied
// to the same blocks in order, two states are the same, from wherever in the stream the first
// began. It holds no bodies. Not safe for concurrent use.
//
//	stream    head                            sequence
//	            +------+------+------+------+------+
//	            |      |      |      |      |      |
//	            +------+------+------+------+------+
//	entries     left the log   | first     last
//	            but for the    |
//	            newest of keys |
//
// What is newest, of keys and of records, has its home in one block. Before that block leaves the
// stream it is carried: copied into a later block, its home from then on.
type state struct {
	begun        bool   // a block was applied
	sequence     uint64 // of the newest block; before the first, the one that comes before it
	sum          uint32 // its
	term, number uint64 // its
	clock        clock  // its
	format       int    // its

	first, last uint64 // positions that the log keeps
	head        uint64 // sequence of the oldest block that is needed
	blocks      []*stored
	trimmed     int // how many of the blocks, from the front, have no entry within the log

	epochs  []epoch           // of the positions kept, in order
	queues  map[string]string // names, by themselves
	leavers map[string]uint64 // queue -> position of its newest entry that has left the log
	unknown uint64            // what left the log up to here is not known by queue

	newest  index
	homes   map[uint64]uint64 // position -> sequence, for entries that were carried
	records map[string]*mark  // by name
	gone    int               // how many of the records have left the stream with their block, and count no more
	sizes   sizes
}

// Sizes are in bytes.
type sizes struct {
	log      int64 // of the entries within the log
	kept     int64 // of the entries beyond it that are the newest of their key
	records  int64
	stream   int64 // of all blocks
	left     int64 // of the blocks that were, since the state began
	retained int64 // of the blocks with entries within the log, and of those between
}

// needed is about what of the stream is needed.
func (s sizes) needed() int64 { return s.retained + s.kept + s.records }

// An epoch names the positions from the first on.
type epoch struct {
	first uint64
	name  string
}

// A stored block is what is known of it without reading it.
type stored struct {
	base       uint64 // position of the first entry
	entries    int
	bytes      int64 // of the entries, as the log counts them
	size       int64 // in the stream
	sum        uint32
	appendedAt time.Duration
	leavers    []leaver // of each queue, its newest
	live       int      // what has its home here, and is still the newest of its key or name
	newest     int64    // bytes of its own entries that are the newest of their key, and at home here
}

func (b *stored) end() uint64 { return b.base + uint64(b.entries) }

func (b *stored) has(position uint64) bool { return b.base <= position && position < b.end() }

type leaver struct {
	queue    string
	position uint64
}

// A mark is a record and where it is at home. (Within this package records are read as marks.)
type mark struct {
	journal.Record
	home uint64 // sequence
	size int64
}

// newState returns the state of a stream of which no block was read; the next is the one after the
// sequence. The name is of an epoch that is there until a block says another.
func newState(sequence uint64, name string) *state {
	return &state{
		sequence: sequence,
		first:    1,
		epochs:   []epoch{{0, name}},
		queues:   map[string]string{},
		leavers:  map[string]uint64{},
		newest:   newIndex(),
		homes:    map[uint64]uint64{},
		records:  map[string]*mark{},
	}
}

// apply takes the block of that sequence. After an error the state is of no more use.
func (s *state) apply(sequence uint64, b *block) error {
	if err := s.begin(sequence, b); err != nil {
		return err
	}
	s.correct(b)
	s.rename(b)
	added := s.store(b)
	if err := s.carry(sequence, b, added); err != nil {
		return err
	}
	for _, prefix := range b.drop {
		s.drop(prefix)
	}
	for i := range b.records {
		s.record(sequence, &b.records[i])
	}
	for i := range b.entries {
		s.add(&b.entries[i], added)
	}
	for _, key := range b.forget {
		s.forget(key)
	}
	s.trim(b.first)
	s.leave(b.head)
	s.sequence, s.sum, s.term, s.number, s.clock, s.format = sequence, b.sum, b.term, b.number, b.clock, b.format
	return nil
}

// begin checks that the block is the one after the newest, and goes to where it begins if it is the
// first.
func (s *state) begin(sequence uint64, b *block) error {
	switch {
	case !s.begun:
		s.begun = true
		s.first, s.last, s.unknown = b.base, b.base-1, b.base-1
		s.epochs = []epoch{{0, b.before}}
		s.head = sequence
	case sequence != s.sequence+1 || b.previous != s.sum || b.base != s.last+1:
		return fmt.Errorf("%w: the block at sequence %d does not continue the one at %d", errRestored, sequence, s.sequence)
	}
	if b.first > b.base || b.head > sequence {
		return fmt.Errorf("%w: sequence %d begins the log at %d and the stream at %d", errDamaged, sequence, b.first, b.head)
	}
	return nil
}

// correct corrects when entries were appended, by what the block's term knows, see retention.Clock:
// those before it not after it began, and its own by so much earlier as it turns out.
func (s *state) correct(b *block) {
	by := time.Duration(0)
	if s.term == b.term {
		if by = b.clock.ahead - s.clock.ahead; by == 0 {
			return
		}
	}
	at := func(position uint64, noted time.Duration) time.Duration {
		if position >= b.since {
			return noted - by
		}
		return min(noted, b.clock.began)
	}
	for _, x := range s.blocks {
		x.appendedAt = at(x.base, x.appendedAt)
	}
	s.newest.restamp(func(it retention.Item) time.Duration { return at(it.Position, it.AppendedAt) })
}

// rename notes the block's epoch.
func (s *state) rename(b *block) {
	if s.epochs[len(s.epochs)-1].name == b.epoch {
		return
	}
	for len(s.epochs) > 0 && s.epochs[len(s.epochs)-1].first >= b.since {
		s.epochs = s.epochs[:len(s.epochs)-1] // it gave out nothing
	}
	s.epochs = append(s.epochs, epoch{b.since, b.epoch})
}

func (s *state) store(b *block) *stored {
	added := &stored{base: b.base, entries: len(b.entries), size: int64(b.size), sum: b.sum, appendedAt: b.clock.appendedAt}
	for i := range b.entries {
		e := &b.entries[i]
		added.bytes += logSize(e)
		added.leaves(s.queue(e.Queue), e.Position)
	}
	s.blocks = append(s.blocks, added)
	s.last += uint64(len(b.entries))
	s.sizes.log += added.bytes
	s.sizes.stream += added.size
	s.sizes.retained += added.size
	return added
}

// leaves notes the position as that of the queue's newest entry.
func (b *stored) leaves(queue string, position uint64) {
	for i := range b.leavers {
		if b.leavers[i].queue == queue {
			b.leavers[i].position = position
			return
		}
	}
	b.leavers = append(b.leavers, leaver{queue, position})
}

// queue returns the queue's name as it is held once.
func (s *state) queue(name string) string {
	if held, ok := s.queues[name]; ok {
		return held
	}
	name = strings.Clone(name)
	s.queues[name] = name
	return name
}

// logSize is what an entry counts for within the log.
func logSize(e *journal.Entry) int64 { return retention.Size(entrySize(e)) }

// carry makes the block the home of what it carries. Where the state began later than that came, it
// is news.
func (s *state) carry(sequence uint64, b *block, to *stored) error {
	for i := range b.carried {
		c := &b.carried[i]
		it, ok := s.newest.get(c.Key)
		switch {
		case !ok && s.newest.loading != nil:
			it = retention.Item{Key: strings.Clone(c.Key), Position: c.Position, AppendedAt: c.appendedAt, Size: logSize(&c.Entry)}
			s.newest.put(s.queue(c.Queue), it)
			s.sizes.kept += it.Size
		case !ok || it.Position != c.Position:
			return fmt.Errorf("%w: sequence %d carries position %d, which is not the newest of its key", errDamaged, sequence, c.Position)
		default:
			s.moveOut(it)
		}
		s.homes[c.Position] = sequence
		to.live++
	}
	for i := range b.carriedRecords {
		s.record(sequence, &b.carriedRecords[i])
	}
	return nil
}

// moveOut takes the item out of the block where it is at home.
func (s *state) moveOut(it retention.Item) {
	home := s.home(it.Position)
	if home < s.head {
		return
	}
	b := s.block(home)
	b.live--
	if b.has(it.Position) {
		b.newest -= it.Size
	}
	delete(s.homes, it.Position)
}

// home returns the sequence of the block where the entry stands: the one that it was carried into,
// or the one that it came with. 0: it is in none.
func (s *state) home(position uint64) uint64 {
	if sequence, ok := s.homes[position]; ok {
		return sequence
	}
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].end() > position })
	if i == len(s.blocks) || !s.blocks[i].has(position) {
		return 0
	}
	return s.head + uint64(i)
}

// block returns the one of the sequence, which is head or later and not beyond the newest.
func (s *state) block(sequence uint64) *stored { return s.blocks[sequence-s.head] }

func (s *state) drop(prefix string) {
	for name, m := range s.records {
		if strings.HasPrefix(name, prefix) {
			s.dropRecord(name, m)
		}
	}
}

func (s *state) dropRecord(name string, m *mark) {
	delete(s.records, name)
	s.sizes.records -= m.size
	if m.home >= s.head {
		s.block(m.home).live--
	} else {
		s.gone--
	}
}

func (s *state) record(sequence uint64, r *journal.Record) {
	if old := s.records[r.Name]; old != nil {
		s.dropRecord(r.Name, old)
	}
	m := &mark{home: sequence, size: int64(recordSize(r))}
	m.Record = journal.Record{Name: strings.Clone(r.Name), Value: slices.Clone(r.Value), Expires: r.Expires}
	s.records[m.Name] = m
	s.sizes.records += m.size
	s.block(sequence).live++
}

func (s *state) add(e *journal.Entry, to *stored) {
	if e.Key == "" {
		return
	}
	s.forget(e.Key)
	it := retention.Item{Key: strings.Clone(e.Key), Position: e.Position, AppendedAt: to.appendedAt, Size: logSize(e)}
	s.newest.put(s.queue(e.Queue), it)
	to.live++
	to.newest += it.Size
}

func (s *state) forget(key string) {
	it, ok := s.newest.get(key)
	if !ok {
		return
	}
	s.moveOut(it)
	if it.Position < s.first {
		s.sizes.kept -= it.Size
	}
	s.newest.remove(key)
}

// trim has the log begin at the position first.
func (s *state) trim(first uint64) {
	s.first = max(s.first, first)
	for s.trimmed < len(s.blocks) && s.blocks[s.trimmed].end() <= s.first {
		b := s.blocks[s.trimmed]
		s.trimmed++
		s.sizes.log -= b.bytes
		s.sizes.retained -= b.size
		s.sizes.kept += b.newest
		for _, l := range b.leavers {
			s.leavers[l.queue] = l.position
		}
	}
	// The position before the first entry can be resumed from.
	for len(s.epochs) > 1 && (s.epochs[1].first < s.first || len(s.epochs) > maxEpochs) {
		s.epochs = s.epochs[1:]
	}
}

// maxEpochs bounds them. The oldest go first, and those who resume from there are told of a gap.
const maxEpochs = 1000

// leave has the stream begin at the sequence head. Records that were at home before it, which had
// expired, are forgotten thereby.
func (s *state) leave(head uint64) {
	for ; s.head < head; s.head++ {
		b := s.blocks[0]
		s.blocks[0] = nil
		s.blocks = s.blocks[1:]
		s.trimmed = max(0, s.trimmed-1)
		s.sizes.stream -= b.size
		s.sizes.left += b.size
		s.gone += b.live
	}
	if s.gone <= len(s.records)/2 {
		return
	}
	for name, m := range s.records {
		if m.home < s.head {
			s.dropRecord(name, m)
		}
	}
	s.gone = 0
}

// epoch returns the name of the position.
func (s *state) epoch(position uint64) string {
	i := len(s.epochs) - 1
	for i > 0 && s.epochs[i].first > position {
		i--
	}
	return s.epochs[i].name
}

// left returns the position of the queue's newest entry that has left the log, or a later one.
func (s *state) left(queue string) uint64 { return max(s.leavers[queue], s.unknown) }
