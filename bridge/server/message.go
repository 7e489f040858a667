package server

import (
	"encoding/binary"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A format holds all that tells the MESSAGE frames of one subscription from those of another. It is
// a hub.Format.
type format struct {
	destination  string
	subscription string // the client's id; empty only at STOMP 1.0
	version      stomp.Version
	ack          int // the session's subscription number in the ack header; 0: no such header
	epochs       epochs
	note         string // value of a resume header; only ever set for a single frame
}

var _ hub.Format = format{}

// AppendFrame appends a whole WebSocket text message with the MESSAGE frame for e.
func (f format) AppendFrame(dst []byte, e *hub.Entry) []byte {
	dst, start := beginMessage(dst)
	dst = append(dst, "MESSAGE\n"...)
	dst = stomp.AppendHeader(dst, f.version, "destination", f.destination)
	dst = append(dst, "message-id:"...)
	idStart := len(dst)
	dst = appendMessageID(dst, f.epochs, e.Position)
	idEnd := len(dst)
	dst = append(dst, '\n')
	if f.subscription != "" {
		dst = stomp.AppendHeader(dst, f.version, "subscription", f.subscription)
	}
	if f.ack > 0 {
		dst = append(dst, "ack:"...)
		dst = append(dst, dst[idStart:idEnd]...)
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, int64(f.ack), 10)
		dst = append(dst, '\n')
	}
	if f.note != "" {
		dst = stomp.AppendHeader(dst, f.version, "resume", f.note)
	}
	if e.TraceParent != "" {
		dst = stomp.AppendHeader(dst, f.version, "traceparent", e.TraceParent)
	}
	dst = append(dst, "content-type:application/json\ncontent-length:"...)
	dst = strconv.AppendInt(dst, int64(len(e.Body)), 10)
	dst = append(dst, "\n\n"...)
	dst = append(dst, e.Body...)
	dst = append(dst, 0)
	return endMessage(dst, start, opText)
}

// epochs tell what names an entry together with its position. A *hub.Hub does.
type epochs interface{ Epoch(position uint64) string }

func appendMessageID(dst []byte, epochs epochs, position uint64) []byte {
	dst = append(dst, epochs.Epoch(position)...)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, position, 10)
}

// parseMessageID splits a message-id; ok is false when it is malformed.
func parseMessageID(id string) (epoch string, position uint64, ok bool) {
	epoch, number, found := strings.Cut(id, "-")
	position, err := strconv.ParseUint(number, 10, 64)
	return epoch, position, found && epoch != "" && err == nil
}

// WebSocket opcodes, RFC 6455, 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// maxMessageHeader is the longest header of a message from a server: FIN and opcode, 127, eight
// bytes of length.
const maxMessageHeader = 10

// beginMessage makes room for the header of a WebSocket message whose payload is appended next.
func beginMessage(dst []byte) (out []byte, start int) {
	var room [maxMessageHeader]byte
	return append(dst, room[:]...), len(dst)
}

// endMessage writes the header of the message that began at start, now that its length is known
// (RFC 6455, 5.2: the shortest form of the length), and closes the gap.
func endMessage(dst []byte, start int, opcode byte) []byte {
	payload := start + maxMessageHeader
	n := len(dst) - payload
	header := append(make([]byte, 0, maxMessageHeader), 0x80|opcode)
	switch {
	case n <= 125:
		header = append(header, byte(n))
	case n <= 0xFFFF:
		header = binary.BigEndian.AppendUint16(append(header, 126), uint16(n))
	default:
		header = binary.BigEndian.AppendUint64(append(header, 127), uint64(n))
	}
	copy(dst[start:], header)
	copy(dst[start+len(header):], dst[payload:])
	return dst[:start+len(header)+n]
}

// appendMessage appends one whole WebSocket message.
func appendMessage(dst []byte, opcode byte, payload []byte) []byte {
	dst, start := beginMessage(dst)
	return endMessage(append(dst, payload...), start, opcode)
}

// maxReason is the room that a close frame has for a reason beside its code.
const maxReason = 123

// appendClose appends a close frame with its code and a reason, of which it takes what has room
// (RFC 6455, 5.5.1).
func appendClose(dst []byte, code int, reason string) []byte {
	text := strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return appendMessage(dst, opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), text...))
}

// appendFrame appends one STOMP frame as a WebSocket text message.
func appendFrame(dst []byte, v stomp.Version, f *stomp.Frame) []byte {
	dst, start := beginMessage(dst)
	return endMessage(stomp.AppendFrame(dst, v, f), start, opText)
}
