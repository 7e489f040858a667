package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
)

// A sharedLog stands as it is told.
type sharedLog struct {
	turnsLog
	standing func() journal.Standing
}

func (l *sharedLog) Standing() journal.Standing { return l.standing() }

// A replica is ready while it can follow the log. What hinders the one that reads from the broker
// shows at that one, and takes no replica out.
func TestReadinessOfReplicas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	now := journal.Standing{}
	log := &sharedLog{turnsLog{Log: journal.NewMemory(journal.MemoryOptions{}), turns: make(chan journal.Writer)},
		func() journal.Standing { return now }}
	b, ended := start(t, ctx, log)
	w := <-log.turns
	mqtt := []string{"mqtt: ", "mqtt, sending connection: "} // its broker is not there, which it may not know yet
	bridgetest.Eventually(t, "the turn to begin", func() bool { return b.Memory() != nil })
	other := []journal.Replica{{ID: "a", Config: "1"}, {ID: "b", Config: "2"}, {ID: "c", Config: "1"}}
	for _, tt := range []struct {
		name                      string
		now                       journal.Standing
		ready, troubles, warnings []string // how they begin
	}{
		{"it leads", journal.Standing{ID: "a", Leads: true, Leader: "a", Complete: time.Now()}, nil, mqtt, nil},
		{"another leads", journal.Standing{ID: "a", Leader: "b", Complete: time.Now()}, nil, nil, nil},
		{"nobody leads", journal.Standing{ID: "a", Complete: time.Now()}, nil, []string{"mqtt: no replica is known to read from the broker"}, nil},
		{"it must not lead", journal.Standing{ID: "a", Leader: "b", Complete: time.Now(), Conflict: errors.Join(errors.New("journal: this"), errors.New("journal: that"))},
			nil, []string{"journal: this; journal: that"}, nil},
		{"away for a moment", journal.Standing{ID: "a", Leader: "b", Complete: time.Now().Add(-5 * time.Second), Away: errors.New("no servers")}, nil, nil, nil},
		{"away for long", journal.Standing{ID: "a", Leader: "b", Complete: time.Now().Add(-12 * time.Second), Away: errors.New("no servers")},
			[]string{"journal: whether this replica has all of it has not been known for 12s: no servers"}, nil, nil},
		{"others are configured in another way", journal.Standing{ID: "a", Leader: "b", Complete: time.Now(), Replicas: other}, nil, nil,
			[]string{"replicas with another configuration than this one: b"}},
	} {
		now = tt.now
		check := func(what string, got []bridge.Reason, want []string) {
			if len(got) != len(want) {
				t.Errorf("%s: %s %q, want %q", tt.name, what, got, want)
				return
			}
			for i := range got {
				if !strings.HasPrefix(got[i].Text, want[i]) {
					t.Errorf("%s: %s %q, want %q", tt.name, what, got[i].Text, want[i])
				}
			}
		}
		check("not ready", b.Ready(), tt.ready)
		check("troubles", b.Troubles(), tt.troubles)
		check("warnings", b.Warnings(), tt.warnings)
	}

	w.Resign()
	bridgetest.Eventually(t, "what the turn knew to be of the past", func() bool { return b.Memory() == nil })
	<-log.turns
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
