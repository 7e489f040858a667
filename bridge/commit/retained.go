package commit

import (
	"context"
	"hash/fnv"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// rules are what events are mapped by.
type rules struct {
	*mapping.Mapper
	hash    uint64
	deliver map[string]bool // names of the rules that map retained messages
	why     *reasons
}

func newRules(m *mapping.Mapper, hash string) *rules {
	h := fnv.New64a()
	h.Write([]byte(hash))
	r := &rules{Mapper: m, hash: h.Sum64(), deliver: map[string]bool{}, why: newReasons(m)}
	for _, info := range m.Rules() {
		if info.Retained {
			r.deliver[info.Name] = true
		}
	}
	return r
}

// state reports whether a rule that maps retained messages has mapped or rejected the event.
func (r *rules) state(result mapping.Result) bool {
	if len(r.deliver) == 0 {
		return false
	}
	for _, o := range result.Outcomes {
		if o.What != mapping.Filtered && r.deliver[o.Rule] {
			return true
		}
	}
	return false
}

// begin begins a reading of retained messages. Everything that came before is in the log.
func (c *Committer) begin(ctx context.Context) (err error) {
	c.topics.begin()
	c.newest, err = loadNewest(ctx, c.snapshot)
	return err
}

// news is what of a retained message is none.
type news struct {
	there []int // the indices of the outputs that the journal has, or has newer ones of
	known bool  // the rules have made something of it, and nothing is left
	again bool  // the message was committed before under the same rules, or something newer of its topic
}

// news finds what the journal has of the result of a retained message, and takes the rejections out
// that were published before.
//
// An output with a key is there if it is the newest of its key. Where it is not, the same message
// may have been committed before under the same rules, and something else have overtaken it. One
// without a key is there if the message was committed before under whatever rules. What the rules
// remember of it they remember again under other rules.
func (c *Committer) news(e *mqtt.Event, event mapping.Event, r *rules, result *mapping.Result) (n news) {
	last, sum := c.topics.of(e.Topic), sumOfEvent(e, r.hash)
	overtaken := c.topics.overtaken(e.Topic)
	event.State = c.memory.Begin(e.Received)
	for i, o := range result.Outputs {
		if overtaken || c.isThere(i, o, event, r, last, sum) {
			n.there = append(n.there, i)
		}
	}
	some := len(result.Outputs)+len(result.Rejections)+len(result.Changes) > 0
	if n.again = overtaken || last == sum; n.again {
		result.Rejections, result.Changes = nil, nil
	}
	n.known = some && len(n.there) == len(result.Outputs) && len(result.Rejections)+len(result.Changes) == 0
	return n
}

// isThere reports whether the journal has the i-th output of a retained message of that sum; last
// is of the last event of its topic.
func (c *Committer) isThere(i int, o mapping.Output, event mapping.Event, r *rules, last, sum eventSum) bool {
	if o.Key == "" {
		return last.payload == sum.payload
	}
	return c.newest.has(r.Mapper, event, i, o) || last == sum && c.newest.knows(o)
}
