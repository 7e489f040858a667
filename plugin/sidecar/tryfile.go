package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
)

// An eventLine is one event of a file for try.
type eventLine struct {
	Topic       string            `json:"topic"`
	Payload     json.RawMessage   `json:"payload"` // JSON
	Text        *string           `json:"text"`    // anything else
	QoS         *byte             `json:"qos"`
	Retained    bool              `json:"retained"`
	ContentType string            `json:"content_type"`
	User        map[string]string `json:"user"`
	Received    time.Time         `json:"received"`
}

const (
	maxEventLine = 4 << 20  // bytes; the longest line of a file of events
	tryBuffer    = 64 << 10 // bytes, of what is read and of what is printed
)

// tryFile shows what the rules make of the events in a file, and sums up when they are several.
func (p *program) tryFile(ctx context.Context, c *config.Config, name string) int {
	r, err := p.open(name)
	if err != nil {
		return p.fail(err)
	}
	defer r.Close()
	progress := newProgress(p.stderr, plainEvery)
	if name == "-" && isTerminal(p.stdin) {
		progress = newProgress(io.Discard, 0) // where events are typed, it would stand in the way
	}
	out := bufio.NewWriterSize(progress.over(p.stdout), tryBuffer)
	f, t := newEventFile(name, r, out), newTally(c.Mapper)
	err = tryEvents(ctx, c, f, t, out, progress)
	if t.events > 1 {
		t.print(out, fmt.Sprintf("%d events: %d mapped, %d filtered, %d rejected", t.events,
			t.ended[mapping.Mapped], t.ended[mapping.Filtered], t.ended[mapping.Rejected]))
	}
	failed := out.Flush()
	progress.end()
	switch {
	case failed != nil:
		return p.fail(fmt.Errorf("printing: %w", failed))
	case err != nil:
		return p.fail(err)
	case t.events == 0:
		return p.fail(fmt.Errorf("%s holds no event", f.name))
	case t.ended[mapping.Mapped] < t.events:
		return exitFailure
	}
	return exitOK
}

// tryEvents prints what becomes of the events, until there are no more or ctx is done.
func tryEvents(ctx context.Context, c *config.Config, f *eventFile, t *tally, out *bufio.Writer, progress *progress) error {
	rate := newRate()
	for ctx.Err() == nil {
		e, err := f.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		t.add(tryEvent(out, c, e))
		if progress.due() {
			out.Flush() // an error stays with out
			progress.show(fmt.Sprintf("%s%s %s  %s rejected  %s", f.share(), grouped(t.events), plural(t.events, "event", "events"),
				grouped(t.ended[mapping.Rejected]), rate.text(t.events)))
		}
	}
	return fmt.Errorf("%s: interrupted after line %d", f.name, f.line)
}

// An eventFile reads events, one a line.
type eventFile struct {
	name  string
	size  int64 // in bytes; 0: not known before its end
	input *flushingReader
	lines *bufio.Scanner
	line  int // the number of the last one read
}

// newEventFile returns one that flushes out before it waits for more, so that nothing is held back meanwhile.
func newEventFile(name string, r io.Reader, out *bufio.Writer) *eventFile {
	f := &eventFile{name: name, input: &flushingReader{r: r, out: out}}
	if name == "-" {
		f.name = "standard input"
	}
	if file, ok := r.(fs.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			f.size = info.Size()
		}
	}
	f.lines = bufio.NewScanner(f.input)
	f.lines.Buffer(make([]byte, 0, tryBuffer), maxEventLine)
	return f
}

// next returns the next event, io.EOF after the last.
func (f *eventFile) next() (mapping.Event, error) {
	for f.lines.Scan() {
		f.line++
		if len(bytes.TrimSpace(f.lines.Bytes())) == 0 {
			continue
		}
		e, err := parseEvent(f.lines.Bytes())
		if err != nil {
			err = fmt.Errorf("%s:%d: %w", f.name, f.line, err)
		}
		return e, err
	}
	switch err := f.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return mapping.Event{}, fmt.Errorf("%s: a line is longer than %d bytes", f.name, maxEventLine)
	case err != nil:
		return mapping.Event{}, fmt.Errorf("%s: %w", f.name, err)
	}
	return mapping.Event{}, io.EOF
}

// share returns how much of the file has been read, for a line of progress; "" where that is not known.
func (f *eventFile) share() string {
	if f.size == 0 {
		return ""
	}
	return fmt.Sprintf("%d%%  ", min(100, f.input.n*100/f.size))
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

// parseEvent reads one line of a file of events.
func parseEvent(line []byte) (mapping.Event, error) {
	var l eventLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return mapping.Event{}, fmt.Errorf("%w; an event is a JSON object with topic, payload or text, and maybe qos, retained, content_type, user, received", err)
	}
	e := mapping.Event{Topic: l.Topic, Payload: l.Payload, QoS: 1, Retained: l.Retained, ContentType: l.ContentType,
		User: l.User, Received: l.Received}
	switch {
	case d.More():
		return e, errors.New("more than one event in a line")
	case l.Topic == "":
		return e, errors.New("an event needs a topic")
	case strings.ContainsAny(l.Topic, wildcards):
		return e, errWildcard
	case (l.Text == nil) == (l.Payload == nil):
		return e, errors.New("an event needs payload or text, one of them")
	case l.Text != nil:
		e.Payload = []byte(*l.Text)
	}
	if l.QoS != nil {
		e.QoS = *l.QoS
	}
	if e.Received.IsZero() {
		e.Received = time.Now()
	}
	return e, nil
}
