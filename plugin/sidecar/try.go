package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/mapping"
)

// A tryOptions is the command line of try.
type tryOptions struct {
	path          string
	event         mapping.Event // topic, content type, retained
	message, file string
	empty         bool
	user          []string
	events        string
	live          int
	memory        string
	remembers     bool
	wait          float64 // seconds
	format        format
}

// tryCommand shows what the rules make of events.
func (p *program) tryCommand() *cobra.Command {
	var o tryOptions
	c := p.command(description{
		name: "try", group: groupRules,
		about: "show what the rules do with an event",
		more: `The event is one from the command line (-t with -m, -f or -n), each of a file (--events), or the next
from the broker (--listen). They come one after another: a rule finds what rules remember of those before, and of
--memory at the beginning.`,
		codes: fmt.Sprintf("0 the rules map every event; 1 one is rejected, or no rule takes it, or it failed; 2 the command line is wrong; %d nothing more came within -W SECONDS", exitWaited),
		example: `  mqtt-stomp-bridge try -t chat/42/unread -m '{"count": 1}'
  mqtt-stomp-bridge try --events events.jsonl --format json`,
	}, func(ctx context.Context) error {
		if err := o.check(); err != nil {
			return err
		}
		return p.try(ctx, o)
	})
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVarP(&o.event.Topic, "topic", "t", "", "the `topic` of the event")
	f.StringVarP(&o.message, "message", "m", "", "the `payload` of the event")
	f.StringVarP(&o.file, "file", "f", "", "read the payload from this `file`; - for standard input")
	f.BoolVarP(&o.empty, "null-message", "n", false, "the payload is empty")
	f.BoolVar(&o.event.Retained, "retained", false, "the event is a retained message that the broker sends at subscribe")
	f.StringVar(&o.event.ContentType, "content-type", "", "the MQTT 5 content `type` of the event")
	f.StringArrayVarP(&o.user, "user-property", "D", nil, "an MQTT 5 user property, `name=value`; can be repeated")
	f.StringVar(&o.events, "events", "", `try the events in this `+"`file`"+`, one JSON object per line: {"topic": ..., "payload": ... or "text": ... or "base64": ... or "file": ...}; {"after": "10m"} lets time pass; - for standard input`)
	f.IntVar(&o.live, "listen", 0, "try the next `N` messages from the broker, received at QoS 0 in a separate session; a running bridge gets them too")
	f.StringVar(&o.memory, "memory", "", `what is remembered at the beginning: a `+"`file`"+` in YAML or JSON, {MEMORY: {KEY: VALUE}}; - for standard input`)
	f.BoolVar(&o.remembers, "remembers", false, "print what is remembered at the end, as --memory and tests take it")
	waitFlag(c, &o.wait, "with --listen, end")
	formatFlag(c, &o.format, "for programs, an object a line for each event")
	return c
}

// check returns what is wrong with the flags, and takes the user properties apart.
func (o *tryOptions) check() error {
	e := &o.event
	switch {
	case !oneOf(e.Topic != "", o.events != "", o.live > 0):
		return misused("try", "needs an event: -t TOPIC with a payload, --events FILE, or --listen N")
	case o.memory == "-" && (o.file == "-" || o.events == "-"):
		return misused("try", "standard input is one file: --memory, or what holds the events")
	case e.Topic != "" && !oneOf(o.message != "", o.file != "", o.empty):
		return misused("try", "-t needs a payload: -m PAYLOAD, -f FILE, or -n for an empty one")
	case strings.ContainsAny(e.Topic, wildcards):
		return misused("try", "-t %s: %v", e.Topic, errWildcard)
	}
	for _, u := range o.user {
		name, value, found := strings.Cut(u, "=")
		if !found {
			return misused("try", "-D needs name=value, not %q", u)
		}
		if e.User == nil {
			e.User = map[string]string{}
		}
		e.User[name] = value
	}
	return nil
}

func (p *program) try(ctx context.Context, o tryOptions) error {
	c, err := p.load(o.path)
	if err != nil {
		return err
	}
	remembered, err := p.readMemory(c, o.memory)
	if err != nil {
		return err
	}
	t := newTrial(c, remembered)
	switch {
	case o.events != "":
		return p.tryEvents(ctx, t, o)
	case o.live > 0:
		return p.tryListen(ctx, t, o)
	}
	e := o.event
	e.QoS, e.Received = 1, time.Now()
	if e.Payload, err = p.payload(o.message, o.file); err != nil {
		return err
	}
	t.traces = p.traces(o.format, p.stdout)
	t.event(e)
	t.end(o.remembers)
	if t.tally.failed() {
		return exit(exitFailure)
	}
	return nil
}

// payload returns the payload of an event on the command line: message, or what is in file.
func (p *program) payload(message, file string) ([]byte, error) {
	if file != "" {
		return p.readAll(file)
	}
	return []byte(message), nil
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
