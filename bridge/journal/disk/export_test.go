package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// StateOfFormat returns the state of a log of another format.
func StateOfFormat(f uint32) []byte {
	v := make([]byte, 40)
	binary.BigEndian.PutUint32(v[4:], f)
	return seal(keyState, v)
}

// WithTrace returns the record, whose body is taken for its trace parent from now on.
func WithTrace(position, r []byte) []byte {
	r = bytes.Clone(r)
	r[24] |= withTrace
	return seal(position, r)
}

// WithAudience returns the record, whose body is taken for its audience from now on.
func WithAudience(position, r []byte) []byte {
	r = bytes.Clone(r)
	r[24] |= withAudience
	return seal(position, r)
}

// DropIncarnations makes the file one of a version that did not know them.
func DropIncarnations(tx *bolt.Tx) error { return tx.DeleteBucket(bucketIncarnations) }

// DropLastIncarnation takes out the one of the newest entry.
func DropLastIncarnation(tx *bolt.Tx) error {
	b := tx.Bucket(bucketIncarnations)
	k, _ := b.Cursor().Last()
	return b.Delete(k)
}

// SplitIncarnation makes the only one of a file that has no other into one for each entry, and adds
// their epochs by position.
func SplitIncarnation(tx *bolt.Tx, epochs map[uint64]string) error {
	b := tx.Bucket(bucketIncarnations)
	k, v := b.Cursor().Last()
	whole, err := decodeIncarnation(k, v)
	if err != nil {
		return err
	}
	s, err := readState(tx)
	if err != nil {
		return err
	}
	for p := whole.first; p <= s.last; p++ {
		n := incarnation{first: p, epoch: fmt.Sprint("run", p)}
		if p == s.last {
			n.epoch = whole.epoch
		}
		epochs[p] = n.epoch
		if err := b.Put(n.encode()); err != nil {
			return err
		}
	}
	return nil
}
