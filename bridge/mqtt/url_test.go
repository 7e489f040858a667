package mqtt_test

import (
	"testing"

	"mqtt-stomp-bridge/bridge/mqtt"
)

func TestParseURL(t *testing.T) {
	tests := []struct{ text, want, err string }{
		{"mqtt://[::1]", "mqtt://[::1]:1883", ""},
		{"tcp://broker", "tcp://broker:1883", ""},
		{"mqtts://broker", "mqtts://broker:8883", ""},
		{"ssl://broker:999", "ssl://broker:999", ""},
		{"ws://broker/mqtt", "ws://broker:80/mqtt", ""},
		{"wss://broker", "wss://broker:443", ""},
		{"unix:///run/mqtt.sock", "unix:///run/mqtt.sock", ""},
		{"mqtt://user:secret@broker", "", "a broker URL takes no user name or password"},
		{"mqtt://us%er:secret@broker", "", "a broker URL takes no user name or password"},
		{"tls://broker", "", `a broker cannot be reached by "tls"`},
		{"broker", "", `"broker" is not a broker URL`},
		{"broker:1883", "", `"broker:1883" is not a broker URL`},
		{"mqtt://%", "", `"mqtt://%" is not a broker URL`},
		{"mqtt://", "", `"mqtt://" names no host`},
		{"mqtt://:1883", "", `"mqtt://:1883" names no host`},
		{"unix://", "", `"unix://" names no socket`},
		{"mqtt://broker:0", "", `"0" is not a port`},
		{"mqtt://broker:65536", "", `"65536" is not a port`},
	}
	for _, tt := range tests {
		u, err := mqtt.ParseURL(tt.text)
		switch {
		case err != nil:
			if err.Error() != tt.err {
				t.Errorf("%s: %v, want %s", tt.text, err, tt.err)
			}
		case u.String() != tt.want:
			t.Errorf("%s: got %s, want %s %s", tt.text, u, tt.want, tt.err)
		}
	}
}
