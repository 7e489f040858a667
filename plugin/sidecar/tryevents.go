package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
)

// An eventLine is one event of a file for try.
type eventLine struct {
	Topic       string            `json:"topic"`
	Payload     json.RawMessage   `json:"payload"` // JSON
	Text        *string           `json:"text"`    // text
	Base64      *[]byte           `json:"base64"`  // anything else
	File        *string           `json:"file"`    // in which the payload is; relative to the file of events
	QoS         *byte             `json:"qos"`
	Retained    bool              `json:"retained"`
	ContentType string            `json:"content_type"`
	User        map[string]string `json:"user"`
	Received    time.Time         `json:"received"`
	After       string            `json:"after"` // the line before; alone, it lets time pass
}

const (
	maxEventLine = 4 << 20  // bytes; the longest line of a file of events
	tryBuffer    = 64 << 10 // bytes, of what is read and of what is printed
)

// tryEvents shows what the rules make of the events in a file, and sums up when they are several.
func (p *program) tryEvents(ctx context.Context, t *trial, o tryOptions) error {
	r, err := p.open(o.events)
	if err != nil {
		return err
	}
	defer r.Close()
	out := bufio.NewWriterSize(p.stdout, tryBuffer)
	t.traces = p.traces(o.format, out)
	f := &eventsTry{trial: t, file: newEventFile(o.events, r, out), out: out, shown: newProgress(p.stderr)}
	if isTerminal(p.stdout) { // which shows by itself how far it is
		f.shown = newProgress(io.Discard)
	}
	err = f.run(ctx)
	f.sumUp()
	t.end(o.remembers)
	failed := out.Flush()
	switch {
	case failed != nil:
		return fmt.Errorf("printing: %w", failed)
	case err != nil:
		return err
	case t.tally.failed():
		return exit(exitFailure)
	}
	return nil
}

// A eventsTry is the way of try through a file of events.
type eventsTry struct {
	*trial
	file  *eventFile
	out   *bufio.Writer
	shown *progress
}

// run prints what becomes of each event, until there are no more or ctx is done.
func (f *eventsTry) run(ctx context.Context) error {
	for ctx.Err() == nil {
		e, waits, err := f.file.next()
		switch {
		case err == io.EOF && f.tally.events == 0:
			return fmt.Errorf("%s holds no event", f.file.name)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if waits {
			f.pass(e.Received)
		} else {
			f.event(e)
		}
		if f.out.Buffered() > tryBuffer/2 {
			f.out.Flush() // with whole events; an error stays with out
		}
		f.shown.step(f.tally.events, f.progress)
	}
	return fmt.Errorf("%s: interrupted after line %d", f.file.name, f.file.line)
}

// progress returns how far run is.
func (f *eventsTry) progress() string {
	return fmt.Sprintf("%s%d events, %d rejected", f.file.share(), f.tally.events, f.tally.ended[mapping.Rejected])
}

func (f *eventsTry) sumUp() {
	if t := f.tally; t.events > 1 && f.traces.format != formatJSON {
		heading := fmt.Sprintf("%d events: %d mapped, %d filtered, %d rejected", t.events,
			t.ended[mapping.Mapped], t.ended[mapping.Filtered], t.ended[mapping.Rejected])
		if n := t.ended[mapping.Duplicate]; n > 0 {
			heading += fmt.Sprintf(", %d duplicate", n)
		}
		t.print(f.out, heading)
	}
}

// An eventFile reads events, one a line.
type eventFile struct {
	name      string
	directory string // where the relative paths of payloads start
	size      int64  // in bytes; 0: not known before its end
	input     *flushingReader
	lines     *bufio.Scanner
	line      int       // the number of the last one read
	now       time.Time // that a line has said; zero: none has
}

// newEventFile returns one that flushes out before it waits for more, so that nothing is held back
// meanwhile.
func newEventFile(name string, r io.Reader, out *bufio.Writer) *eventFile {
	f := &eventFile{name: name, directory: filepath.Dir(name), input: &flushingReader{r: r, out: out}}
	if name == "-" {
		f.name, f.directory = "standard input", ""
	}
	if file, ok := r.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			f.size = info.Size()
		}
	}
	f.lines = bufio.NewScanner(f.input)
	f.lines.Buffer(make([]byte, 0, tryBuffer), maxEventLine)
	return f
}

// next returns the next event, io.EOF after the last. One that waits is only the time until which
// time passes.
func (f *eventFile) next() (e mapping.Event, waits bool, err error) {
	for f.lines.Scan() {
		f.line++
		if len(bytes.TrimSpace(f.lines.Bytes())) == 0 {
			continue
		}
		e, waits, err = f.parse(f.lines.Bytes())
		if err != nil {
			err = fmt.Errorf("%s:%d: %w", f.name, f.line, err)
		}
		return e, waits, err
	}
	switch err := f.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return e, false, fmt.Errorf("%s: a line is longer than %d bytes", f.name, maxEventLine)
	case err != nil:
		return e, false, fmt.Errorf("%s: %w", f.name, err)
	}
	return e, false, io.EOF
}

// share returns how much of the file has been read, for a line of progress; "" where that is not
// known.
func (f *eventFile) share() string {
	if f.size == 0 {
		return ""
	}
	return fmt.Sprintf("%d%%, ", min(100, f.input.n*100/f.size))
}

// A flushingReader counts what it reads, and flushes out before each read.
type flushingReader struct {
	r   io.Reader
	out *bufio.Writer
	n   int64
}

// Read implements io.Reader.
func (f *flushingReader) Read(b []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	n, err := f.r.Read(b)
	f.n += int64(n)
	return n, err
}

// parse reads one line.
func (f *eventFile) parse(line []byte) (e mapping.Event, waits bool, err error) {
	var l eventLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return e, false, fmt.Errorf("%w; an event is a JSON object with topic, payload or text or base64 or file, and maybe qos, retained, content_type, user, received, after", err)
	}
	e = mapping.Event{Topic: l.Topic, QoS: 1, Retained: l.Retained, ContentType: l.ContentType, User: l.User}
	if e.Received, err = f.time(l); err != nil {
		return e, false, err
	}
	_, after := d.Token()
	switch {
	case after != io.EOF:
		return e, false, errors.New("more follows the event; a line holds one event")
	case l.waits():
		return e, true, nil
	case l.Topic == "":
		return e, false, errors.New("an event needs a topic")
	case strings.ContainsAny(l.Topic, wildcards):
		return e, false, errWildcard
	case l.QoS != nil && *l.QoS > 2:
		return e, false, fmt.Errorf("qos is 0, 1 or 2, not %d", *l.QoS)
	}
	if l.QoS != nil {
		e.QoS = *l.QoS
	}
	e.Payload, err = l.payload(f.directory)
	return e, false, err
}

// waits reports whether the line says only that time passes.
func (l *eventLine) waits() bool {
	return l.After != "" && l.Topic == "" && l.Payload == nil && l.Text == nil && l.Base64 == nil && l.File == nil
}

// time returns when the event of the line comes: as it says, otherwise at the time that a line before
// has said, or now.
func (f *eventFile) time(l eventLine) (time.Time, error) {
	now := f.now
	if now.IsZero() {
		now = time.Now()
	}
	switch after, err := time.ParseDuration(l.After); {
	case l.After == "" && l.Received.IsZero():
		return now, nil
	case l.After == "":
		f.now = l.Received
	case !l.Received.IsZero():
		return now, errors.New("an event has after or received, not both")
	case err != nil || after < 0:
		return now, fmt.Errorf("after is a duration such as 10m or 24h, not %q", l.After)
	default:
		f.now = now.Add(after)
	}
	return f.now, nil
}

// payload returns the payload that the line has in one of four ways.
func (l *eventLine) payload(directory string) ([]byte, error) {
	switch {
	case !oneOf(l.Payload != nil, l.Text != nil, l.Base64 != nil, l.File != nil):
		return nil, errors.New("an event needs payload, text, base64 or file, one of them")
	case l.Text != nil:
		return []byte(*l.Text), nil
	case l.Base64 != nil:
		return *l.Base64, nil
	case l.File != nil:
		name := *l.File
		if !filepath.IsAbs(name) {
			name = filepath.Join(directory, name)
		}
		data, err := config.ReadFirst(name, maxEventLine+1)
		if err == nil && len(data) > maxEventLine {
			err = fmt.Errorf("%s holds more than %d bytes", name, maxEventLine)
		}
		return data, err
	}
	return l.Payload, nil
}
