package stomp

import (
	"strconv"
	"strings"
)

// AppendFrame appends the frame as it goes on the wire at version v and returns the extended slice:
// lines end in LF and nothing comes before the command. A frame that has a body but no
// content-length gets one. A heart-beat is one LF. What Next returned is appended so that it reads
// back the same.
func AppendFrame(dst []byte, v Version, f *Frame) []byte {
	if f.Command == CommandHeartBeat {
		return append(dst, '\n')
	}
	v = f.Command.escaping(v)
	dst = append(dst, f.Command...)
	dst = append(dst, '\n')
	for _, h := range f.Headers {
		dst = AppendHeader(dst, v, h.Key, h.Value)
	}
	if _, ok := f.Get("content-length"); !ok && len(f.Body) > 0 {
		dst = AppendHeader(dst, v, "content-length", strconv.Itoa(len(f.Body)))
	}
	dst = append(dst, '\n')
	dst = append(dst, f.Body...)
	return append(dst, 0)
}

// AppendHeader appends one header line, escaped as version v has it; for CONNECT, STOMP and
// CONNECTED, which do not escape, give V10. An octet that the version can neither hold nor escape
// (a line end at 1.0, a carriage return at 1.1, NUL at any) becomes a space, so that no value can
// end its line. The key must not be empty.
func AppendHeader(dst []byte, v Version, key, value string) []byte {
	if v == V10 {
		key = strings.ReplaceAll(key, ":", " ")
	}
	dst = appendEscaped(dst, v, key)
	dst = append(dst, ':')
	dst = appendEscaped(dst, v, value)
	return append(dst, '\n')
}

// appendEscaped appends s with the escapes of version v (STOMP 1.2, "Value Encoding"; 1.1 has no
// \r).
func appendEscaped(dst []byte, v Version, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0, c == '\n' && v == V10, c == '\r' && v < V12:
			dst = append(dst, ' ')
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == ':' && v > V10:
			dst = append(dst, `\c`...)
		case c == '\\' && v > V10:
			dst = append(dst, `\\`...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// unescape resolves the escapes of version v. Any other escape is a fatal error, which includes \r
// at 1.1 (STOMP 1.1 and 1.2, "Value Encoding").
func unescape(s string, v Version) (string, error) {
	if v == V10 || strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == 'n':
			b.WriteByte('\n')
		case i < len(s) && s[i] == 'c':
			b.WriteByte(':')
		case i < len(s) && s[i] == '\\':
			b.WriteByte('\\')
		case i < len(s) && s[i] == 'r' && v >= V12:
			b.WriteByte('\r')
		default:
			return "", malformed("a header has an undefined escape")
		}
	}
	return b.String(), nil
}
