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
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
)

// try shows what the rules make of events; exit code 1 when one is rejected or matches nothing.
func (p *program) try(ctx context.Context, args []string) int {
	f := p.flags("try", "[-c config.yaml] -t TOPIC (-m PAYLOAD | -f FILE | -n) [...]  or  --file EVENTS  or  --listen N [-W SECONDS]")
	path := configFlag(f)
	var e mapping.Event
	f.StringVar(&e.Topic, "t", "", "the `topic` of the event")
	message := f.String("m", "", "its `payload`")
	file := f.String("f", "", "a `file` that holds the payload; - for standard input")
	empty := f.Bool("n", false, "the payload is empty")
	f.BoolVar(&e.Retained, "retained", false, "the event is a retained copy, replayed at subscribe")
	f.StringVar(&e.ContentType, "content-type", "", "its MQTT 5 content `type`")
	var user stringList
	f.Var(&user, "D", "an MQTT 5 user property, `name=value`; may be given several times")
	events := f.String("file", "", `a `+"`file`"+` of events, one JSON object a line, {"topic": ..., "payload": ... or "text": ...}; - for standard input`)
	live := f.Int("listen", 0, "the next `N` live messages from the broker, received at QoS 0 in a session of its own: a running bridge gets them too")
	wait := f.Float64("W", 0, fmt.Sprintf("with --listen, end after so many `seconds` with exit code %d", exitWaited))
	if code, done := parse(f, args); done {
		return code
	}
	switch {
	case !oneOf(e.Topic != "", *events != "", *live > 0):
		return p.misused(f, "try needs an event: -t TOPIC with a payload, --file EVENTS, or --listen N")
	case e.Topic != "" && !oneOf(*message != "", *file != "", *empty):
		return p.misused(f, "-t needs a payload: -m PAYLOAD, -f FILE, or -n for an empty one")
	case strings.ContainsAny(e.Topic, wildcards):
		return p.misused(f, fmt.Sprintf("-t %s: %v", e.Topic, errWildcard))
	}
	for _, u := range user {
		name, value, found := strings.Cut(u, "=")
		if !found {
			return p.misused(f, fmt.Sprintf("-D needs name=value, not %q", u))
		}
		if e.User == nil {
			e.User = map[string]string{}
		}
		e.User[name] = value
	}
	c := p.load(*path)
	switch {
	case c == nil:
		return exitFailure
	case *events != "":
		return p.tryFile(c, *events)
	case *live > 0:
		return p.tryListen(ctx, c, *live, time.Duration(*wait*float64(time.Second)))
	}
	e.QoS, e.Received = 1, time.Now()
	e.Payload = []byte(*message)
	if *file != "" {
		var err error
		if e.Payload, err = p.readAll(*file); err != nil {
			return p.fail(err)
		}
	}
	if !p.tryEvent(c, e) {
		return exitFailure
	}
	return exitOK
}

// wildcards stand in topic filters only.
const wildcards = "+#"

var errWildcard = errors.New("an event's topic holds no + and no #, which are for filters: write out one topic")

// oneOf reports whether exactly one of the conditions holds.
func oneOf(conditions ...bool) bool {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n == 1
}

// open opens the named file, or standard input for "-".
func (p *program) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(p.stdin), nil
	}
	return os.Open(name)
}

func (p *program) readAll(name string) ([]byte, error) {
	r, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// tryEvent prints what the rules make of e, and reports whether something came of it and nothing was rejected.
func (p *program) tryEvent(c *config.Config, e mapping.Event) bool {
	t := c.Mapper.Explain(e)
	t.Format(p.stdout)
	if base := c.Broker.BaseTopic; e.Topic == base || strings.HasPrefix(e.Topic, base+"/") {
		fmt.Fprintf(p.stdout, "     %s and what is below it is the bridge's own (broker.base_topic): no rule sees it\n", base)
	}
	return len(t.Result.Outputs) > 0 && len(t.Result.Rejections) == 0
}

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

// maxEventLine is the longest line of such a file.
const maxEventLine = 4 << 20

func (p *program) tryFile(c *config.Config, name string) int {
	r, err := p.open(name)
	if err != nil {
		return p.fail(err)
	}
	defer r.Close()
	if name == "-" {
		name = "standard input"
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEventLine)
	code, events := exitOK, 0
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := parseEvent(lines.Bytes())
		if err != nil {
			return p.fail(fmt.Errorf("%s:%d: %w", name, n, err))
		}
		events++
		if !p.tryEvent(c, e) {
			code = exitFailure
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return p.fail(fmt.Errorf("%s: a line is longer than %d bytes", name, maxEventLine))
	case err != nil:
		return p.fail(fmt.Errorf("%s: %w", name, err))
	}
	if events == 0 {
		return p.fail(fmt.Errorf("%s holds no event", name))
	}
	return code
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
