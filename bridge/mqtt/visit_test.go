package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func visit(t *testing.T, u *url.URL, c mqtt.Config, o mqtt.VisitOptions) *mqtt.Visit {
	t.Helper()
	v, err := mqtt.NewVisit(t.Context(), u, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func nextEvent(t *testing.T, v *mqtt.Visit) *mqtt.Event {
	t.Helper()
	select {
	case e := <-v.Events():
		return e
	case <-time.After(patience):
		t.Fatal("no event")
		return nil
	}
}

func TestVisitByEveryScheme(t *testing.T) {
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "broker")}}
	for scheme, config := range map[string]*tls.Config{"mqtt": nil, "tcp": nil, "mqtts": server, "ssl": server, "ws": nil, "wss": server, "unix": nil} {
		t.Run(scheme, func(t *testing.T) {
			b := startMochi(t, scheme, config)
			c := mqtt.Config{TLS: &tls.Config{RootCAs: a.pool()}}
			bridgetest.Eventually(t, "the listener", func() bool { // some take a moment
				v, err := mqtt.NewVisit(t.Context(), b.u, c, mqtt.VisitOptions{ClientID: "first"})
				if err == nil {
					v.Close()
				}
				return err == nil
			})
			v := visit(t, b.u, c, mqtt.VisitOptions{ClientID: "visitor"})
			defer v.Close()
			if qos, err := v.Subscribe(t.Context(), 1, filters("a/+", "b")...); qos != 1 || err != nil {
				t.Errorf("Subscribe: QoS %d, %v", qos, err)
			}
			m := mqtt.Message{Topic: "a/1", QoS: 1, Payload: []byte("x"), User: []mqtt.UserProperty{{Name: "n", Value: "v"}}}
			if err := v.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if e := nextEvent(t, v); e.Topic != "a/1" || string(e.Payload) != "x" || len(e.User) != 1 || e.QoS != 1 {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// A visit begins clean and leaves nothing, unless it is told to leave its session and to resume it.
func TestVisitSession(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	u := b.URL("mqtt")
	for _, step := range []struct {
		resume, present bool
		end             func(*mqtt.Visit)
		events          int
	}{
		{end: (*mqtt.Visit).Leave},
		{resume: true, present: true, end: (*mqtt.Visit).Leave, events: 1},
		{end: (*mqtt.Visit).Leave},
		{resume: true, present: true, end: (*mqtt.Visit).Close, events: 1},
		{resume: true, end: (*mqtt.Visit).Close},
	} {
		v := visit(t, u, mqtt.Config{}, mqtt.VisitOptions{ClientID: "visitor", Resume: step.resume, SessionExpiry: time.Minute})
		if got := v.Connack.SessionPresent; got != step.present {
			t.Errorf("%+v: session present: %v", step, got)
		}
		for range step.events {
			nextEvent(t, v)
		}
		if _, err := v.Subscribe(t.Context(), 1, filters("a")...); err != nil {
			t.Fatal(err)
		}
		step.end(v)
		other := visit(t, u, mqtt.Config{}, mqtt.VisitOptions{ClientID: "other"})
		if err := other.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1}); err != nil {
			t.Fatal(err)
		}
		other.Close()
	}
}

// An event that nobody receives does not hold up the end.
func TestVisitEndsBesideEvent(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	v := visit(t, b.u, mqtt.Config{}, mqtt.VisitOptions{ClientID: "visitor"})
	if _, err := v.Subscribe(t.Context(), 0, filters("a")...); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := v.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	v.Close()
	v.Close()
}

func TestVisitRefusals(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	b.acl.set("secret")
	v := visit(t, b.u, mqtt.Config{}, mqtt.VisitOptions{ClientID: "visitor"})
	defer v.Close()
	var broker *mqtt.BrokerError
	_, err := v.Subscribe(t.Context(), 1, filters("open", "secret")...)
	if !errors.As(err, &broker) || broker.Code != 0x87 || !strings.Contains(err.Error(), `topic filter "secret": `) {
		t.Errorf("Subscribe: %v, want not authorized", err)
	}
	var refused *mqtt.RefusedError
	for topic, code := range map[string]byte{"secret": 0x87, "a/#": 0x90} {
		if err := v.Publish(t.Context(), mqtt.Message{Topic: topic, QoS: 1}); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("Publish to %q: %v, want code %#x", topic, err, code)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Subscribe(ctx, 1, filters("open")...); !errors.Is(err, context.Canceled) {
		t.Errorf("Subscribe after its context has ended: %v", err)
	}
	if v.Err() != nil {
		t.Errorf("the connection has ended: %v", v.Err())
	}
}

func TestVisitThatDoesNotBegin(t *testing.T) {
	u := func(s string) *url.URL { return parse(t, s) }
	closing := answer(t, []byte{})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	tests := []struct {
		name string
		u    *url.URL
		c    mqtt.Config
		want error
		text string
	}{
		{"no answer", u(closing), mqtt.Config{}, mqtt.ErrNoAnswer, ""},
		{"no answer over WebSocket", u("ws" + strings.TrimPrefix(closing, "mqtt")), mqtt.Config{}, mqtt.ErrNoAnswer, ""},
		{"not WebSocket", u("ws" + strings.TrimPrefix(web.URL, "http")), mqtt.Config{}, mqtt.ErrNotWebSocket, "it answers \"404 Not Found\""},
		{"not MQTT", u(answer(t, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))), mqtt.Config{}, mqtt.ErrNotMQTT, ""},
		{"MQTT 3.1.1", u(answer(t, []byte{0x20, 2, 0, 1})), mqtt.Config{}, mqtt.ErrOldMQTT, ""},
		{"busy", u(answer(t, connack(0x89))), mqtt.Config{}, nil, `the broker refuses the connection: server busy (0x89): "hunter2 no"`},
		{"a password that cannot be read", u(closing), mqtt.Config{Password: func() ([]byte, error) { return nil, errors.New("gone") }}, nil, "reading password: gone"},
		{"a scheme", u("http://127.0.0.1"), mqtt.Config{}, nil, `"http://127.0.0.1" does not begin with a broker's scheme`},
	}
	for _, tt := range tests {
		_, err := mqtt.NewVisit(t.Context(), tt.u, tt.c, mqtt.VisitOptions{ClientID: "visitor"})
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %v %s", tt.name, err, tt.want, tt.text)
		}
	}
}

func TestVisitCutShort(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	v := visit(t, b.URL("mqtt"), mqtt.Config{}, mqtt.VisitOptions{ClientID: "visitor"})
	defer v.Close()
	b.Kill()
	select {
	case <-v.Done():
	case <-time.After(patience):
		t.Fatal("the connection does not end with the broker")
	}
	if v.Err() == nil {
		t.Error("Err does not say why")
	}
	if err := v.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1}); err == nil {
		t.Error("Publish after the end: no error")
	}
	if _, err := v.Subscribe(t.Context(), 1, filters("a")...); err == nil {
		t.Error("Subscribe after the end: no error")
	}
}
