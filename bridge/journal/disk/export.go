package disk

import (
	"time"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
)

// An Export reads all that a log keeps, for another log to begin with. Nothing may be appended
// meanwhile.
type Export struct{ log *Log }

// Export returns the log's.
func (l *Log) Export() Export { return Export{l} }

// Bounds returns the log's.
func (x Export) Bounds() journal.Bounds { return x.log.Bounds() }

// Epoch returns the one of the position.
func (x Export) Epoch(position uint64) string { return x.log.Epoch(position) }

// Clock returns how long the log had lived at its last commit, and the wall clock's reading then.
func (x Export) Clock() (lived time.Duration, left time.Time, err error) {
	err = x.log.view(func(tx *bolt.Tx) error {
		s, err := readState(tx)
		lived, left = s.lived, s.left
		return err
	})
	return lived, left, err
}

// Entries returns entries after the position, in order: about a megabyte of them, and none at the
// end. Those before Bounds are kept as the newest of their key.
func (x Export) Entries(after uint64) (page []journal.Dated, err error) {
	err = x.log.view(func(tx *bolt.Tx) error {
		size := int64(0)
		for _, name := range [][]byte{bucketKept, bucketEntries} {
			cursor := tx.Bucket(name).Cursor()
			for k, v := cursor.Seek(positionKey(after + 1)); k != nil && size < pageBytes; k, v = cursor.Next() {
				e, err := readEntry(k, v)
				if err != nil {
					return err
				}
				at := x.log.incarnations.appendedAt(e.Position, value(v).appendedAt())
				page = append(page, journal.Dated{Entry: e, AppendedAt: at})
				size += value(v).size()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// Records calls yield with every record that has not expired, until it returns an error.
func (x Export) Records(yield func(journal.Record) error) error {
	for from := []byte(nil); ; {
		page, next, err := x.log.recordPage(nil, from)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := yield(r); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		from = next
	}
}
