package doctor

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/mapping"
)

// roundTripTime is how long the doctor's own message may be under way.
const roundTripTime = 5 * time.Second

// A view is what the doctor's subscriptions bring.
type view struct {
	*doctor
	back chan struct{} // the doctor's own message has come back; holds one

	mu       sync.Mutex
	filters  []*filterView
	rules    map[string]*ruleView // rule name -> what it made of the events
	state    []byte               // the newest status of the bridge; nil: none
	changes  int                  // of the status, while it was watched
	figures  map[string]string    // $SYS topic -> value
	returned bool                 // the event that was published at Publish has come back
}

// A filterView is what came through one topic filter of the rules.
type filterView struct {
	mapping.Filter
	granted  bool
	retained int
	live     int
}

// A ruleView is what a rule made of the events that came.
type ruleView struct {
	events   int // elements of an each one by one
	rejected int
	skipped  int // retained ones, by the rule's wish
}

func newView(d *doctor) *view {
	v := &view{doctor: d, back: make(chan struct{}, 1), rules: map[string]*ruleView{}, figures: map[string]string{}}
	for _, r := range d.Settings.Mapper.Rules() {
		v.rules[r.Name] = &ruleView{}
	}
	for _, f := range d.Settings.Mapper.Filters() {
		v.filters = append(v.filters, &filterView{Filter: f})
	}
	return v
}

// received sorts a message.
func (v *view) received(p *paho.Publish) {
	v.mu.Lock()
	defer v.mu.Unlock()
	base := v.Settings.Broker.BaseTopic
	switch {
	case p.Topic == v.ownTopic():
		select {
		case v.back <- struct{}{}:
		default:
		}
	case p.Topic == base+"/state":
		if !p.Retain && !bytes.Equal(p.Payload, v.state) {
			v.changes++
		}
		v.state = p.Payload
	case covers(base+"/#", p.Topic):
	case strings.HasPrefix(p.Topic, "$SYS/"):
		v.figures[p.Topic] = string(p.Payload)
	case p.Topic == v.Publish && bytes.Equal(p.Payload, v.event()):
		v.returned = true
		v.countFilter(p)
	default:
		v.countFilter(p)
		v.countRules(p)
	}
}

func (v *view) countFilter(p *paho.Publish) {
	for _, f := range v.filters {
		switch {
		case !covers(f.Topic, p.Topic):
		case p.Retain:
			f.retained++
		default:
			f.live++
		}
	}
}

// countRules notes what the rules make of an event.
func (v *view) countRules(p *paho.Publish) {
	e := mapping.Event{Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retained: p.Retain, Received: time.Now(), User: map[string]string{}}
	if p.Properties != nil {
		e.ContentType = p.Properties.ContentType
		for _, u := range p.Properties.User {
			e.User[u.Key] = u.Value
		}
	}
	for _, o := range v.Settings.Mapper.Map(e).Outcomes {
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

// event is what is published at the topic that the doctor is told to publish to.
func (v *view) event() []byte { return fmt.Appendf(nil, `{"doctor": %q}`, v.id) }
