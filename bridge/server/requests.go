package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A subscription is one SUBSCRIBE that was accepted.
type subscription struct {
	id     string // as the client named it; at 1.0 perhaps empty
	key    string // id, or at 1.0 without one the destination
	mode   ackMode
	number int // in the ack header; 0 for those without
	cursor *hub.Cursor
}

// An ackMode is the value of SUBSCRIBE's ack header.
type ackMode string

const (
	ackAuto       ackMode = "auto"
	ackClient     ackMode = "client"
	ackIndividual ackMode = "client-individual"
)

// refuse is why a frame is answered by ERROR. The texts are fixed: they hold nothing that the client sent.
func refuse(message, detail string) error {
	return &stomp.Error{Message: message, Detail: detail}
}

// handle obeys one frame, and sends the RECEIPT that it asks for.
func (x *session) handle(f *stomp.Frame) {
	err := x.dispatch(f)
	var denied *auth.Error
	switch {
	case err == nil:
	case errors.As(err, &denied):
		x.unauthorized(f, denied)
	default:
		x.fail("protocol error", f, wireError(err))
	}
}

func (x *session) dispatch(f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandHeartBeat:
		return nil
	case stomp.CommandConnect, stomp.CommandStomp:
		return x.connect(f)
	}
	if !x.connected {
		return refuse("not connected", "the first frame must be CONNECT or STOMP")
	}
	switch f.Command {
	case stomp.CommandSubscribe:
		return x.subscribe(f)
	case stomp.CommandUnsubscribe:
		return x.unsubscribe(f)
	case stomp.CommandAck:
		return x.acknowledge(f)
	case stomp.CommandNack:
		if x.v() == stomp.V10 {
			return refuse("unknown command", "STOMP 1.0 has no NACK")
		}
		return x.acknowledge(f)
	case stomp.CommandDisconnect:
		x.disconnect(f)
		return nil
	case stomp.CommandSend:
		return refuse("SEND is not accepted", "the queues are outbound only")
	case stomp.CommandBegin, stomp.CommandCommit, stomp.CommandAbort:
		return refuse("transactions are not supported", "there is nothing to send, and ACK takes effect at once")
	}
	return refuse("unknown command", "a server's command cannot come from a client")
}

func (x *session) v() stomp.Version { return stomp.Version(x.version.Load()) }

// connect answers CONNECT or STOMP (STOMP 1.2, "Connecting"). host is not asked for: real clients leave it out.
func (x *session) connect(f *stomp.Frame) error {
	if x.connected {
		return refuse("already connected", "CONNECT comes once")
	}
	accept, _ := f.Get("accept-version")
	version, ok := stomp.Negotiate(accept)
	if !ok {
		return refuse("no common version", "supported versions are 1.0, 1.1 and 1.2")
	}
	if err := x.authenticate(f); err != nil {
		return err
	}
	beats, _ := f.Get("heart-beat")
	peer, err := stomp.ParseHeartBeat(beats)
	if err != nil {
		return err
	}
	x.version.Store(uint32(version))
	x.decoder.SetVersion(version)
	x.connected = true
	x.sendConnected(version)
	x.startHeartBeats(version, peer)
	who := x.credentials.Load().identity
	x.expireAt(who.Expires)
	x.log.Info("session connected", "user", who.User, "version", version.String())
	return nil
}

// authenticate lets the session in by the handshake's token or the frame's.
func (x *session) authenticate(f *stomp.Frame) error {
	by := x.credentials.Load()
	authorization, inFrame := getFold(f, "authorization")
	switch {
	case by == nil && !inFrame:
		return &auth.Error{Reason: "no token"}
	case by != nil && inFrame && auth.Token(authorization) != auth.Token(by.authorization):
		return &auth.Error{Reason: "two different tokens"}
	case by != nil:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), x.server.config.Limits.ConnectTimeout)
	defer cancel()
	by, err := x.server.admit(ctx, authorization)
	if err != nil {
		return err
	}
	x.credentials.Store(by)
	return nil
}

// getFold is Get for a key in any letter case: what HTTP allows, some clients do in frames too.
func getFold(f *stomp.Frame, key string) (string, bool) {
	for _, h := range f.Headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value, true
		}
	}
	return "", false
}

func (x *session) sendConnected(version stomp.Version) {
	h := x.server.config.HeartBeat
	f := &stomp.Frame{Command: stomp.CommandConnected, Headers: []stomp.Header{
		{Key: "version", Value: version.String()},
		{Key: "heart-beat", Value: stomp.HeartBeat{Send: h, Receive: h}.String()},
		{Key: "session", Value: x.id},
		{Key: "server", Value: "mqtt-stomp-bridge/" + x.server.config.Version},
	}}
	if user := x.credentials.Load().identity.User; !strings.ContainsAny(user, "\x00\r\n") { // CONNECTED does not escape
		f.Headers = append(f.Headers, stomp.Header{Key: "user-name", Value: user})
	}
	x.out.send(appendFrame(nil, version, f))
}

// silentFactor is how many intervals a peer may be silent: browsers fire the timers of hidden tabs about once a minute.
const silentFactor = 3

// startHeartBeats begins to send and to expect them. Where the client negotiates none, and at 1.0, which has none, WebSocket
// pings do: their answers show that it is there.
func (x *session) startHeartBeats(version stomp.Version, peer stomp.HeartBeat) {
	h := x.server.config.HeartBeat
	var send, receive time.Duration
	if version > stomp.V10 {
		send, receive = stomp.NegotiateHeartBeat(stomp.HeartBeat{Send: h, Receive: h}, peer)
	}
	var beat []byte
	if send > 0 {
		beat = appendMessage(beat, opText, []byte("\n"))
	}
	if receive == 0 {
		beat = appendMessage(beat, opPing, nil)
	}
	x.silence = silentFactor * cmp.Or(receive, send, h)
	x.out.keepAlive(beat, cmp.Or(send, h))
	x.conn.SetReadDeadline(time.Now().Add(x.silence))
}

func (x *session) subscribe(f *stomp.Frame) error {
	s, o, err := x.parseSubscribe(f)
	if err != nil {
		return err
	}
	destination, _ := f.Get("destination")
	if s.mode != ackAuto {
		x.lastNumber++
		s.number = x.lastNumber
		x.numbers[s.number] = s
	}
	kind := format{destination: destination, subscription: s.id, version: x.v(), epoch: x.server.config.Hub.Epoch()}
	if s.mode != ackAuto && x.v() == stomp.V12 {
		kind.ack = s.number // 1.0 and 1.1 name the message and the subscription instead
	}
	if o.Resume != nil {
		o.First = func(complete bool) hub.Format {
			noted := kind
			noted.note = resumeNote(complete)
			return noted
		}
	}
	x.subs[s.key] = s
	x.out.update(func(feed *hub.Feed, control []byte) []byte {
		var complete bool
		s.cursor, complete = feed.Subscribe(destination, kind, o)
		if o.Resume == nil {
			return x.appendReceipt(control, f)
		}
		return x.appendReceipt(control, f, stomp.Header{Key: "resume", Value: resumeNote(complete)})
	})
	x.log.Debug("subscribed", "queue", destination)
	return nil
}

func resumeNote(complete bool) string {
	if complete {
		return "complete"
	}
	return "gap"
}

// maxSubscriptionID is the longest subscription id in bytes; some clients take no longer header line than 1,024.
const maxSubscriptionID = 512

// parseSubscribe checks a SUBSCRIBE frame and takes its headers apart; the cursor is not placed yet.
func (x *session) parseSubscribe(f *stomp.Frame) (*subscription, hub.Options, error) {
	var o hub.Options
	destination, _ := f.Get("destination")
	id, hasID := f.Get("id")
	s := &subscription{id: id, key: id, mode: ackAuto}
	if !hasID {
		s.key = destination
	}
	if mode, ok := f.Get("ack"); ok {
		s.mode = ackMode(mode)
	}
	switch {
	case !x.server.config.Hub.Has(destination):
		return nil, o, refuse("unknown destination", "the destinations are "+strings.Join(x.server.config.Queues, ", "))
	case id == "" && (hasID || x.v() > stomp.V10):
		return nil, o, refuse("SUBSCRIBE without id", "from STOMP 1.1 on a subscription has an id")
	case len(id) > maxSubscriptionID:
		return nil, o, refuse("the subscription id is too long", "every message repeats it")
	case x.subs[s.key] != nil:
		return nil, o, refuse("the subscription id is in use", "")
	case len(x.subs) >= x.server.config.Limits.Subscriptions:
		return nil, o, refuse("too many subscriptions", "UNSUBSCRIBE from one first")
	case !slices.Contains([]ackMode{ackAuto, ackClient, ackIndividual}, s.mode), s.mode == ackIndividual && x.v() == stomp.V10:
		return nil, o, refuse("unknown ack mode", "ack is auto, client or, from STOMP 1.1 on, client-individual")
	}
	o.Track = s.mode != ackAuto
	if from, ok := f.Get("resume-from"); ok {
		// A value that was never a message-id of ours is a gap, like one of another epoch.
		epoch, position, _ := parseMessageID(from)
		o.Resume = &hub.Resume{Epoch: epoch, Position: position}
	}
	return s, o, nil
}

func (x *session) unsubscribe(f *stomp.Frame) error {
	key, ok := f.Get("id")
	if !ok && x.v() == stomp.V10 {
		key, _ = f.Get("destination")
	}
	s := x.subs[key]
	if s == nil {
		return refuse("no such subscription", "UNSUBSCRIBE names none that is open")
	}
	delete(x.subs, key)
	delete(x.numbers, s.number)
	x.out.update(func(feed *hub.Feed, control []byte) []byte {
		feed.Unsubscribe(s.cursor)
		return x.appendReceipt(control, f)
	})
	return nil
}

// acknowledge obeys ACK and NACK alike: nothing is ever sent again by itself, so both only end the message's flight.
func (x *session) acknowledge(f *stomp.Frame) error {
	if _, ok := f.Get("transaction"); ok {
		return refuse("transactions are not supported", "ACK takes effect at once")
	}
	s, position := x.acknowledged(f)
	if s == nil {
		return refuse("no such message", "the frame names no message that waits for its acknowledgement")
	}
	known := true
	x.out.update(func(feed *hub.Feed, control []byte) []byte {
		if known = feed.Ack(s.cursor, position, s.mode == ackClient); !known {
			return control
		}
		return x.appendReceipt(control, f)
	})
	if !known {
		return refuse("no such message", "the frame names no message that waits for its acknowledgement")
	}
	return nil
}

// acknowledged finds what the frame names, each version in its own form and whatever else the client adds: at 1.2 the ack
// header's value in id, at 1.1 message-id and subscription, at 1.0 message-id alone. s is nil when it names nothing.
func (x *session) acknowledged(f *stomp.Frame) (s *subscription, position uint64) {
	id, _ := f.Get("message-id")
	switch x.v() {
	case stomp.V12:
		ack, _ := f.Get("id")
		dot := strings.LastIndexByte(ack, '.')
		if dot < 0 {
			return nil, 0
		}
		number, err := strconv.Atoi(ack[dot+1:])
		if err != nil {
			return nil, 0
		}
		id, s = ack[:dot], x.numbers[number]
	case stomp.V11:
		name, _ := f.Get("subscription")
		s = x.subs[name]
	default:
		s = x.holding(id)
	}
	epoch, position, ok := parseMessageID(id)
	if !ok || epoch != x.server.config.Hub.Epoch() || s == nil || s.mode == ackAuto {
		return nil, 0
	}
	return s, position
}

// holding finds the subscription that a 1.0 client means, which may leave out which one it is.
func (x *session) holding(id string) (s *subscription) {
	_, position, _ := parseMessageID(id)
	x.out.update(func(feed *hub.Feed, control []byte) []byte {
		for _, candidate := range x.numbers {
			if feed.InFlight(candidate.cursor, position) {
				s = candidate
			}
		}
		return control
	})
	return s
}

func (x *session) disconnect(f *stomp.Frame) {
	x.disconnecting = true
	x.out.update(func(_ *hub.Feed, control []byte) []byte { return x.appendReceipt(control, f) })
	x.end(ending{cause: "client disconnected", code: websocket.CloseNormalClosure, quiet: true})
}

// appendReceipt appends the RECEIPT for f if it asks for one.
func (x *session) appendReceipt(dst []byte, f *stomp.Frame, extra ...stomp.Header) []byte {
	receipt, ok := f.Get("receipt")
	if !ok {
		return dst
	}
	headers := append([]stomp.Header{{Key: "receipt-id", Value: receipt}}, extra...)
	return appendFrame(dst, x.v(), &stomp.Frame{Command: stomp.CommandReceipt, Headers: headers})
}
