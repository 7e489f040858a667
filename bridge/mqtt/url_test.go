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
		{"tls://broker", "", `"tls://broker" does not begin with a broker's scheme`},
		{"broker", "", `"broker" is not a broker URL`},
		{"broker:1883", "", `"broker:1883" is not a broker URL`},
		{"mqtt://%", "", `"mqtt://%" is not a broker URL`},
		{"mqtt://", "", `"mqtt://" names no host`},
		{"mqtt://:1883", "", `"mqtt://:1883" names no host`},
		{"unix://", "", `"unix://" names no socket`},
		{"mqtt://us%40er:secret%40broker", "", "a broker URL takes no user name or password"},
		{"mqtt://broker:0", "", `"mqtt://broker:0" has a port that is not within 1 to 65535`},
		{"mqtt://broker:65536", "", `"mqtt://broker:65536" has a port that is not within 1 to 65535`},
		{"mqtt://broker:1883:1884", "", `"mqtt://broker:1883:1884" has more than one port`},
		{"mqtt://::1", "", `"mqtt://::1" has an IPv6 address without brackets`},
		{"mqtt://fe80::1:1883", "", `"mqtt://fe80::1:1883" has an IPv6 address without brackets`},
		{"mqtt://a:1,mqtt://b:2", "", `"mqtt://a:1,mqtt://b:2" is more than one URL`},
		{"mqtt://a:1,b:2", "", `"mqtt://a:1,b:2" is more than one URL`},
		{"mqtt://a,b", "", `"mqtt://a,b" is more than one URL`},
		{"mqtt://a mqtt://b", "", `"mqtt://a mqtt://b" is more than one URL`},
		{"mqtt://a b", "", `"mqtt://a b" has a blank in it`},
		{" mqtt://a", "", `" mqtt://a" has a blank in it`},
		{"mqtt://h/path", "", `"mqtt://h/path" has a path, which only ws and wss take`},
		{"mqtts://h?x=1", "", `"mqtts://h?x=1" has a path, which only ws and wss take`},
		{"wss://h/mqtt#x", "", `"wss://h/mqtt#x" goes on after a #`},
		{"mqtt://h#", "", `"mqtt://h#" goes on after a #`},
		{"mqtt://$HOST", "", `"mqtt://$HOST" has a character that no host name has`},
		{"mqtt://h/", "mqtt://h:1883/", ""},
		{"MQTT://h:", "mqtt://h:1883", ""},
		{"mqtt://[fe80::1%25eth0]", "mqtt://[fe80::1%25eth0]:1883", ""},
		{"mqtt://bücher.example", "mqtt://b%C3%BCcher.example:1883", ""},
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
