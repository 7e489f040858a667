package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// A block is what one append stores: one message of the stream, whole or not at all. It says what
// comes into the log and what leaves it, so whoever applies the blocks in order has the same log.
//
//	format 1 | checksum 4, of what follows | that of the block before 4 | header | entries | carried | records | forget | drop
//
// Numbers are varints, texts are preceded by their length, lists by their number of items. Queues
// are numbers in a list of their own, which comes first.
type block struct {
	previous uint32 // checksum of the block before, so that nobody goes on in another stream's history; 0: there is none

	// Set by encode and decode.
	format int
	sum    uint32 // checksum of this one
	size   int    // bytes in the stream

	// Term and number name the block: how often somebody has begun to lead, and how many blocks
	// that one has appended before.
	term, number uint64

	epoch  string // of the term's positions
	since  uint64 // first position that has the epoch
	before string // epoch of the position before since

	base  uint64 // position of the first entry
	first uint64 // the log begins here from now on
	head  uint64 // sequence of the oldest block that is needed from now on

	clock clock

	entries        []journal.Entry
	carried        []carried
	carriedRecords []journal.Record
	records        []journal.Record
	forget         []string // keys
	drop           []string // prefixes of names of records, see journal.Batch
}

// A clock is what the clock of the one who leads shows, see retention.Reading.
type clock struct {
	lived, appendedAt, began, ahead time.Duration
	left                            time.Time
}

// A carried entry is the newest of its key and has been in a block that leaves the stream.
type carried struct {
	journal.Entry
	appendedAt time.Duration
}

// formats are those of blocks that this version reads, in order: the one before its own, and its own.
var formats = []int{1}

const (
	blockHeader = 9   // bytes up to the header
	headerSize  = 512 // more bytes than the header takes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errDamaged = errors.New("journal: a damaged block")
	errFormat  = errors.New("journal: this version does not read the format of a block")
)

// encode returns the block as it is stored, and sets its format and its sum.
func (b *block) encode(format int) []byte {
	w := encoder{data: make([]byte, blockHeader, blockHeader+headerSize+b.content())}
	w.data[0] = byte(format)
	b.format = format
	binary.BigEndian.PutUint32(w.data[5:], b.previous)
	w.numbers(b.term, b.number, b.since, b.base, b.first, b.head)
	w.text(b.epoch)
	w.text(b.before)
	w.durations(b.clock.lived, b.clock.appendedAt, b.clock.began, b.clock.ahead)
	w.time(b.clock.left)
	queues := b.queues()
	w.texts(queues)
	w.numbers(uint64(len(b.entries)))
	for i := range b.entries {
		w.entry(&b.entries[i], queues)
	}
	w.numbers(uint64(len(b.carried)))
	for i := range b.carried {
		c := &b.carried[i]
		w.numbers(c.Position)
		w.durations(c.appendedAt)
		w.entry(&c.Entry, queues)
	}
	w.records(b.carriedRecords)
	w.records(b.records)
	w.texts(b.forget)
	w.texts(b.drop)
	b.size = len(w.data)
	b.sum = seal(w.data)
	return w.data
}

// seal sets the checksum of a block.
func seal(data []byte) uint32 {
	sum := checksum(data)
	binary.BigEndian.PutUint32(data[1:], sum)
	return sum
}

func checksum(data []byte) uint32 { return crc32.Checksum(data[5:], castagnoli) }

// queues returns the queues of the entries: they are few.
func (b *block) queues() (all []string) {
	add := func(queue string) {
		if !slices.Contains(all, queue) {
			all = append(all, queue)
		}
	}
	for i := range b.entries {
		add(b.entries[i].Queue)
	}
	for i := range b.carried {
		add(b.carried[i].Queue)
	}
	return all
}

// content is at least how many bytes the block takes besides its header.
func (b *block) content() int {
	n := journal.Batch{Entries: b.entries, Records: b.records, Drop: b.drop}.Size() +
		journal.Batch{Records: b.carriedRecords, Drop: b.forget}.Size()
	for i := range b.carried {
		n += entrySize(&b.carried[i].Entry)
	}
	return n
}

// entrySize is at least what an entry takes of a block.
func entrySize(e *journal.Entry) int { return journal.Batch{Entries: []journal.Entry{*e}}.Size() }

// recordSize is at least what a record takes of a block.
func recordSize(r *journal.Record) int { return journal.Batch{Records: []journal.Record{*r}}.Size() }

// decode returns the block in the data, in one of the formats, which it shares: the bodies of
// entries and the values of records are parts of it.
func decode(data []byte, formats []int) (*block, error) {
	if len(data) > 0 && !slices.Contains(formats, int(data[0])) {
		return nil, formatError(int(data[0]), formats)
	}
	if len(data) < blockHeader {
		return nil, fmt.Errorf("%w: %d bytes", errDamaged, len(data))
	}
	b := &block{format: int(data[0]), size: len(data), sum: binary.BigEndian.Uint32(data[1:]), previous: binary.BigEndian.Uint32(data[5:])}
	if checksum(data) != b.sum {
		return nil, fmt.Errorf("%w: its checksum is wrong", errDamaged)
	}
	r := decoder{data: data[blockHeader:]}
	r.numbers(&b.term, &b.number, &b.since, &b.base, &b.first, &b.head)
	b.epoch, b.before = r.text(), r.text()
	r.durations(&b.clock.lived, &b.clock.appendedAt, &b.clock.began, &b.clock.ahead)
	b.clock.left = r.time()
	queues := r.texts()
	b.entries = listOf(&r, minEntry, func() journal.Entry { return r.entry(queues) })
	for i := range b.entries {
		b.entries[i].Position = b.base + uint64(i)
	}
	b.carried = listOf(&r, minEntry, func() (c carried) {
		position := r.number()
		r.durations(&c.appendedAt)
		c.Entry = r.entry(queues)
		c.Position = position
		return c
	})
	b.carriedRecords, b.records = r.records(), r.records()
	b.forget, b.drop = r.texts(), r.texts()
	if r.failed || len(r.data) > 0 {
		return nil, fmt.Errorf("%w: it does not end where it should", errDamaged)
	}
	return b, nil
}
