package ops_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/plugin/ops"
)

// A replica is a Bridge that shares its log.
type replica struct {
	reasons
	leads    bool
	leader   string
	troubles []bridge.Reason
}

func (r replica) Troubles() []bridge.Reason { return r.troubles }

func (r replica) Counts() bridge.Counts {
	c := r.reasons.Counts()
	c.Replica = r.Standing()
	return c
}

func (r replica) Standing() *journal.Standing {
	return &journal.Standing{ID: "right", Leads: r.leads, Leader: r.leader, Term: 7, Turns: 2,
		Complete: time.Now().Add(-time.Minute), Away: errors.New("no servers"), Replicas: []journal.Replica{{ID: "left"}, {ID: "right", Leads: r.leads}}}
}

// What hinders all replicas does not take one of them out.
func TestReplicaIsReady(t *testing.T) {
	b := replica{leader: "left", troubles: []bridge.Reason{{Part: bridge.PartMQTT, Text: "mqtt: not connected"}}}
	w := httptest.NewRecorder()
	ops.Handler(b, ops.Options{}).ServeHTTP(w, request("GET", "/readyz"))
	var got ops.Readiness
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := ops.Readiness{Ready: true, Reasons: []string{}, Troubles: []string{"mqtt: not connected"}, Replica: &ops.Replica{
		ID: "right", Leader: "left", Term: 7, Turns: 2, CompleteAgo: 60, Away: "no servers", Replicas: []journal.Replica{{ID: "left"}, {ID: "right"}}}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 5)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReplicaMetrics(t *testing.T) {
	got := slices.DeleteFunc(samples(replica{leads: true, troubles: []bridge.Reason{{Part: bridge.PartMQTT, Text: "mqtt: not connected"}}}), func(line string) bool {
		return !strings.Contains(line, "replica") && !strings.Contains(line, "ready") || strings.Contains(line, "complete_age")
	})
	want := []string{
		`mqtt_stomp_bridge_not_ready_reasons{part="dead letters"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="journal"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="mqtt"} 1`,
		`mqtt_stomp_bridge_not_ready_reasons{part="token keys"} 0`,
		`mqtt_stomp_bridge_ready 1`,
		`mqtt_stomp_bridge_replica_journal_away 1`,
		`mqtt_stomp_bridge_replica_leads 1`,
		`mqtt_stomp_bridge_replica_present 2`,
		`mqtt_stomp_bridge_replica_term 7`,
		`mqtt_stomp_bridge_replica_turns_total 2`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What only the replica that reads from the broker knows, the others send to it.
func TestOnlyTheReaderAnswers(t *testing.T) {
	for _, path := range []string{"GET /memory", "GET /memory/unread", "POST /reread?filter=a"} {
		for _, tt := range []struct {
			replica replica
			status  int
			says    string
		}{
			{replica{leader: "left"}, http.StatusServiceUnavailable, "this replica, right, does not read from the broker now; ask left, which does"},
			{replica{}, http.StatusServiceUnavailable, "no replica is known to read from the broker now"},
			{replica{leads: true}, 0, ""},
		} {
			method, page, _ := strings.Cut(path, " ")
			w := httptest.NewRecorder()
			ops.Handler(tt.replica, ops.Options{}).ServeHTTP(w, request(method, page))
			if tt.status == 0 && w.Code == http.StatusServiceUnavailable || tt.status != 0 && w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%s at %+v: %d %s", path, tt.replica, w.Code, w.Body)
			}
		}
	}
}
