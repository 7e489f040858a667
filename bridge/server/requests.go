package server

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// clientError returns the ERROR for a mistake of the client. The texts are fixed: they hold nothing
// that the client sent.
func clientError(message, detail string) error {
	return &stomp.Error{Message: message, Detail: detail}
}

// A denial ends a session although its frame is well formed. It is counted under its cause.
type denial struct {
	cause string
	err   *stomp.Error
}

// Error returns what the client is told.
func (d *denial) Error() string { return d.err.Message }

// handle executes one frame and sends the RECEIPT that it asks for.
func (x *session) handle(f *stomp.Frame) {
	if err := x.dispatch(f); err != nil {
		x.reject(f, err)
	}
}

// reject ends the session because of what the client asked for, with f unless that is nil.
func (x *session) reject(f *stomp.Frame, err error) {
	var unauthorized *auth.Error
	var denied *denial
	switch {
	case errors.As(err, &unauthorized):
		x.unauthorized(f, unauthorized)
	case errors.As(err, &denied):
		x.fail(denied.cause, f, denied.err)
	default:
		wire := wireError(err)
		x.fail(wire.Message, f, withBlanks(wire, f)) // one of a few fixed texts
	}
}

func (x *session) dispatch(f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandHeartBeat:
		return nil
	case stomp.CommandAck, stomp.CommandNack: // there may be many, and they need little
	default:
		x.deep = true
	}
	switch f.Command {
	case stomp.CommandConnect, stomp.CommandStomp:
		return x.connect(f)
	}
	if !x.connected {
		return clientError("not connected", "the first frame must be CONNECT or STOMP")
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
			return clientError("unknown command", "STOMP 1.0 has no NACK")
		}
		return x.acknowledge(f)
	case stomp.CommandDisconnect:
		x.disconnect(f)
		return nil
	case stomp.CommandSend:
		if to, _ := f.Get("destination"); to == tokenDestination {
			return x.renew(f)
		}
		return clientError("SEND is not accepted", "the queues are outbound only")
	case stomp.CommandBegin, stomp.CommandCommit, stomp.CommandAbort:
		return clientError("transactions are not supported", "clients cannot send messages, and ACK takes effect at once")
	}
	return clientError("unknown command", "clients cannot send a server command")
}

func (x *session) v() stomp.Version { return stomp.Version(x.version.Load()) }

// connect answers CONNECT or STOMP (STOMP 1.2, "Connecting"). The host header is optional: real
// clients leave it out.
func (x *session) connect(f *stomp.Frame) error {
	if x.connected {
		return clientError("already connected", "CONNECT must be sent only once")
	}
	accept, _ := f.Get("accept-version")
	version, ok := stomp.Negotiate(accept)
	if version == stomp.V10 {
		f.TrimBlanks()
	}
	if !ok {
		x.fail("no common version", f, &stomp.Error{Message: "no common version", Detail: "supported versions are 1.0, 1.1 and 1.2"},
			stomp.Header{Key: "version", Value: "1.0,1.1,1.2"})
		return nil
	}
	if err := x.authenticateConnect(f); err != nil {
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
	x.log(slog.LevelInfo, "session connected", "user", x.credentials.Load().identity.User, "version", version.String())
	return nil
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
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		feed.SetTokens(x.server.tokens(x.credentials.Load().identity))
		return appendFrame(answers, version, f)
	})
}

// silentFactor is how many intervals a peer may be silent: browsers fire the timers of hidden tabs
// about once a minute.
const silentFactor = 3

// startHeartBeats begins to send and to expect heart-beats. Without them, as at STOMP 1.0,
// WebSocket pings take their place: the pongs show that the client is alive. Whatever the client
// asks for, something is sent at the interval of the configuration, which is chosen so that no
// proxy on the way takes the connection for idle.
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
	switch {
	case receive == 0:
		beat = appendMessage(beat, opPing, nil)
		receive = h
	case send == 0: // a pong that nobody has asked for is not answered (RFC 6455, 5.5.3)
		beat = appendMessage(beat, opPong, nil)
	}
	x.silence = silentFactor * receive
	x.out.KeepAlive(beat, h)
	x.heard()
}

func (x *session) disconnect(f *stomp.Frame) {
	x.out.Update(func(_ *hub.Feed, answers []byte) []byte { return x.appendReceipt(answers, f) })
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
