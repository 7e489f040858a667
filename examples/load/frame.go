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

var errFrame = errors.New("a WebSocket frame is masked, fragmented or longer than the read buffer")

// nextFrame returns the first WebSocket frame in data, whose payload shares its memory, and how
// many bytes it takes; size is 0 when data does not hold all of it. It reads what servers send:
// unmasked, and here in one piece.
func nextFrame(data []byte) (opcode byte, payload []byte, size int, err error) {
	if len(data) < 2 {
		return 0, nil, 0, nil
	}
	if data[0]&0x80 == 0 || data[1]&0x80 != 0 {
		return 0, nil, 0, errFrame
	}
	start, n := 2, uint64(data[1])
	switch n {
	case 126:
		if start = 4; len(data) < start {
			return 0, nil, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(data[2:]))
	case 127:
		if start = 10; len(data) < start {
			return 0, nil, 0, nil
		}
		n = binary.BigEndian.Uint64(data[2:])
	}
	if n > readBytes/2 {
		return 0, nil, 0, errFrame
	}
	size = start + int(n)
	if len(data) < size {
		return 0, nil, 0, nil
	}
	return data[0] & 0x0F, data[start:size], size, nil
}

// appendFrame appends a WebSocket frame as servers send it.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	return append(appendFrameHeader(dst, opcode, 0, len(payload)), payload...)
}

// appendMaskedFrame appends a WebSocket frame as clients send it. The masking key is zero, so that
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
