package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/topic"
)

const (
	mostSent  = 256 << 10 // bytes of a request that sends an event
	sendLimit = 3 * time.Second
	mostSince = 100 // events on one topic since one was sent
	sendPause = 20 * time.Millisecond
)

// preset answers with a new sample of the preset.
func (p *page) preset(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(p.presets) {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, p.presets[n].event())
}

// A sent event is what became of one that the page has sent.
type sent struct {
	Number   uint64                 `json:"number"` // of the event in the trail
	Outcomes []commit.TracedOutcome `json:"outcomes"`
}

// send publishes an event, waits until the bridge has it, and answers with what it became: 400 says
// why it cannot be sent, 404 that no rule wants the topic.
func (p *page) send(w http.ResponseWriter, r *http.Request) {
	var event struct{ Topic, Payload string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostSent)).Decode(&event); err != nil {
		http.Error(w, "reading the event: "+err.Error(), http.StatusBadRequest)
		return
	}
	wanted := func(f mapping.Filter) bool { return topic.Match(f.Topic, event.Topic) }
	switch {
	case event.Topic == "":
		http.Error(w, "An event needs a topic.", http.StatusBadRequest)
		return
	case strings.ContainsAny(event.Topic, "+#\x00") || len(event.Topic) > topic.MaxBytes:
		http.Error(w, "No event can have that topic: + and # are for those who subscribe.", http.StatusBadRequest)
		return
	case !slices.ContainsFunc(p.bridge.Mapper().Filters(), wanted):
		http.Error(w, "No rule is for that topic, so the bridge does not subscribe to it. Try one of the samples, or add a rule.", http.StatusNotFound)
		return
	}
	_, newest, _ := p.bridge.Events(0, 0, nil)
	if err := p.Publish(event.Topic, []byte(event.Payload)); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), sendLimit)
	defer cancel()
	got, ok := p.arrived(ctx, newest, event.Topic)
	if !ok {
		http.Error(w, "It is sent, and the bridge has not committed it yet.", http.StatusGatewayTimeout)
		return
	}
	writeJSON(w, sent{got.Number, got.Outcomes})
}

// arrived waits for the event on the topic that comes after the one with the number after.
func (p *page) arrived(ctx context.Context, after uint64, on string) (commit.NumberedEvent, bool) {
	look := time.NewTicker(sendPause)
	defer look.Stop()
	for {
		events, _, _ := p.bridge.Events(after, mostSince, func(e *commit.TracedEvent) bool { return e.Topic == on })
		if len(events) > 0 {
			return events[0], true
		}
		select {
		case <-ctx.Done():
			return commit.NumberedEvent{}, false
		case <-look.C:
		}
	}
}

// mostShown is how many events the plain page has.
const mostShown = 20

// queues answers with the newest events and what the queues carried of them, for the plain page.
func (p *page) queues(w http.ResponseWriter, r *http.Request) {
	p.Opened()
	events, _, _ := p.bridge.Events(0, mostShown, nil)
	shown := []explain.Event{}
	for _, e := range slices.Backward(events) {
		a, err := p.bridge.Explain(r.Context(), explain.Query{Number: e.Number, Payloads: true})
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		shown = append(shown, a.Events...)
	}
	writeJSON(w, shown)
}
