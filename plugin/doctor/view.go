package doctor

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/topic"
)

// A view is what the doctor's subscriptions bring.
type view struct {
	mapper  *mapping.Mapper
	base    string        // the bridge's base topic
	own     string        // the topic where the doctor alone publishes
	publish string        // the topic that the doctor was told to publish to; "": none
	event   []byte        // what it publishes there
	back    chan struct{} // the message at own has come back; holds one

	mu       sync.Mutex
	filters  []*filterView
	rules    map[string]*ruleView // rule name -> what it made of the events
	state    []byte               // the newest status of the bridge; nil: none
	changes  int                  // of the status, while it was watched
	figures  map[string]string    // $SYS topic -> value
	returned bool                 // the event that was published has come back
}

// A filterView is what came through one topic filter of the rules.
type filterView struct {
	mapping.Filter
	granted  bool
	refused  bool
	retained int
	live     int
}

// A ruleView is what a rule made of the events that came.
type ruleView struct {
	events   int // elements of an each one by one
	rejected int
	skipped  int // retained ones, as the rule says
}

func (d *doctor) newView() *view {
	v := &view{
		mapper:  d.cfg.Settings.Mapper,
		base:    d.baseTopic(),
		own:     d.ownTopic(),
		publish: d.cfg.Publish,
		event:   fmt.Appendf(nil, `{"doctor": %q}`, d.id),
		back:    make(chan struct{}, 1),
		rules:   map[string]*ruleView{},
		figures: map[string]string{},
	}
	for _, r := range v.mapper.Rules() {
		v.rules[r.Name] = &ruleView{}
	}
	for _, f := range v.mapper.Filters() {
		v.filters = append(v.filters, &filterView{Filter: f})
	}
	return v
}

// reset forgets what has come, before another connection brings it again.
func (v *view) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.changes = nil, 0
	clear(v.figures)
	for _, f := range v.filters {
		f.retained, f.live = 0, 0
	}
	for _, r := range v.rules {
		*r = ruleView{}
	}
}

// follow looks at what the visit receives until it ends.
func (v *view) follow(visit *mqtt.Visit) {
	for {
		select {
		case e := <-visit.Events():
			v.received(e)
		case <-visit.Done():
			return
		}
	}
}

// received sorts a message.
func (v *view) received(e *mqtt.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case e.Topic == v.own:
		select {
		case v.back <- struct{}{}:
		default:
		}
	case e.Topic == v.base+"/state":
		if !e.Retained && !bytes.Equal(e.Payload, v.state) {
			v.changes++
		}
		v.state = e.Payload
	case topic.Match(v.base+"/#", e.Topic):
	case strings.HasPrefix(e.Topic, "$SYS/"):
		v.figures[e.Topic] = string(e.Payload)
	case e.Topic == v.publish && bytes.Equal(e.Payload, v.event):
		v.returned = true
		v.countFilter(e)
	default:
		v.countFilter(e)
		v.countRules(e)
	}
}

func (v *view) countFilter(e *mqtt.Event) {
	for _, f := range v.filters {
		switch {
		case !topic.Match(f.Topic, e.Topic):
		case e.Retained:
			f.retained++
		default:
			f.live++
		}
	}
}

// countRules notes what the rules make of an event.
func (v *view) countRules(e *mqtt.Event) {
	for _, o := range v.mapper.Map(commit.ForRules(e)).Outcomes {
		r := v.rules[o.Rule]
		r.events++
		switch {
		case o.What == mapping.Rejected:
			r.rejected++
		case o.Why == "retained":
			r.skipped++
		}
	}
}
