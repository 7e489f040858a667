package server

import (
	"slices"
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
	a, ok := x.acknowledged(f)
	odd := false // also when the session has ended and Update does nothing
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		if odd = !ok || !a.apply(feed); odd {
			return answers
		}
		return x.appendReceipt(answers, f)
	})
	if odd {
		return clientError("no such message", notAwaited[x.v()])
	}
	return nil
}

// notAwaited says to a client of each version how it has to name a message.
var notAwaited = map[stomp.Version]string{
	stomp.V10: "message-id must be that of a MESSAGE that awaits acknowledgement, which no message of a subscription with ack:auto does",
	stomp.V11: "message-id and subscription must be those of a MESSAGE that awaits acknowledgement, which no message of a subscription with ack:auto does",
	stomp.V12: "id must be the value of the ack header of a MESSAGE that awaits acknowledgement, and not its message-id; " +
		"a message of a subscription with ack:auto has none",
}

// An acknowledgement is what ACK or NACK names.
type acknowledgement struct {
	position uint64
	subs     []*subscription // which the message may have come for
	single   bool            // it has come for one of them
	gone     bool            // or for one that is closed by now: that is not a mistake of the client
}

// apply acknowledges the message. It reports false when nobody awaits that, or when it is not clear
// for which of several subscriptions it would be.
func (a *acknowledgement) apply(feed *hub.Feed) bool {
	subs := a.subs
	if a.single {
		awaiting := slices.DeleteFunc(slices.Clone(subs), func(s *subscription) bool {
			return !feed.Awaits(s.cursor, a.position)
		})
		switch len(awaiting) {
		case 0: // perhaps it was acknowledged already
		case 1:
			subs = awaiting
		default:
			return false
		}
	}
	known := a.gone
	for _, s := range subs {
		if feed.Ack(s.cursor, a.position, s.mode == ackClient) {
			known = true
		}
	}
	return known
}

// acknowledged finds what the frame names. Each version has its own form: at 1.2 the ack header's
// value in id, at 1.1 message-id and subscription, at 1.0 message-id alone, which may mean several
// subscriptions. Clients of 1.1 and 1.2 that give the message-id alone, in either header, are
// understood too; then the message must be one of a single subscription. ok is false when the frame
// names nothing.
func (x *session) acknowledged(f *stomp.Frame) (a acknowledgement, ok bool) {
	id, hasID := f.Get("id")
	messageID, hasMessageID := f.Get("message-id")
	name, named := f.Get("subscription")
	if !hasMessageID || hasID && x.v() == stomp.V12 {
		messageID = id
	}
	number := 0
	if x.v() == stomp.V12 {
		if ackID, n := cutAck(messageID); n > 0 {
			messageID, number = ackID, n
		}
	}
	epoch, position, ok := parseMessageID(messageID)
	if !ok || epoch != x.server.config.Hub.Epoch(position) {
		return a, false
	}
	a.position = position
	for _, s := range x.subs {
		if s.number > 0 && (number == 0 || s.number == number) && (number > 0 || !named || s.key == name) {
			a.subs = append(a.subs, s)
		}
	}
	if number > 0 {
		a.gone = len(a.subs) == 0 && number <= x.lastNumber
		return a, true
	}
	a.single = x.v() > stomp.V10
	a.gone = 0 < position && position <= x.closedAt
	return a, true
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
