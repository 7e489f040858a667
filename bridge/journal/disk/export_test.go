package disk

import (
	"bytes"
	"encoding/binary"
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
