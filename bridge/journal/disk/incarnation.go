package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
)

// An incarnation is one time that the log was open and gave out positions. Each has an epoch of its
// own, random, which is in the file from its first entry on. So two copies of a file that are both
// run on, in whatever order and wherever, give the same position under different epochs, and each
// knows only its own and those from before they were copied.
//
//	positions   1 2 3 4 5 | 6 7 8 | 9 10
//	epoch           a     |   b   |  c      the file
//	                a     | d   d    d      a copy of it from before b's first entry, run on
type incarnation struct {
	first uint64 // position that it begins with; never changes, as epoch
	epoch string

	// What the log's clock has told, see retention.Reading. Guarded by Log.committing.
	began time.Duration // no entry before first was appended later
	ahead time.Duration // entries up to until are noted as appended by so much too late
	until uint64
}

// correct corrects when the entry at the position is noted to have been appended, by what this
// incarnation knows.
func (n *incarnation) correct(position uint64, noted time.Duration) time.Duration {
	switch {
	case position < n.first:
		return min(noted, n.began)
	case position <= n.until:
		return noted - n.ahead
	}
	return noted
}

// Incarnations are those whose positions may still be named, in order. The last is that of now, and
// may have given out none so far.
type incarnations []incarnation

// maxIncarnations bounds them. The oldest go first, and those who resume from there are told of a
// gap.
const maxIncarnations = 1000

func (all incarnations) now() *incarnation { return &all[len(all)-1] }

// epoch returns under which epoch the position was given out. Those of incarnations that are not
// known any more have the name of the first that is: no other copy that knows it differs before it.
func (all incarnations) epoch(position uint64) string {
	i := len(all) - 1
	for i > 0 && all[i].first > position {
		i--
	}
	return all[i].epoch
}

// appendedAt returns when the entry at the position was appended, by the log's clock, as far as is
// known now.
func (all incarnations) appendedAt(position uint64, noted time.Duration) time.Duration {
	for i := range all {
		noted = all[i].correct(position, noted)
	}
	return noted
}

// since returns those that have something at the position or later, and no more than the limit.
func (all incarnations) since(position uint64) incarnations {
	for len(all) > 1 && (all[1].first <= position || len(all) > maxIncarnations) {
		all = all[1:]
	}
	return all
}

// readIncarnations returns those in the file, and the new one.
func (l *Log) readIncarnations(tx *bolt.Tx, s state) (incarnations, error) {
	all := incarnations{{epoch: s.epoch}} // until one has given out positions
	if b := tx.Bucket(bucketIncarnations); b != nil {
		all = nil
		for k, v := range pairs(b) {
			n, err := decodeIncarnation(k, v)
			if err != nil {
				return nil, fmt.Errorf("incarnation: %w", err)
			}
			all = append(all, n)
		}
		if len(all) == 0 || all.now().epoch != s.epoch || all.now().first > s.last {
			return nil, fmt.Errorf("%w: the incarnations are not those of the entries", ErrDamaged)
		}
	}
	all = append(all, incarnation{first: s.last + 1, epoch: journal.NewEpoch(), began: l.clock.Read().Began})
	// The place before the first entry can be resumed from.
	oldest := max(s.first, 1) - 1
	if k, _ := tx.Bucket(bucketKept).Cursor().First(); len(k) == 8 {
		oldest = min(oldest, binary.BigEndian.Uint64(k))
	}
	return all.since(oldest), nil
}

// saveIncarnations writes them once the last has an entry, in the transaction of that.
func (c *commit) saveIncarnations(tx *bolt.Tx) error {
	all := c.log.incarnations
	if c.saved || c.last < all.now().first {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketIncarnations)
	if err != nil {
		return err
	}
	var old [][]byte
	for k := range pairs(b) {
		if binary.BigEndian.Uint64(k) < all[0].first {
			old = append(old, k)
		}
	}
	if err := deleteAll(b, old); err != nil {
		return err
	}
	for i := range all {
		k, v := all[i].encode()
		if bytes.Equal(b.Get(k), v) {
			continue
		}
		if err := b.Put(k, v); err != nil {
			return err
		}
	}
	c.saved = true
	return nil
}

// An incarnation, under its first position:
//
//	checksum 4 | began 8, nanoseconds | ahead 8, nanoseconds | until 8 | epoch
const incarnationHeader = 28

func (n *incarnation) encode() (key, value []byte) {
	key = positionKey(n.first)
	v := make([]byte, 4, incarnationHeader+len(n.epoch))
	v = binary.BigEndian.AppendUint64(v, uint64(n.began))
	v = binary.BigEndian.AppendUint64(v, uint64(n.ahead))
	v = binary.BigEndian.AppendUint64(v, n.until)
	return key, seal(key, append(v, n.epoch...))
}

func decodeIncarnation(k, v []byte) (incarnation, error) {
	if len(k) != 8 {
		return incarnation{}, fmt.Errorf("%w: a position of %d bytes", ErrDamaged, len(k))
	}
	if err := unseal(k, v, incarnationHeader); err != nil {
		return incarnation{}, err
	}
	return incarnation{
		first: binary.BigEndian.Uint64(k),
		epoch: string(v[incarnationHeader:]),
		began: time.Duration(binary.BigEndian.Uint64(v[4:])),
		ahead: time.Duration(binary.BigEndian.Uint64(v[12:])),
		until: binary.BigEndian.Uint64(v[20:]),
	}, nil
}
