package stomp_test

import (
	"errors"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/stomp"
)

func TestParseHeartBeat(t *testing.T) {
	tests := []struct {
		in   string
		want stomp.HeartBeat
	}{
		{"", stomp.HeartBeat{}},
		{"0,0", stomp.HeartBeat{}},
		{"30000,0", stomp.HeartBeat{Send: 30 * time.Second}},
		{"0,10000", stomp.HeartBeat{Receive: 10 * time.Second}},
		{"30000, 0", stomp.HeartBeat{Send: 30 * time.Second}},
		{" \t30000\t ,  5000 \t", stomp.HeartBeat{Send: 30 * time.Second, Receive: 5 * time.Second}},
		{" ", stomp.HeartBeat{}},
		{"1,2", stomp.HeartBeat{Send: time.Millisecond, Receive: 2 * time.Millisecond}},
		{"86400000,86400001", stomp.HeartBeat{Send: 24 * time.Hour, Receive: 24 * time.Hour}},
		{"9223372036854775807,99999999999999999999999", stomp.HeartBeat{Send: 24 * time.Hour, Receive: 24 * time.Hour}},
	}
	for _, tt := range tests {
		got, err := stomp.ParseHeartBeat(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseHeartBeat(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseHeartBeatRefuses(t *testing.T) {
	for _, in := range []string{",", "1", "1,", ",1", "-1,0", "0,-1", "+1,0", "1 0,2", "1,\n2", "1,\u00a02", "1,2,3", "1.5,0", "a,b", "٣,٣"} {
		got, err := stomp.ParseHeartBeat(in)
		var protocol *stomp.Error
		if !errors.As(err, &protocol) || got != (stomp.HeartBeat{}) {
			t.Errorf("ParseHeartBeat(%q) = %v, %v, want an *Error", in, got, err)
		}
	}
}

func TestHeartBeatString(t *testing.T) {
	h := stomp.HeartBeat{Send: 30 * time.Second, Receive: 1500 * time.Millisecond}
	if got, want := h.String(), "30000,1500"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

// The table of STOMP 1.2, "Heart-beating".
func TestNegotiateHeartBeat(t *testing.T) {
	const own, longer, shorter = 30 * time.Second, time.Minute, time.Second
	tests := []struct {
		name          string
		own, peer     stomp.HeartBeat
		send, receive time.Duration
	}{
		{"both", stomp.HeartBeat{own, own}, stomp.HeartBeat{own, own}, own, own},
		{"peer is slower", stomp.HeartBeat{own, own}, stomp.HeartBeat{longer, longer}, longer, longer},
		{"peer is faster", stomp.HeartBeat{own, own}, stomp.HeartBeat{shorter, shorter}, own, own},
		{"directions are independent", stomp.HeartBeat{own, shorter}, stomp.HeartBeat{longer, shorter}, own, longer},
		{"peer declares none", stomp.HeartBeat{own, own}, stomp.HeartBeat{}, 0, 0},
		{"we declare none", stomp.HeartBeat{}, stomp.HeartBeat{own, own}, 0, 0},
		{"peer only sends", stomp.HeartBeat{own, own}, stomp.HeartBeat{Send: own}, 0, own},
		{"peer only receives", stomp.HeartBeat{own, own}, stomp.HeartBeat{Receive: own}, own, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			send, receive := stomp.NegotiateHeartBeat(tt.own, tt.peer)
			if send != tt.send || receive != tt.receive {
				t.Errorf("got send %v, receive %v, want %v, %v", send, receive, tt.send, tt.receive)
			}
		})
	}
}
