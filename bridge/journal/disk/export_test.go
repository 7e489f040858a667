package disk

import "encoding/binary"

// StateOfFormat returns the state of a log of another format.
func StateOfFormat(f uint32) []byte {
	v := make([]byte, 40)
	binary.BigEndian.PutUint32(v[4:], f)
	return seal(keyState, v)
}
