package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/ops"
)

// reasons are a Bridge's.
type reasons []bridge.Reason

func (r reasons) Ready() []bridge.Reason { return r }

func (r reasons) Troubles() []bridge.Reason { return nil }

func (r reasons) Warnings() []bridge.Reason { return nil }

func (r reasons) Standing() *journal.Standing { return nil }

func (r reasons) Counts() bridge.Counts {
	return bridge.Counts{
		Counts: commit.Counts{
			Events:      7,
			Unmatched:   1,
			Rules:       map[string]commit.RuleCounts{"chat message": {Mapped: 3, Filtered: 1, Rejected: 2, Duplicate: 1}},
			DeadLetters: commit.DeadLetterCounts{Published: 1, Refused: 1, Kept: 1, Received: 2},
			Memory:      []memory.Counts{{Memory: "unread", Keys: 3, Bytes: 90, Evicted: 4, Expired: 5}},
		},
		Queues:        map[string]hub.Counts{"/queue/message": {Published: 3, Delivered: 5, Conflated: 1, NotAddressed: 6, LeftBehind: 2, Replayed: 4}},
		Subscriptions: map[string]int64{"/queue/message": 3},
		Server:        server.Counts{Connections: 4, Unread: 900, Sessions: 2, Opened: 5, Ends: map[string]int64{"client closed": 3}, Closes: map[string]int64{"1001": 3}, Refusals: map[string]int64{"origin is not allowed": 1}},
		Latency:       hub.Latency{Count: 5, Sum: 3 * time.Second, Buckets: map[time.Duration]uint64{time.Millisecond: 2, time.Second: 4}},
		Journal:       bridge.JournalCounts{First: 3, Last: 9, Oldest: time.Unix(1611741600, 5e8), Bytes: 700, Limit: 1000},
		MQTT:          mqtt.Stats{Connects: 2, ConnectErrors: 3, AbsentSessions: 1, TakenOver: 4, SessionExpiry: time.Minute, Events: 9, Copies: 5, Readings: 8, Acks: 6, StaleAcks: 2},
	}
}

func (r reasons) Lag() server.Lag {
	return server.Lag{Entries: map[string]int64{"/queue/message": 7}, HeldUp: 1}
}

func (r reasons) Sessions() []server.Status {
	return []server.Status{
		{Session: "1", User: "bob", Remote: "192.0.2.1:5", Since: time.Unix(1611741600, 0).UTC()},
		{Session: "2", User: "ann", Login: auth.KindJWT, Groups: []string{"support", "night"}, Since: time.Unix(1611741600, 0).UTC()},
		{Session: "3", User: "bob", HeldUp: true, Since: time.Unix(1611741600, 0).UTC(), Subscriptions: []hub.Status{{Queue: "/queue/message", Waiting: 7,
			Outcomes: hub.Outcomes{Delivered: 1, Conflated: 2, NotAddressed: 3}}}},
	}
}

func (r reasons) Reread(_ context.Context, filter string) error {
	switch filter {
	case "a":
		return nil
	case "slow":
		return context.DeadlineExceeded
	}
	return errors.New("no rule maps it")
}

func (r reasons) Memory() *memory.Store { return nil }

func (r reasons) EndSession(id string) bool { return id == "2" }

// request is one of an operator at the bridge's machine.
func request(method, path string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:9464"+path, nil)
	r.RemoteAddr = "127.0.0.1:40000"
	return r
}

// Those that lag come first, and one user's can be asked for.
func TestSessions(t *testing.T) {
	get := func(path string) string {
		w := httptest.NewRecorder()
		ops.Handler(reasons(nil), ops.Options{}).ServeHTTP(w, request("GET", path))
		return strings.TrimSpace(w.Body.String())
	}
	const (
		first  = `{"session":"1","user":"bob","remote":"192.0.2.1:5","since":"2021-01-27T10:00:00Z","held_up":false,"answers_bytes":0,"subscriptions":null}`
		second = `{"session":"2","user":"ann","login":"jwt","groups":["support","night"],"remote":"","since":"2021-01-27T10:00:00Z","held_up":false,"answers_bytes":0,"subscriptions":null}`
		third  = `{"session":"3","user":"bob","remote":"","since":"2021-01-27T10:00:00Z","held_up":true,"answers_bytes":0,"subscriptions":[{"queue":"/queue/message","waiting":7,"behind":false,"in_flight":0,"delivered":1,"conflated":2,"not_addressed":3}]}`
	)
	for path, want := range map[string]string{
		"/sessions":             "[" + third + "," + second + "," + first + "]",
		"/sessions?user=bob":    "[" + third + "," + first + "]",
		"/sessions?user=nobody": "[]",
	} {
		if got := get(path); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
}

// scrape returns the bridge's lines at /metrics, comments included.
func scrape(b ops.Bridge) []string {
	w := httptest.NewRecorder()
	h := ops.Handler(b, ops.Options{
		Build:   ops.Build{Version: "1.2.3", Commit: "c0ffee", Date: "2026-05-01T12:00:00Z", GoVersion: "go1.26.8"},
		Reloads: func() ops.Reloads { return ops.Reloads{Done: 4, Refused: 5} },
		TokenKeys: func() []auth.KeysStatus {
			return []auth.KeysStatus{
				{URL: "https://id.example.org/keys", Keys: 2, Failures: 7, Fetched: time.Now().Add(-time.Hour)},
				{URL: "https://id.example.org/keys", Keys: 3},
				{URL: "https://away.example.org/keys", Failures: 8},
			}
		},
	})
	h.ServeHTTP(w, request("GET", "/metrics"))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "mqtt_stomp_bridge_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// samples are the lines of scrape that are no comments.
func samples(b ops.Bridge) []string {
	return slices.DeleteFunc(scrape(b), func(line string) bool { return line[0] == '#' })
}

// The figures of the bridge, by the names that are documented.
func TestMetrics(t *testing.T) {
	got := samples(reasons(nil))
	want := []string{
		`mqtt_stomp_bridge_build_info{commit="c0ffee",date="2026-05-01T12:00:00Z",goversion="go1.26.8",version="1.2.3"} 1`,
		`mqtt_stomp_bridge_client_closes_total{code="1001"} 3`,
		`mqtt_stomp_bridge_connections 4`,
		`mqtt_stomp_bridge_dead_letters_kept 1`,
		`mqtt_stomp_bridge_dead_letters_received_total 2`,
		`mqtt_stomp_bridge_dead_letters_total{outcome="published"} 1`,
		`mqtt_stomp_bridge_dead_letters_total{outcome="refused"} 1`,
		`mqtt_stomp_bridge_deliveries_total{outcome="conflated",queue="/queue/message"} 1`,
		`mqtt_stomp_bridge_deliveries_total{outcome="delivered",queue="/queue/message"} 5`,
		`mqtt_stomp_bridge_deliveries_total{outcome="left behind",queue="/queue/message"} 2`,
		`mqtt_stomp_bridge_deliveries_total{outcome="not addressed",queue="/queue/message"} 6`,
		`mqtt_stomp_bridge_deliveries_total{outcome="replayed",queue="/queue/message"} 4`,
		`mqtt_stomp_bridge_entries_total{queue="/queue/message"} 3`,
		`mqtt_stomp_bridge_events_total 7`,
		`mqtt_stomp_bridge_events_unmatched_total 1`,
		`mqtt_stomp_bridge_events_waiting 2`,
		`mqtt_stomp_bridge_handshakes_refused_total{cause="origin is not allowed"} 1`,
		`mqtt_stomp_bridge_journal_bytes 700`,
		`mqtt_stomp_bridge_journal_bytes_limit 1000`,
		`mqtt_stomp_bridge_journal_first_position 3`,
		`mqtt_stomp_bridge_journal_last_position 9`,
		`mqtt_stomp_bridge_journal_oldest_timestamp_seconds 1.6117416005e+09`,
		`mqtt_stomp_bridge_lag_entries{queue="/queue/message"} 7`,
		`mqtt_stomp_bridge_memory_bytes{memory="unread"} 90`,
		`mqtt_stomp_bridge_memory_evicted_total{memory="unread"} 4`,
		`mqtt_stomp_bridge_memory_expired_total{memory="unread"} 5`,
		`mqtt_stomp_bridge_memory_keys{memory="unread"} 3`,
		`mqtt_stomp_bridge_mqtt_acks_total 6`,
		`mqtt_stomp_bridge_mqtt_connect_errors_total 3`,
		`mqtt_stomp_bridge_mqtt_connects_total 2`,
		`mqtt_stomp_bridge_mqtt_retained_messages_total 5`,
		`mqtt_stomp_bridge_mqtt_retained_readings_total 8`,
		`mqtt_stomp_bridge_mqtt_session_expiry_seconds 60`,
		`mqtt_stomp_bridge_mqtt_sessions_absent_total 1`,
		`mqtt_stomp_bridge_mqtt_sessions_taken_over_total 4`,
		`mqtt_stomp_bridge_mqtt_stale_acks_total 2`,
		`mqtt_stomp_bridge_not_ready_reasons{part="dead letters"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="journal"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="mqtt"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="token keys"} 0`,
		`mqtt_stomp_bridge_ready 1`,
		`mqtt_stomp_bridge_reloads_total{result="done"} 4`,
		`mqtt_stomp_bridge_reloads_total{result="refused"} 5`,
		`mqtt_stomp_bridge_rule_outcomes_total{outcome="duplicate",rule="chat message"} 1`,
		`mqtt_stomp_bridge_rule_outcomes_total{outcome="filtered",rule="chat message"} 1`,
		`mqtt_stomp_bridge_rule_outcomes_total{outcome="mapped",rule="chat message"} 3`,
		`mqtt_stomp_bridge_rule_outcomes_total{outcome="rejected",rule="chat message"} 2`,
		`mqtt_stomp_bridge_session_ends_total{cause="client closed"} 3`,
		`mqtt_stomp_bridge_sessions 2`,
		`mqtt_stomp_bridge_sessions_held_up 1`,
		`mqtt_stomp_bridge_sessions_opened_total 5`,
		`mqtt_stomp_bridge_subscriptions{queue="/queue/message"} 3`,
		`mqtt_stomp_bridge_token_keys{url="https://away.example.org/keys"} 0`,
		`mqtt_stomp_bridge_token_keys{url="https://id.example.org/keys"} 2`,
		`mqtt_stomp_bridge_token_keys_age_seconds{url="https://id.example.org/keys"} 3600`,
		`mqtt_stomp_bridge_token_keys_fetch_errors_total{url="https://away.example.org/keys"} 8`,
		`mqtt_stomp_bridge_token_keys_fetch_errors_total{url="https://id.example.org/keys"} 7`,
		`mqtt_stomp_bridge_unread_bytes 900`,
		`mqtt_stomp_bridge_write_latency_seconds_bucket{le="0.001"} 2`,
		`mqtt_stomp_bridge_write_latency_seconds_bucket{le="1"} 4`,
		`mqtt_stomp_bridge_write_latency_seconds_bucket{le="+Inf"} 5`,
		`mqtt_stomp_bridge_write_latency_seconds_sum 3`,
		`mqtt_stomp_bridge_write_latency_seconds_count 5`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The reasons are counted by part.
func TestMetricsNotReady(t *testing.T) {
	got := slices.DeleteFunc(samples(reasons{
		{Part: bridge.PartMQTT, Text: "mqtt: not connected"},
		{Part: bridge.PartMQTT, Text: "mqtt, sending connection: not connected"},
		{Part: bridge.PartJournal, Text: "journal: no space left on device"},
	}), func(line string) bool { return !strings.Contains(line, "ready") })
	want := []string{
		`mqtt_stomp_bridge_not_ready_reasons{part="dead letters"} 0`,
		`mqtt_stomp_bridge_not_ready_reasons{part="journal"} 1`,
		`mqtt_stomp_bridge_not_ready_reasons{part="mqtt"} 2`,
		`mqtt_stomp_bridge_not_ready_reasons{part="token keys"} 0`,
		`mqtt_stomp_bridge_ready 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHandler(t *testing.T) {
	for _, test := range []struct {
		method, path string
		bridge       reasons
		status       int
		body         string
	}{
		{"GET", "/healthz", reasons{{Part: bridge.PartMQTT, Text: "mqtt: not connected"}}, http.StatusOK, "ok\n"},
		{"GET", "/readyz", nil, http.StatusOK, `{"ready":true,"reasons":[]}` + "\n"},
		{"GET", "/readyz", reasons{{Part: bridge.PartMQTT, Text: "mqtt: not connected"}, {Part: bridge.PartJournal, Text: "journal: full"}}, http.StatusServiceUnavailable,
			`{"ready":false,"reasons":["mqtt: not connected","journal: full"]}` + "\n"},
		{"POST", "/readyz", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"POST", "/reread?filter=a", nil, http.StatusNoContent, ""},
		{"POST", "/reread?filter=b", nil, http.StatusBadRequest, "no rule maps it\n"},
		{"POST", "/reread?filter=slow", nil, http.StatusGatewayTimeout, "still reading; /readyz tells when it is done\n"},
		{"GET", "/reread?filter=a", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"GET", "/memory", nil, http.StatusOK, "[]\n"}, // it has not read from the broker yet
		{"POST", "/memory", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"DELETE", "/sessions/2", nil, http.StatusNoContent, ""},
		{"DELETE", "/sessions/4", nil, http.StatusNotFound, "no such session\n"},
		{"DELETE", "/sessions", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"GET", "/sessions/2", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"GET", "/", nil, http.StatusNotFound, "404 page not found\n"},
	} {
		w := httptest.NewRecorder()
		ops.Handler(test.bridge, ops.Options{}).ServeHTTP(w, request(test.method, test.path))
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s %s with %q: got %d %q, want %d %q", test.method, test.path, test.bridge, w.Code, w.Body, test.status, test.body)
		}
	}
}

func (r reasons) Explain(_ context.Context, q explain.Query) (explain.Answer, error) {
	switch q.Topic {
	case "none":
		return explain.Answer{}, bridge.ErrNoTrail
	case "away":
		return explain.Answer{}, errors.New("reading position 5: the log cannot be reached")
	}
	return explain.Answer{Events: []explain.Event{}, Notes: []string{fmt.Sprintf("%+v", q)}}, nil
}

// What is asked of /explain reaches the bridge, and bodies only where they may be shown.
func TestExplain(t *testing.T) {
	for _, test := range []struct {
		path   string
		show   func() bool
		status int
		want   string
	}{
		{"/explain?id=abc-5&user=ann", nil, http.StatusOK, `{MessageID:abc-5 Number:0 Topic: Since:0001-01-01 00:00:00 +0000 UTC Until:0001-01-01 00:00:00 +0000 UTC User:ann Session: Everyone:false Payloads:false}`},
		{"/explain?topic=a/%2B&since=2026-05-01T12:00:00Z&until=2026-05-01T13:00:00.5Z&session=1", shown, http.StatusOK, `{MessageID: Number:0 Topic:a/+ Since:2026-05-01 12:00:00 +0000 UTC Until:2026-05-01 13:00:00.5 +0000 UTC User: Session:1 Everyone:false Payloads:true}`},
		{"/explain?number=17", nil, http.StatusOK, `{MessageID: Number:17 Topic: Since:0001-01-01 00:00:00 +0000 UTC Until:0001-01-01 00:00:00 +0000 UTC User: Session: Everyone:false Payloads:false}`},
		{"/explain?number=17&topic=a", nil, http.StatusBadRequest, "give either a message-id, the number of an event, or a topic\n"},
		{"/explain?number=0", nil, http.StatusBadRequest, "number is the number of an event, from 1 on, not \"0\"\n"},
		{"/explain", nil, http.StatusBadRequest, "give either a message-id, the number of an event, or a topic\n"},
		{"/explain?id=abc-5&topic=a", nil, http.StatusBadRequest, "give either a message-id, the number of an event, or a topic\n"},
		{"/explain?topic=a%23", nil, http.StatusBadRequest, "topic filter \"a#\": + and # must be a whole level, # the last\n"},
		{"/explain?id=abc", nil, http.StatusBadRequest, "\"abc\" is not a message-id: it has the form EPOCH-POSITION, as in 3f9k2m-17\n"},
		{"/explain?topic=a&since=today", nil, http.StatusBadRequest, "since is a time as in 2026-05-01T12:00:00Z, not \"today\"\n"},
		{"/explain?topic=none", nil, http.StatusNotFound, "nothing is kept to explain from: set ops.trail\n"},
		{"/explain?topic=away", nil, http.StatusServiceUnavailable, "reading position 5: the log cannot be reached\n"},
	} {
		w := get(reasons{}, test.show, test.path)
		got := w.Body.String()
		if w.Code == http.StatusOK {
			var a explain.Answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Notes) != 1 {
				t.Fatalf("%s: %v, %s", test.path, err, got)
			}
			got = a.Notes[0]
		}
		if w.Code != test.status || got != test.want {
			t.Errorf("%s: got %d\n%s\nwant %d\n%s", test.path, w.Code, got, test.status, test.want)
		}
	}
}
