package stomp

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits bound what one frame may hold. A field that is zero stands for its default.
type Limits struct {
	Line    int // bytes of a header line as sent, without its end; default 24 KiB: room for a token of 16 KiB, in base64 too
	Headers int // header entries; default 64
	Body    int // bytes of the body; default 64 KiB
}

// DefaultLimits returns what the zero fields of Limits stand for.
func DefaultLimits() Limits {
	return Limits{Line: 24 << 10, Headers: 64, Body: 64 << 10}
}

// withDefaults returns l with each zero replaced.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		Line:    cmp.Or(l.Line, d.Line),
		Headers: cmp.Or(l.Headers, d.Headers),
		Body:    cmp.Or(l.Body, d.Body),
	}
}

// Decoder turns bytes into frames, however the bytes were split on their way. It keeps at most one
// partial frame within its limits, whatever a content-length claims, and between frames it keeps
// nothing. Blanks around the names and values of headers are trimmed at 1.0 alone, but in CONNECT:
// see Frame.TrimBlanks. It is not safe for concurrent use. NewDecoder is the only way to make one.
type Decoder struct {
	limits  Limits
	version Version

	in     []byte // lent by Write, not yet read
	line   []byte // the beginning of a line whose end is not there yet
	frame  Frame  // what is known of the frame being read; Command is empty between frames
	inBody bool   // the frame's headers are complete
	length int    // its content-length; -1: none given

	err error // the first error
}

// NewDecoder returns a decoder for version 1.0, which SetVersion changes.
func NewDecoder(l Limits) *Decoder {
	return &Decoder{limits: l.withDefaults()}
}

// SetVersion sets the version of the frames that Next has not returned yet. Call it when CONNECT or
// CONNECTED has settled the version, before the next call of Next.
func (d *Decoder) SetVersion(v Version) { d.version = v }

// Write lends p to the decoder until Next returns an error, which is ErrIncomplete when all of p is
// read; then p is the caller's again. Write panics if it is called earlier. After an error it does
// nothing.
func (d *Decoder) Write(p []byte) {
	if d.err != nil {
		return
	}
	if len(d.in) > 0 {
		panic("stomp: Decoder.Write before Next returned ErrIncomplete")
	}
	d.in = p
}

// Next returns the next frame, whose memory is the caller's, or ErrIncomplete when it needs more
// bytes. Any other error is an *Error and final: it is returned again by every later call.
func (d *Decoder) Next() (Frame, error) {
	if d.err != nil {
		return Frame{}, d.err
	}
	err := d.read()
	switch err {
	case nil:
		f := d.frame
		d.reset()
		return f, nil
	case ErrIncomplete:
		d.in = nil
		return Frame{}, err
	}
	d.reset()
	d.in, d.err = nil, err
	return Frame{}, err
}

// reset forgets the frame, but not the bytes behind it.
func (d *Decoder) reset() {
	d.line, d.frame, d.inBody, d.length = nil, Frame{}, false, 0
}

// read goes on with the frame where the last call stopped for want of bytes.
func (d *Decoder) read() error {
	if d.frame.Command == "" {
		if err := d.readCommand(); err != nil {
			return err
		}
	}
	if d.frame.Command == CommandHeartBeat {
		return nil
	}
	if !d.inBody {
		if err := d.readHeaders(); err != nil {
			return err
		}
	}
	if d.length >= 0 {
		return d.readSizedBody()
	}
	return d.readBody()
}

// Open reports whether a frame has begun whose end has not been written yet.
func (d *Decoder) Open() bool { return d.frame.Command != "" || len(d.line) > 0 }

func (d *Decoder) readCommand() error {
	if err := d.checkCommand(); err != nil {
		return err
	}
	line, err := d.readLine(maxCommand, "the command line is too long")
	if err != nil {
		return err
	}
	c, ok := parseCommand(line)
	if !ok {
		return notFrame(line)
	}
	d.frame.Command = c
	return nil
}

// checkCommand refuses a command line as soon as no command begins like it: what is not STOMP may
// never have a line end, and its sender would wait for an answer.
func (d *Decoder) checkCommand() error {
	var room [2*maxCommand + 2]byte
	line := append(append(room[:0], d.line...), d.in[:min(len(d.in), maxCommand+1)]...)
	if end := bytes.IndexAny(line, "\r\n\x00"); end >= 0 {
		line = line[:end]
	}
	if !beginsCommand(line) {
		return notFrame(line)
	}
	return nil
}

func (d *Decoder) readHeaders() error {
	for {
		line, err := d.readLine(d.limits.Line, "a header line is too long")
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return d.endHeaders()
		}
		if len(d.frame.Headers) >= d.limits.Headers {
			return overLimit("too many headers")
		}
		h, err := parseHeader(line, d.frame.Command.escaping(d.version))
		if err != nil {
			return err
		}
		if d.version == V10 && !d.frame.Command.settlesVersion() {
			if h = h.trimBlanks(); h.Key == "" {
				return malformed("a header has no name")
			}
		}
		d.frame.Headers = append(d.frame.Headers, h)
	}
}

// endHeaders settles how the body will be read.
func (d *Decoder) endHeaders() error {
	length, err := contentLength(d.frame.Headers)
	if err != nil {
		return err
	}
	if err := d.checkBody(length); err != nil {
		return err
	}
	d.length, d.inBody = length, true
	return nil
}

// checkBody refuses a body of n bytes that the frame must not have. Every byte of a body passes it
// before it is kept.
func (d *Decoder) checkBody(n int) error {
	if n > 0 && !d.frame.Command.mayHaveBody(d.version) {
		return malformed("a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off")
	}
	if n > d.limits.Body {
		return overLimit("the body is too long")
	}
	return nil
}

// readSizedBody reads the body by its content-length, and the NUL behind it.
func (d *Decoder) readSizedBody() error {
	n := min(d.length-len(d.frame.Body), len(d.in))
	d.frame.Body = append(d.frame.Body, d.in[:n]...)
	d.in = d.in[n:]
	if len(d.in) == 0 {
		return ErrIncomplete
	}
	if d.in[0] != 0 {
		return malformed("the body is not followed by NUL")
	}
	d.in = d.in[1:]
	return nil
}

// readBody reads the body up to the first NUL.
func (d *Decoder) readBody() error {
	part, rest, found := bytes.Cut(d.in, []byte{0})
	if err := d.checkBody(len(d.frame.Body) + len(part)); err != nil {
		return err
	}
	d.frame.Body = append(d.frame.Body, part...)
	d.in = rest
	if !found {
		return ErrIncomplete
	}
	return nil
}

// readLine returns the next line without its end. It is valid until the next call.
func (d *Decoder) readLine(limit int, tooLong string) ([]byte, error) {
	part, rest, found := bytes.Cut(d.in, []byte{'\n'})
	if len(d.line)+len(part) > limit+len("\r") {
		return nil, overLimit(tooLong)
	}
	if bytes.IndexByte(part, 0) >= 0 {
		return nil, malformed("NUL before the end of the headers")
	}
	line := part
	if len(d.line) > 0 || !found {
		d.line = append(d.line, part...)
		line = d.line
	}
	text, _ := bytes.CutSuffix(line, []byte{'\r'})
	if len(text) > limit {
		return nil, overLimit(tooLong)
	}
	if !found {
		return nil, ErrIncomplete
	}
	d.in, d.line = rest, d.line[:0]
	return text, nil
}

// parseHeader splits a line at its first colon and resolves the escapes of version v. Clients leave
// later colons as they are, although from 1.1 on they should not.
func parseHeader(line []byte, v Version) (Header, error) {
	if !utf8.Valid(line) {
		return Header{}, malformed("a header line is not valid text")
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return Header{}, malformed("a header line has a carriage return that does not end it")
	}
	key, value, found := strings.Cut(string(line), ":")
	if !found {
		return Header{}, malformed("a header line has no colon")
	}
	if key == "" {
		return Header{}, malformed("a header has no name")
	}
	key, err := unescape(key, v)
	if err != nil {
		return Header{}, err
	}
	value, err = unescape(value, v)
	return Header{key, value}, err
}

// contentLength returns the value of the content-length headers, or -1 if there is none.
func contentLength(headers []Header) (int, error) {
	length := -1
	for _, h := range headers {
		if h.Key != "content-length" {
			continue
		}
		n, err := parseDecimal(h.trimBlanks().Value)
		if err != nil {
			return 0, malformed("content-length is not a number of bytes")
		}
		if length >= 0 && n != length {
			return 0, malformed("there are different content-length headers")
		}
		length = n
	}
	return length, nil
}

// parseDecimal returns the number written by digits alone; one that no int can hold becomes the
// largest that can.
func parseDecimal(s string) (int, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if s != "" && err != nil {
		return n, nil // out of range
	}
	return n, err
}
