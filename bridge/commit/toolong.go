package commit

import (
	"fmt"
	"slices"

	"mqtt-stomp-bridge/mapping"
)

// messageHeaders is what the headers of a MESSAGE frame count as.
const messageHeaders = 1 << 10

// rejectLong has the rules reject those of their outputs that would become too long a message: a
// client that does not take it would end its session, come back and get it again, for ever.
func (c *Committer) rejectLong(r *mapping.Result, mapper *mapping.Mapper) {
	long := func(o mapping.Output) bool { return c.maxMessage > 0 && len(o.Body)+messageHeaders > c.maxMessage }
	if !slices.ContainsFunc(r.Outputs, long) {
		return
	}
	outputs, next := r.Outputs, 0
	r.Outputs = nil
	for i := range r.Outcomes { // every mapped one has the next output
		outcome := &r.Outcomes[i]
		if outcome.What != mapping.Mapped {
			continue
		}
		o := outputs[next]
		next++
		if !long(o) {
			r.Outputs = append(r.Outputs, o)
			continue
		}
		outcome.What, outcome.Why = mapping.Rejected, "too large"
		rejection := mapping.Rejection{Rule: o.Rule, Stage: "message", Queue: o.Queue, Item: outcome.Item, Kind: "too large",
			Reason: fmt.Sprintf("becomes a message of %d bytes, server.limits.message is %d", len(o.Body)+messageHeaders, c.maxMessage)}
		for _, info := range mapper.Rules() {
			if info.Name == o.Rule {
				rejection.File, rejection.Line = info.File, info.Line
			}
		}
		r.Rejections = append(r.Rejections, rejection)
	}
}
