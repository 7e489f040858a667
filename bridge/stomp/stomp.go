// Package stomp reads and writes the frames of STOMP 1.0, 1.1 and 1.2. It holds no connection.
//
// A frame on the wire (STOMP 1.2, "STOMP Frames"; EOL is LF, or CR LF):
//
//	COMMAND EOL
//	key:value EOL        any number of header entries
//	EOL
//	body NUL             the body's end is its content-length, or else the first NUL
//
// Between frames an EOL is a heart-beat.
package stomp

import (
	"fmt"
	"slices"
	"strings"
)

// Version is a version of the protocol. The zero value is 1.0, which is what holds before a CONNECT
// has been answered.
type Version uint8

// The versions, in rising order.
const (
	V10 Version = iota
	V11
	V12
)

// String returns the version as it stands in accept-version and version headers.
func (v Version) String() string {
	switch v {
	case V10:
		return "1.0"
	case V11:
		return "1.1"
	case V12:
		return "1.2"
	}
	return fmt.Sprintf("Version(%d)", uint8(v))
}

// ParseVersion returns the version that s names exactly, or false.
func ParseVersion(s string) (Version, bool) {
	for v := V10; v <= V12; v++ {
		if s == v.String() {
			return v, true
		}
	}
	return 0, false
}

// Negotiate returns the highest version named in the value of an accept-version header, or false if
// it names none of ours. The empty string stands for a missing header, which means 1.0 (STOMP 1.2,
// "Protocol Negotiation").
func Negotiate(acceptVersion string) (Version, bool) {
	if acceptVersion == "" {
		return V10, true
	}
	var highest Version
	var found bool
	for name := range strings.SplitSeq(acceptVersion, ",") {
		if v, ok := ParseVersion(strings.TrimSpace(name)); ok {
			highest, found = max(highest, v), true
		}
	}
	return highest, found
}

// Command says what a frame is for. The set is closed: a Decoder refuses any other.
type Command string

// The commands of clients, the commands of servers, and the heart-beat, which both send.
const (
	CommandConnect     Command = "CONNECT"
	CommandStomp       Command = "STOMP"
	CommandSend        Command = "SEND"
	CommandSubscribe   Command = "SUBSCRIBE"
	CommandUnsubscribe Command = "UNSUBSCRIBE"
	CommandAck         Command = "ACK"
	CommandNack        Command = "NACK"
	CommandBegin       Command = "BEGIN"
	CommandCommit      Command = "COMMIT"
	CommandAbort       Command = "ABORT"
	CommandDisconnect  Command = "DISCONNECT"

	CommandConnected Command = "CONNECTED"
	CommandMessage   Command = "MESSAGE"
	CommandReceipt   Command = "RECEIPT"
	CommandError     Command = "ERROR"

	// CommandHeartBeat is the command of an EOL between frames. Such a frame has neither headers
	// nor body.
	CommandHeartBeat Command = "\n"
)

// commands are those that have a name.
var commands = []Command{
	CommandConnect, CommandStomp, CommandSend, CommandSubscribe, CommandUnsubscribe, CommandAck, CommandNack,
	CommandBegin, CommandCommit, CommandAbort, CommandDisconnect,
	CommandConnected, CommandMessage, CommandReceipt, CommandError,
}

// maxCommand is more than the bytes of the longest command line.
const maxCommand = 16

// parseCommand returns the command that a line, without its end, names.
func parseCommand(line []byte) (Command, bool) {
	if len(line) == 0 {
		return CommandHeartBeat, true
	}
	c := Command(line)
	return c, slices.Contains(commands, c)
}

// beginsCommand reports whether a command begins with the part.
func beginsCommand(part []byte) bool {
	return slices.ContainsFunc(commands, func(c Command) bool { return strings.HasPrefix(string(c), string(part)) })
}

// mayHaveBody reports whether a frame of this command may have a body at version v.
func (c Command) mayHaveBody(v Version) bool {
	switch c {
	case CommandSend, CommandMessage, CommandError:
		return true
	case CommandConnect, CommandStomp:
		// The version is not known yet, and no version has one: 1.0 says that "the body is empty in
		// this case".
		return false
	}
	return v == V10 // STOMP 1.0: the body of SUBSCRIBE "is ignored"
}

// settlesVersion reports whether the version of the protocol is not known before this frame.
func (c Command) settlesVersion() bool {
	return c == CommandConnect || c == CommandStomp || c == CommandConnected
}

// escaping returns the version whose escapes hold in the headers of this command.
func (c Command) escaping(v Version) Version {
	if c.settlesVersion() {
		// STOMP 1.2, "Value Encoding": CONNECT and CONNECTED do not escape, to remain compatible
		// with 1.0; "CONNECT or STOMP Frame": STOMP is handled in the same manner as CONNECT.
		return V10
	}
	return v
}

// Header is one header entry, unescaped.
type Header struct{ Key, Value string }

// Frame is one frame, or a heart-beat. Header entries keep the order of the wire.
type Frame struct {
	Command Command
	Headers []Header
	Body    []byte
}

// blanks are what people put around the colon of a header.
const blanks = " \t"

func (h Header) trimBlanks() Header {
	return Header{strings.Trim(h.Key, blanks), strings.Trim(h.Value, blanks)}
}

// TrimBlanks takes the blanks around names and values away, as STOMP 1.0 has it (its own examples
// have a space behind the colon). From 1.1 on they belong to the header. The decoder does it for
// all frames of 1.0 but CONNECT, which comes before the version is known.
func (f *Frame) TrimBlanks() {
	for i, h := range f.Headers {
		f.Headers[i] = h.trimBlanks()
	}
}

// Get returns the value of the first entry with that key: in repeated entries the first one counts
// (STOMP 1.2, "Repeated Header Entries"). Keys are case-sensitive.
func (f *Frame) Get(key string) (string, bool) {
	for _, h := range f.Headers {
		if h.Key == key {
			return h.Value, true
		}
	}
	return "", false
}
