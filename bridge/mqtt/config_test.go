package mqtt_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
)

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		cfg  mqtt.Config
		urls []string
		want []string
	}{
		{"nothing", mqtt.Config{}, nil, []string{
			"no broker url",
			"no client id: without a fixed one the broker keeps no session",
		}},
		{"urls", mqtt.Config{ClientID: "b"},
			[]string{"mqtt://user:secret@host", "http://host", "localhost:1883", "mqtt://", "unix://", "wss://host/mqtt"}, []string{
				`a broker URL takes no user name or password`,
				`"http://host" does not begin with a broker's scheme`,
				`"localhost:1883" is not a broker URL`,
				`"mqtt:" names no host`,
				`"unix:" names no socket`,
			}},
		{"durations", mqtt.Config{ClientID: "b", KeepAlive: time.Millisecond, SessionExpiry: -1}, []string{"mqtt://host"}, []string{
			"keepalive 1ms: must be from 1s to 18h12m15s",
			"session expiry -1ns: must be from 1s to 1193046h28m15s",
		}},
		{"texts", mqtt.Config{ClientID: "b\n", Username: "u\x00", BaseTopic: "a\ufffe"}, []string{"mqtt://host"}, []string{
			"the client id has a line end",
			"the user name has the control character U+0000",
			"the base topic has U+FFFE, which is not a character",
		}},
		{"topics", mqtt.Config{ClientID: "b", BaseTopic: "a/#", Filters: filters("a/+/b/#", "#/a", "a+", "", "a\x00", "$SYS/#")}, []string{"mqtt://host"}, []string{
			`base topic "a/#": must be a topic name without + and # that does not begin with $`,
			`topic filter "#/a": + and # must be a whole level, # the last`,
			`topic filter "a+": + and # must be a whole level, # the last`,
			`topic filter "": must be 1 to 65535 bytes of UTF-8 without control characters`,
			`topic filter "a\x00": must be 1 to 65535 bytes of UTF-8 without control characters`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, u := range tt.urls {
				tt.cfg.URLs = append(tt.cfg.URLs, parse(t, u))
			}
			_, err := mqtt.New(tt.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnstarted(t *testing.T) {
	c, err := mqtt.New(mqtt.Config{URLs: []*url.URL{parse(t, "mqtt://127.0.0.1")}, ClientID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	c.Pause(nil)
	c.Resume()
	c.Ack(&mqtt.Event{QoS: 1})
	shut(t, c)
	if _, ok := <-c.Events(); ok {
		t.Error("Events is not closed by Close")
	}
	if err := c.Publish(t.Context(), mqtt.Message{Topic: "a"}); err == nil {
		t.Error("Publish after Close should be refused")
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("Start after Close should be refused")
	}
}
