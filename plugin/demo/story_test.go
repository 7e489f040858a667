package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/demo"
)

// compile compiles the demo's rules, in which there must be nothing to complain of.
func compile(t *testing.T) *mapping.Mapper {
	t.Helper()
	var report source.Report
	s := mapping.ParseSource("demo.yaml", demo.Config(), &report)
	if s.Tests != nil || s.Access != nil {
		t.Error("demo.yaml holds more than tables and rules")
	}
	m := mapping.Compile([]mapping.Source{s}, mapping.Options{}, &report)
	for _, p := range report.Problems() {
		t.Error(p)
	}
	if t.Failed() {
		t.FailNow()
	}
	return m
}

// play runs the story for so long, in fake time, and returns its events.
func play(t *testing.T, length time.Duration) []mapping.Event {
	var events []mapping.Event
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		err := demo.Story(ctx, func(topic string, payload []byte) error {
			events = append(events, mapping.Event{Topic: topic, Payload: payload, QoS: 1, Received: time.Now()})
			return nil
		})
		if err != nil {
			t.Errorf("the story ended with %v, want nil when its context ends", err)
		}
	})
	return events
}

// What the tests read of payloads.
type payload struct {
	ConversationID string `json:"conversation_id"`
	Unread         *int   `json:"unread_message_count"`
	Message        struct {
		DeliveryState string `json:"delivery_state"`
		SenderType    string `json:"sender_type"`
		SentAt        string `json:"sent_at"`
	} `json:"message"`
}

func TestEveryEventOfTheStoryIsMapped(t *testing.T) {
	mapper := compile(t)
	got := map[string][]string{"queue": nil, "delivery state": nil, "sender": nil, "unread": nil}
	seen := func(what, value string) {
		if value != "" && !slices.Contains(got[what], value) {
			got[what] = append(got[what], value)
			slices.Sort(got[what])
		}
	}
	for _, e := range play(t, 2*time.Minute) {
		result := mapper.Map(e)
		if len(result.Outputs) != 1 || len(result.Rejections) != 0 {
			t.Errorf("%s %s: %d outputs, rejections %v, want one output", e.Topic, e.Payload, len(result.Outputs), result.Rejections)
			continue
		}
		out := result.Outputs[0]
		var p payload
		if err := json.Unmarshal(out.Body, &p); err != nil {
			t.Fatal(err)
		}
		seen("queue", out.Queue)
		seen("delivery state", p.Message.DeliveryState)
		seen("sender", p.Message.SenderType)
		if p.Unread != nil && *p.Unread > 0 {
			seen("unread", "counted")
		} else if p.Unread != nil {
			seen("unread", "read")
		}
	}
	want := map[string][]string{
		"queue":          {"/queue/channel/connected", "/queue/channel/disconnected", "/queue/message", "/queue/unread-count"},
		"delivery state": {"DELIVERED", "FAILED", "PENDING"},
		"sender":         {"app_user", "source_contact"},
		"unread":         {"counted", "read"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in one round of the story (-want +got):\n%s", diff)
	}
}

func TestEveryRoundHasNewConversations(t *testing.T) {
	var rounds []map[string]bool // topics of messages
	events := play(t, 4*time.Minute)
	for _, e := range events {
		if e.Topic == events[0].Topic { // the first channel's state is told once a round
			rounds = append(rounds, map[string]bool{})
		}
		if strings.HasSuffix(e.Topic, "/message") {
			rounds[len(rounds)-1][e.Topic] = true
		}
	}
	if len(rounds) < 2 {
		t.Fatalf("%d rounds in four minutes, want at least 2", len(rounds))
	}
	for topic := range rounds[0] {
		if rounds[1][topic] {
			t.Errorf("%s is in both rounds", topic)
		}
	}
}

func TestStoryEndsWithTheErrorOfPublish(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		err := demo.Story(t.Context(), func(string, []byte) error { return broken })
		if !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}

func TestExampleIsMapped(t *testing.T) {
	line := demo.Example(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1884})
	want := "mosquitto_pub -h 127.0.0.1 -p 1884 -q 1 -t sms/4915112345678 -m 'Is the terrace open today?'"
	if line != want {
		t.Errorf("the example is\n%s, want\n%s", line, want)
	}
	mapper := compile(t)
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bodies := map[string]bool{}
	for i := range 2 { // the same text again is another message
		e := mapping.Event{Topic: "sms/4915112345678", Payload: []byte("Is the terrace open today?"), Received: received.Add(time.Duration(i) * time.Second)}
		result := mapper.Map(e)
		if len(result.Outputs) != 1 || result.Outputs[0].Queue != "/queue/message" {
			t.Fatalf("got %+v, want one message", result)
		}
		bodies[string(result.Outputs[0].Body)] = true
	}
	if len(bodies) != 2 {
		t.Errorf("two text messages became %d", len(bodies))
	}
}
