//go:build linux

package main

import (
	"encoding/binary"
	"errors"
)

// WebSocket opcodes (RFC 6455, 5.2).
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// rsv1 marks a frame whose payload is compressed (RFC 7692, 7.2.1).
const rsv1 = 0x40

// maxPayload is the length that a frame may have: NATS puts all that waits for a session into one.
const maxPayload = 4 << 20

var errFrame = errors.New("a WebSocket frame is masked, fragmented or longer than 4 MiB")

// A frame is a WebSocket frame as servers send it: unmasked, and here in one piece.
type frame struct {
	opcode     byte
	compressed bool
	payload    []byte
	size       int // of payload and header
}

// nextFrame returns the first frame in data, whose payload shares its memory; size is 0 when data
// does not hold all of it.
func nextFrame(data []byte) (frame, error) {
	if len(data) < 2 {
		return frame{}, nil
	}
	if data[0]&0x80 == 0 || data[1]&0x80 != 0 {
		return frame{}, errFrame
	}
	start, n := 2, uint64(data[1])
	switch n {
	case 126:
		if start = 4; len(data) < start {
			return frame{}, nil
		}
		n = uint64(binary.BigEndian.Uint16(data[2:]))
	case 127:
		if start = 10; len(data) < start {
			return frame{}, nil
		}
		n = binary.BigEndian.Uint64(data[2:])
	}
	if n > maxPayload {
		return frame{}, errFrame
	}
	size := start + int(n)
	if len(data) < size {
		return frame{}, nil
	}
	return frame{opcode: data[0] & 0x0F, compressed: data[0]&rsv1 != 0, payload: data[start:size], size: size}, nil
}

// appendFrame appends a frame as servers send it.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	return append(appendFrameHeader(dst, opcode, 0, len(payload)), payload...)
}

// appendMaskedFrame appends a frame as clients send it. The masking key is zero, so that
// the payload stays as it is.
func appendMaskedFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = appendFrameHeader(dst, opcode, 0x80, len(payload))
	return append(append(dst, 0, 0, 0, 0), payload...)
}

func appendFrameHeader(dst []byte, opcode, mask byte, n int) []byte {
	dst = append(dst, 0x80|opcode)
	switch {
	case n <= 125:
		return append(dst, mask|byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mask|127), uint64(n))
	}
}
