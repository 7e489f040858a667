package server

import (
	"strconv"
	"strings"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// acknowledge treats ACK and NACK alike: nothing is ever sent again, so both only take the message
// out of those in flight.
func (x *session) acknowledge(f *stomp.Frame) error {
	if _, ok := f.Get("transaction"); ok {
		return clientError("transactions are not supported", "ACK takes effect at once")
	}
	subs, position, known := x.acknowledged(f)
	odd := false // also when the session has ended and Update does nothing
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		for _, s := range subs {
			if feed.Ack(s.cursor, position, s.mode == ackClient) {
				known = true
			}
		}
		if odd = !known; odd {
			return answers
		}
		return x.appendReceipt(answers, f)
	})
	if odd {
		return clientError("no such message", "the frame does not name a message that awaits acknowledgement")
	}
	return nil
}

// acknowledged finds what the frame names, each version in its own form and whatever else the
// client adds: at 1.2 the ack header's value in id, at 1.1 message-id and subscription, at 1.0
// message-id alone, which may mean several subscriptions. gone reports that the frame may mean a
// subscription that is closed by now: that is not a mistake of the client.
func (x *session) acknowledged(f *stomp.Frame) (subs []*subscription, position uint64, gone bool) {
	id, _ := f.Get("message-id")
	number := 0
	means := func(s *subscription) bool { return true }
	switch x.v() {
	case stomp.V12:
		ack, _ := f.Get("id")
		id, number = cutAck(ack)
		means = func(s *subscription) bool { return s.number == number }
	case stomp.V11:
		name, _ := f.Get("subscription")
		means = func(s *subscription) bool { return s.key == name }
	}
	epoch, position, ok := parseMessageID(id)
	if !ok || epoch != x.server.config.Hub.Epoch(position) {
		return nil, 0, false
	}
	for _, s := range x.subs {
		if s.number > 0 && means(s) {
			subs = append(subs, s)
		}
	}
	if x.v() == stomp.V12 {
		return subs, position, len(subs) == 0 && 0 < number && number <= x.lastNumber
	}
	return subs, position, 0 < position && position <= x.closedAt
}

// cutAck splits the value of an ack header into a message-id and the number of a subscription, 0
// when it is malformed.
func cutAck(ack string) (messageID string, number int) {
	dot := strings.LastIndexByte(ack, '.')
	if dot < 0 {
		return "", 0
	}
	number, err := strconv.Atoi(ack[dot+1:])
	if err != nil {
		return "", 0
	}
	return ack[:dot], number
}
