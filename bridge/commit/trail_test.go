package commit_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// The trail has what each rule has made of each event and why, at every level of the log, and nothing
// of the payloads.
func TestTrail(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		synctest.Test(t, func(t *testing.T) { testTrail(t, level) })
	}
}

func testTrail(t *testing.T, level slog.Level) {
	ring := commit.NewTrail(1 << 20)
	h := newHouseWith(t, func(c *commit.Config) { c.Trail = ring })
	h.level.Set(level)
	h.committer.UseRules(compile(t, loggedRules), "other")
	h.run(t.Context())
	began := time.Now()
	for _, e := range []mqtt.Event{
		{Topic: "a/x", Payload: []byte(`{"n": 1, "id": 5}`), QoS: 1, PacketID: 3},
		{Topic: "a/x", Payload: []byte(`{"n": 1, "id": 5}`), Retained: true},
		{Topic: "a/x", Payload: []byte(`{"n": "secret", "id": 6}`), QoS: 1, PacketID: 9},
		{Topic: "a/x", Payload: []byte(`{"n": "secret", "id": 6}`), QoS: 1, PacketID: 9, Dup: true},
		{Topic: "a/list", Payload: []byte(`{"n": 7, "items": [{"on": true, "id": 1}, {"on": false}]}`)},
		{Topic: "b/y", Payload: []byte(`secret`)},
		{Topic: "b/lists", Payload: []byte(`{"entries":[{"secret":1}]}`)},
		{Topic: "a/z", Payload: []byte(`{"n": 2, "id": 5}`)},
		{Topic: "s/y", Payload: []byte(`secret`)},
		{Topic: "a/list", Payload: []byte(`{"n": 7, "items": [` + strings.TrimSuffix(strings.Repeat(`{"on": false},`, 150), ",") + `]}`)},
	} {
		e.SessionPresent, e.Connection, e.Received = true, 1, time.Now()
		h.events <- &e
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	close(h.events)
	<-h.ended

	numbered, newest, unseen := ring.Events(0, 1000, nil)
	if newest != uint64(len(numbered)) || unseen != 0 {
		t.Errorf("the newest of %d is %d, %d skipped", len(numbered), newest, unseen)
	}
	var got []commit.TracedEvent
	for i, e := range numbered {
		if e.Number != uint64(i)+1 {
			t.Errorf("%d has the number %d", i, e.Number)
		}
		got = append(got, e.TracedEvent)
		wantTime := began
		if got[i].Memory != "" {
			wantTime = began.Add(10 * time.Minute)
		}
		if !got[i].Time.Equal(wantTime) {
			t.Errorf("%d is of %v, want %v", i, got[i].Time, wantTime)
		}
		got[i].Time = time.Time{}
		for j := range got[i].Outcomes {
			o := &got[i].Outcomes[j]
			if o.Element != "" { // its name is known at debug alone
				o.Element = "an element"
			}
		}
	}
	const (
		skipped  = "retained message, and the rule says retained: skip"
		skipped2 = "a retained message, and the rule says retained: skip"
	)
	want := []commit.TracedEvent{
		{Topic: "a/x", QoS: 1, Outcomes: []commit.TracedOutcome{
			{Rule: "count", What: commit.Mapped, Queue: "/queue/unread-count", Position: 1},
			{Rule: "retained", What: commit.Mapped, Queue: "/queue/channel/connected", Position: 2}}},
		{Topic: "a/x", Retained: true, Outcomes: []commit.TracedOutcome{
			{Rule: "count", What: commit.Filtered, Why: skipped}, {Rule: "retained", What: commit.Filtered, Why: skipped}}},
		{Topic: "a/x", QoS: 1, Outcomes: []commit.TracedOutcome{
			{Rule: "count", What: commit.Rejected, Why: "fields unread_message_count: not a count (rules.yaml:8)"},
			{Rule: "retained", What: commit.Mapped, Queue: "/queue/channel/connected", Position: 3}}},
		{Topic: "a/x", QoS: 1, Outcomes: []commit.TracedOutcome{
			{Rule: "count", What: commit.Duplicate, Why: "the broker has sent it again"},
			{Rule: "retained", What: commit.Duplicate, Why: "the broker has sent it again"}}},
		{Topic: "a/list", Outcomes: []commit.TracedOutcome{
			{Rule: "count", What: commit.Filtered, Why: "when payload.n != 7 is false"},
			{Rule: "list", Element: "an element", What: commit.Mapped, Queue: "/queue/channel/connected", Position: 4},
			{Rule: "list", Element: "an element", What: commit.Filtered, Why: "no queue's condition holds"}}},
		{Topic: "b/y"},
		{Topic: "b/lists", Outcomes: []commit.TracedOutcome{{Rule: "lists", What: commit.Filtered, Why: "its each finds no element"}}},
		{Topic: "a/z", Outcomes: []commit.TracedOutcome{{Rule: "count", What: commit.Duplicate, Why: "by dedupe"}}},
		{Topic: "s/y", Outcomes: []commit.TracedOutcome{{Rule: "see", What: commit.Silent}}},
		{Topic: "a/list", More: 51},
		{Memory: "seen", Outcomes: []commit.TracedOutcome{{Rule: "gone", What: commit.Mapped, Queue: "/queue/channel/disconnected", Position: 5}}},
	}
	if level == slog.LevelInfo {
		want[1].Outcomes[0].Why, want[1].Outcomes[1].Why = skipped2, skipped2
	} else {
		want[6].Outcomes[0].Why = "each msg (entry.messages) has no elements"
	}
	if long := &got[9]; len(long.Outcomes) != 100 {
		t.Errorf("%d outcomes of the long one", len(long.Outcomes))
	} else {
		long.Outcomes = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v: -want +got:\n%s", level, diff)
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Errorf("it holds the payload:\n%+v", got)
	}
}
