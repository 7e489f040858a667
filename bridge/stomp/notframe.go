package stomp

import (
	"bytes"
	"slices"
	"strings"
)

// notFrame returns the error for a line that stands where a command must. It says what seems to
// come instead, by the sort of its first bytes alone: an error never repeats what a peer sent.
func notFrame(line []byte) *Error {
	switch trimmed := bytes.Trim(line, blanks); {
	case len(trimmed) < len(line) && slices.Contains(commands, Command(trimmed)):
		return malformed("the command line begins or ends with a blank")
	case isRequest(line):
		return &Error{Message: "not a STOMP frame",
			Detail: "it begins like an HTTP request; after the WebSocket handshake every message is STOMP"}
	}
	first := beginning(line)
	if first == "" {
		return malformed("unknown command")
	}
	return &Error{Message: "not a STOMP frame", Detail: "it begins with " + first + "; a frame begins with a command, such as CONNECT"}
}

// isRequest reports whether the line begins with a method of HTTP that begins no command of STOMP.
func isRequest(line []byte) bool {
	method, _, found := strings.Cut(string(line), " ")
	return found && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PRI"}, method)
}

// beginning names the first byte of a line, "" when it is one that a command may begin with.
func beginning(line []byte) string {
	if bytes.HasPrefix(line, []byte("\xef\xbb\xbf")) {
		return "a byte order mark"
	}
	switch c := line[0]; {
	case 'A' <= c && c <= 'Z':
		return ""
	case 'a' <= c && c <= 'z':
		return "a lower-case letter"
	case '0' <= c && c <= '9':
		return "a digit, as in Socket.IO"
	case c == '{':
		return "a brace, as in JSON"
	case c == '[':
		return "a bracket, as in JSON and SockJS"
	case c == '"':
		return "a quotation mark, as in JSON"
	case c == '<':
		return "a less-than sign, as in XML"
	case strings.IndexByte(blanks, c) >= 0:
		return "a blank"
	case c < ' ' || c > '~':
		return "a byte that is not text, as in binary protocols such as MQTT"
	}
	return "a punctuation mark"
}
