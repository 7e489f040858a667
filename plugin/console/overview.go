package console

import (
	"fmt"
	"net/http"
	"strings"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
)

// shownLetters is how many dead letters the page shows: the newest.
const shownLetters = 8

// An overview is what the page of that name shows beside the State.
type overview struct {
	Ways  []way // the same, for pages that are wide and for those that are narrow
	All   bool  // rules are drawn
	Rules []mapping.RuleInfo

	Letters      []commit.DeadLetter // the newest
	LettersShown int64               // how many these are

	Replicas []replicaRow
	Follows  string // the replica that reads from the broker, where another one does

	Delivered, Waiting        string // the figures of all queues
	DeliveredSum, WaitingMost int64
}

// A way is a drawing of it.
type way struct {
	Drawing
	Name  string
	State State
}

// A replicaRow is one replica beside the others.
type replicaRow struct {
	journal.Replica
	This    bool
	Behind  uint64 // positions that another one has followed
	Differs bool   // it has another configuration than this one
}

// rows returns the replicas, compared with each other.
func (r *Replica) rows() (rows []replicaRow) {
	most, config := uint64(0), ""
	for _, one := range r.Replicas {
		most = max(most, one.Position)
		if one.ID == r.ID {
			config = one.Config
		}
	}
	for _, one := range r.Replicas {
		rows = append(rows, replicaRow{one, one.ID == r.ID, most - one.Position, one.Config != config})
	}
	return rows
}

// overview shows the way of events, and how the bridge stands.
func (c *console) overview(w http.ResponseWriter, r *http.Request) {
	s, m := c.sampler.state(), c.bridge.Mapper()
	o := overview{Rules: m.Rules(), All: r.URL.Query().Get("rules") == "all"}
	if len(s.By) != len(o.Rules) { // other rules have come into force meanwhile
		s.By = figuresOf(o.Rules, nil)
	}
	o.Letters = c.bridge.DeadLetters()
	o.Letters = o.Letters[:min(len(o.Letters), shownLetters)]
	o.LettersShown = int64(len(o.Letters))
	o.Ways = []way{{draw(m, s, o.All, wide), "wide", s}, {draw(m, s, o.All, narrow), "narrow", s}}
	if s.Replica != nil {
		o.Replicas = s.Replica.rows()
		if !s.Replica.Leads {
			o.Follows = s.Replica.Leader
		}
	}
	var delivered, waiting []string
	for i, q := range s.Queues {
		delivered, waiting = append(delivered, fmt.Sprintf("queues.%d.delivered", i)), append(waiting, fmt.Sprintf("queues.%d.waiting", i))
		o.DeliveredSum += q.Delivered
		o.WaitingMost = max(o.WaitingMost, q.Waiting)
	}
	o.Delivered, o.Waiting = strings.Join(delivered, " "), strings.Join(waiting, " ")
	c.show(w, r, "overview", "Overview", s, o)
}
