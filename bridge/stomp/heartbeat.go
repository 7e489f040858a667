package stomp

import (
	"fmt"
	"strings"
	"time"
)

// maxHeartBeat is what longer intervals count as.
const maxHeartBeat = 24 * time.Hour

// HeartBeat is what one side declares in its heart-beat header. Zero means that it cannot, or does
// not want to.
type HeartBeat struct {
	Send    time.Duration // the shortest interval at which it can send
	Receive time.Duration // the interval at which it would like to receive
}

// ParseHeartBeat reads the value of a heart-beat header: two counts of milliseconds, each taken as
// a day when it is longer, with blanks around them or without. The empty string stands for a
// missing header, which means 0,0. The error is an *Error.
func ParseHeartBeat(s string) (HeartBeat, error) {
	if strings.Trim(s, blanks) == "" {
		return HeartBeat{}, nil
	}
	send, receive, _ := strings.Cut(s, ",")
	sendMillis, sendErr := parseDecimal(strings.Trim(send, blanks))
	receiveMillis, receiveErr := parseDecimal(strings.Trim(receive, blanks))
	if sendErr != nil || receiveErr != nil {
		return HeartBeat{}, &Error{Message: "malformed heart-beat header", Detail: "it must be two numbers of milliseconds with a comma between"}
	}
	return HeartBeat{Send: interval(sendMillis), Receive: interval(receiveMillis)}, nil
}

func interval(millis int) time.Duration {
	return time.Duration(min(millis, int(maxHeartBeat.Milliseconds()))) * time.Millisecond
}

// String returns the header's value.
func (h HeartBeat) String() string {
	return fmt.Sprintf("%d,%d", h.Send.Milliseconds(), h.Receive.Milliseconds())
}

// NegotiateHeartBeat returns at which interval we have to send and may expect to receive; zero
// means not at all. In each direction the larger of the two declared intervals counts, and both
// sides must have declared one (STOMP 1.2, "Heart-beating").
func NegotiateHeartBeat(own, peer HeartBeat) (send, receive time.Duration) {
	return agree(own.Send, peer.Receive), agree(peer.Send, own.Receive)
}

func agree(can, wants time.Duration) time.Duration {
	if can == 0 || wants == 0 {
		return 0
	}
	return max(can, wants)
}
