package mqtt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func TestPublish(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.subscribe(t, "dead/#")
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{})
	err := c.Publish(t.Context(), mqtt.Message{
		Topic:       "dead/a rule",
		Payload:     []byte{0, 1, 0xff},
		QoS:         1,
		ContentType: "application/json",
		// As a reason may be: several lines, bytes of a payload, what is not Unicode text.
		User: []mqtt.UserProperty{{"reason", "line 1\n\tline 2"}, {"b", "\x00\x1f\x7f\u0085\ufdd0\uffff\U0001fffe\xff."}, {"reason", ""}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := p.next(t)
	type message struct {
		Topic, Payload, ContentType string
		User                        paho.UserProperties
	}
	got := message{m.Topic, string(m.Payload), m.Properties.ContentType, m.Properties.User}
	want := message{"dead/a rule", "\x00\x01\xff", "application/json", paho.UserProperties{
		{Key: "reason", Value: "line 1  line 2"}, {Key: "b", Value: strings.Repeat("\ufffd", 8) + "."}, {Key: "reason", Value: ""},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if got := c.Stats(); got.Published != 1 || got.Connects != 1 {
		t.Errorf("%d published, %d connects; want 1, 1", got.Published, got.Connects)
	}
}

func TestPublishRefused(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{
		ACL:    "topic write good\ntopic readwrite mqtt-stomp-bridge/#\n",
		Config: []string{"message_size_limit 1000"},
	})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{})
	tests := []struct {
		name    string
		message mqtt.Message
		code    byte
		want    string
	}{
		{"not authorized", mqtt.Message{Topic: "bad"}, 0x87, `publish to "bad" refused: not authorized (0x87)`},
		{"too large", mqtt.Message{Topic: "good", Payload: make([]byte, 1001)}, 0x95, `publish to "good" refused: packet too large (0x95)`},
		{"no topic", mqtt.Message{}, 0x90, `publish to "" refused: topic name is empty (0x90)`},
		{"wildcard", mqtt.Message{Topic: "a/#"}, 0x90, `publish to "a/#" refused: topic name with a wildcard (0x90)`},
		{"control character", mqtt.Message{Topic: "a\n"}, 0x90, `publish to "a\n" refused: topic name is not UTF-8 without control characters (0x90)`},
		{"not UTF-8", mqtt.Message{Topic: "\xff"}, 0x90, `publish to "\xff" refused: topic name is not UTF-8 without control characters (0x90)`},
		{"long", mqtt.Message{Topic: strings.Repeat("a", 65536)}, 0x90,
			`publish to "` + strings.Repeat("a", 100) + `" refused: topic name of 65536 bytes, the limit is 65535 (0x90)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.message.QoS = 1
			err := c.Publish(t.Context(), tt.message)
			var refused *mqtt.RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want a RefusedError", err)
			}
			if refused.Code != tt.code || err.Error() != tt.want {
				t.Errorf("error %q, code %#x; want %q, %#x", err, refused.Code, tt.want, tt.code)
			}
		})
	}
	if err := c.Publish(t.Context(), mqtt.Message{Topic: "good", QoS: 1}); err != nil {
		t.Errorf("after refusals: %v", err)
	}
	if got := c.Stats(); got.Connects != 1 || got.Published == 0 || got.Refused != uint64(len(tests)) {
		t.Errorf("stats after refusals: %+v", got)
	}
}

func TestPublishWithinTheBrokersLimits(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_packet_size 300"}})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.subscribe(t, "a")
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{})
	user := []mqtt.UserProperty{{"short", "x"}, {"long", strings.Repeat("ü", 1000)}}
	for _, size := range []int{0, 100, 200, 240} {
		if err := c.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1, Payload: make([]byte, size), User: user}); err != nil {
			t.Fatalf("payload of %d bytes: %v", size, err)
		}
		if got := p.next(t); len(got.Payload) != size {
			t.Errorf("payload of %d bytes, want %d", len(got.Payload), size)
		}
	}
	for _, size := range []int{280, 301} { // 280 has no room for the name of the first property
		err := c.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1, Payload: make([]byte, size), User: user})
		var refused *mqtt.RefusedError
		if !errors.As(err, &refused) || refused.Code != 0x95 {
			t.Errorf("payload of %d bytes: error %v, want a RefusedError of code 0x95", size, err)
		}
	}
	if got := c.Stats().Connects; got != 1 {
		t.Errorf("%d connects: the broker has ended the connection", got)
	}
}

func TestFit(t *testing.T) {
	user := []mqtt.UserProperty{{"a", "1234567890"}, {"b", "123"}, {"c", "äöü"}}
	tests := []struct {
		room int
		want []mqtt.UserProperty
	}{
		{1000, user},
		{18 + 19, user},
		{18 + 18, []mqtt.UserProperty{{"a", "123456789"}, {"b", "123"}, {"c", "äöü"}}},
		{18 + 12, []mqtt.UserProperty{{"a", "1234"}, {"b", "123"}, {"c", "äö"}}},
		{18 + 3, []mqtt.UserProperty{{"a", "1"}, {"b", "1"}, {"c", ""}}},
		{18, []mqtt.UserProperty{{"a", ""}, {"b", ""}, {"c", ""}}},
		{17, []mqtt.UserProperty{{"a", ""}, {"b", ""}}},
		{0, nil},
	}
	for _, tt := range tests {
		got := mqtt.Fit(user, tt.room)
		if diff := cmp.Diff(tt.want, got, cmp.Transformer("", func(u []mqtt.UserProperty) []mqtt.UserProperty { return append([]mqtt.UserProperty{{}}, u...) })); diff != "" {
			t.Errorf("room %d (-want +got):\n%s", tt.room, diff)
		}
	}
	long := mqtt.Fit([]mqtt.UserProperty{{"a", strings.Repeat("ü", 40000)}}, 1<<20)
	if n := len(long[0].Value); n != 65534 || !utf8.ValidString(long[0].Value) {
		t.Errorf("a value of 80000 bytes is cut to %d, want 65534", n)
	}
}

// Dead letters are pipelined: far more calls than the broker's Receive Maximum.
func TestPublishManyAtOnce(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_inflight_messages 3"}})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{})
	errs := make(chan error)
	const n = 200
	for range n {
		go func() { errs <- c.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1}) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := c.Stats().Published; got != n {
		t.Errorf("%d published, want %d", got, n)
	}
}

// A call made while the broker is away waits; one in flight when it goes away ends
// with an error that lets the caller try again.
func TestPublishWhileAway(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{})
	b.Kill()
	waitState(t, c, "away", func(s mqtt.State) bool { return !s.Sending.Connected })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Publish(short, mqtt.Message{Topic: "a", QoS: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1}); err != nil {
			t.Error(err)
		}
	})
	b.Restart()
	wg.Wait()
}
