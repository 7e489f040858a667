package ops

import (
	"fmt"
	"net/http"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// Replica is how a replica stands.
type Replica struct {
	ID          string            `json:"id"`
	Leads       bool              `json:"leads"`  // it reads from the broker
	Leader      string            `json:"leader"` // who does; "": nobody, or not known
	Term        uint64            `json:"term"`   // of the newest turn that it has followed
	Turns       int64             `json:"turns"`  // that it has begun
	CompleteAgo float64           `json:"complete_ago_seconds"`
	Away        string            `json:"away,omitempty"` // why it cannot reach the log
	Replicas    []journal.Replica `json:"replicas"`       // all that are present
}

func replica(s *journal.Standing) *Replica {
	if s == nil {
		return nil
	}
	r := &Replica{
		ID: s.ID, Leads: s.Leads, Leader: s.Leader, Term: s.Term, Turns: s.Turns,
		CompleteAgo: completeAgo(s), Replicas: s.Replicas,
	}
	if s.Away != nil {
		r.Away = s.Away.Error()
	}
	return r
}

// completeAgo returns how many seconds ago the replica knew that it had all of the log, to a
// millisecond.
func completeAgo(s *journal.Standing) float64 {
	return time.Since(s.Complete).Truncate(time.Millisecond).Seconds()
}

// reader answers with h at the replica that reads from the broker, and elsewhere says which one
// that is: what rules remember is known there alone.
func reader(b Bridge, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := b.Standing()
		switch {
		case s == nil || s.Leads:
			h(w, r)
		case s.Leader == "":
			http.Error(w, "no replica is known to read from the broker now", http.StatusServiceUnavailable)
		default:
			http.Error(w, fmt.Sprintf("this replica, %s, does not read from the broker now; ask %s, which does", s.ID, s.Leader), http.StatusServiceUnavailable)
		}
	}
}
