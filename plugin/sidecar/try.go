package main

import (
	"context"
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
	f := p.flags("try", "[-c config.yaml] -t TOPIC (-m PAYLOAD | -f FILE | -n) [...]  or  --events FILE  or  --listen N [-W SECONDS]")
	path := configFlag(f)
	var e mapping.Event
	f.StringVar(&e.Topic, "t", "", "the `topic` of the event")
	message := f.String("m", "", "the `payload` of the event")
	file := f.String("f", "", "read the payload from this `file`; - for standard input")
	empty := f.Bool("n", false, "the payload is empty")
	f.BoolVar(&e.Retained, "retained", false, "the event is a retained message that the broker sends at subscribe")
	f.StringVar(&e.ContentType, "content-type", "", "the MQTT 5 content `type` of the event")
	var user stringList
	f.Var(&user, "D", "an MQTT 5 user property, `name=value`; can be repeated")
	events := f.String("events", "", `try the events in this `+"`file`"+`, one JSON object per line: {"topic": ..., "payload": ... or "text": ...}; - for standard input`)
	live := f.Int("listen", 0, "try the next `N` messages from the broker, received at QoS 0 in a separate session; a running bridge gets them too")
	wait := f.Float64("W", 0, fmt.Sprintf("with --listen, end after this many `seconds` with exit code %d", exitWaited))
	if code, done := parse(f, args); done {
		return code
	}
	switch {
	case !oneOf(e.Topic != "", *events != "", *live > 0):
		return p.misused(f, "try needs an event: -t TOPIC with a payload, --events FILE, or --listen N")
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
		return p.tryEvents(ctx, c, *events)
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
	if r := tryEvent(p.stdout, c, e); outcomeOf(r) != mapping.Mapped {
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

// tryEvent prints what the rules make of e.
func tryEvent(w io.Writer, c *config.Config, e mapping.Event) mapping.Result {
	t := c.Mapper.Explain(e)
	t.Format(w)
	if base := c.Broker.BaseTopic; e.Topic == base || strings.HasPrefix(e.Topic, base+"/") {
		fmt.Fprintf(w, "     %s and what is below it is the bridge's own (broker.base_topic): no rule sees it\n", base)
	}
	return t.Result
}

// outcomeOf sums up what became of an event by all rules: one that no rule takes counts as
// filtered.
func outcomeOf(r mapping.Result) mapping.What {
	switch {
	case len(r.Rejections) > 0:
		return mapping.Rejected
	case len(r.Outputs) > 0:
		return mapping.Mapped
	}
	return mapping.Filtered
}
