package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/workbench"
)

// A traceWriter prints what the rules make of events.
type traceWriter struct {
	w      io.Writer
	format format
	style  style
}

// traces returns one that writes to w; colours are for standard output.
func (p *program) traces(f format, w io.Writer) *traceWriter {
	return &traceWriter{w: w, format: f, style: p.style(p.stdout)}
}

// event prints what the rules make of an event, which may be below the bridge's own topic.
func (t *traceWriter) event(trace mapping.Trace, base string) {
	t.trace(trace)
	if topic := trace.Event.Topic; t.format != formatJSON && (topic == base || strings.HasPrefix(topic, base+"/")) {
		fmt.Fprintf(t.w, "     %s and what is below it is the bridge's own (broker.base_topic): no rule sees it\n", base)
	}
}

// trace prints one trace. An error of the writer stays with it.
func (t *traceWriter) trace(trace mapping.Trace) {
	if t.format == formatJSON {
		e := json.NewEncoder(t.w)
		e.SetEscapeHTML(false)
		e.Encode(workbench.TracedOf(trace))
		return
	}
	var text bytes.Buffer
	trace.Format(&text)
	io.WriteString(t.w, t.style.trace(text.String()))
}
