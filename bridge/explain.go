package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/trail"
)

// trails are what Explain answers from beside the log. They are nil where nothing is noted.
type trails struct {
	events   *commit.Trail
	sessions *trail.Ring
}

// newTrails returns trails of so many bytes together. There are many more events than ends of
// sessions.
func newTrails(bytes int) trails {
	if bytes <= 0 {
		return trails{}
	}
	return trails{events: commit.NewTrail(bytes / 4 * 3), sessions: trail.New(bytes / 4)}
}

// ErrNoTrail is returned by Explain where Config.TrailBytes is 0.
var ErrNoTrail = errors.New("nothing is kept to explain from: set ops.trail")

// Explain says what became of an event for sessions of this bridge. The question must be valid. Of
// replicas, each knows the events that it has read itself and the sessions that it has had.
func (b *Bridge) Explain(ctx context.Context, q explain.Query) (explain.Answer, error) {
	if b.trails.events == nil {
		return explain.Answer{}, ErrNoTrail
	}
	a, err := explain.Sources{
		Log: b.log, Fates: b.hub, Sessions: b.server, Events: b.trails.events, Ended: b.trails.sessions, BaseTopic: b.config.BaseTopic,
	}.Explain(ctx, q)
	if s := b.Standing(); s != nil && len(s.Replicas) > 1 {
		a.Replica = s.ID
		a.Notes = append(a.Notes, elsewhere(s))
	}
	return a, err
}

// elsewhere says what other replicas know.
func elsewhere(s *journal.Standing) string {
	var others []string
	for _, r := range s.Replicas {
		if r.ID != s.ID {
			others = append(others, r.ID)
		}
	}
	text := fmt.Sprintf("this is what replica %s knows: the events that it has read from the broker, and its own sessions; for other sessions ask %s",
		s.ID, strings.Join(others, ", "))
	if !s.Leads && s.Leader != "" {
		text += "; " + s.Leader + " reads from the broker now"
	}
	return text
}
