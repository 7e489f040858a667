//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mqtt-stomp-bridge/bridge/stomp"
)

// A stompTarget says where a STOMP session connects and what it subscribes to.
type stompTarget struct {
	endpoint
	login       map[string]string // further headers of CONNECT
	destination string
	id          string        // of the subscription
	resume      string        // the message-id after which it goes on; "" for none
	heartBeat   time.Duration // that both sides promise
}

// stompSubprotocol is the one of STOMP 1.2.
const stompSubprotocol = "v12.stomp"

// In STOMP each frame is a WebSocket message of its own.
type stompProtocol struct{}

func (stompProtocol) next(payload []byte) (message, rest []byte, err error) { return payload, nil, nil }

func (stompProtocol) answer(message []byte) ([]byte, error) {
	if bytes.HasPrefix(message, []byte("ERROR\n")) {
		return nil, fmt.Errorf("the server ended the session: %q", message)
	}
	return nil, nil
}

// openStomp opens a session by STOMP 1.2 that has subscribed: its RECEIPT is there.
func openStomp(ctx context.Context, index int, target stompTarget) (*session, error) {
	target.subprotocols = stompSubprotocol
	s, err := openSession(ctx, index, target.endpoint)
	if err != nil {
		return nil, err
	}
	s.protocol, s.opcode = stompProtocol{}, opText
	s.beat = appendMaskedFrame(nil, opText, []byte("\n"))
	if err := s.subscribeStomp(target); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) subscribeStomp(target stompTarget) error {
	beat := target.heartBeat.Milliseconds()
	connect := stomp.Frame{Command: stomp.CommandConnect, Headers: []stomp.Header{
		{Key: "accept-version", Value: "1.2"}, {Key: "host", Value: "/"}, {Key: "heart-beat", Value: fmt.Sprintf("%d,%d", beat, beat)}}}
	for key, value := range target.login {
		connect.Headers = append(connect.Headers, stomp.Header{Key: key, Value: value})
	}
	if _, err := s.request(&connect, stomp.CommandConnected); err != nil {
		return err
	}
	subscribe := stomp.Frame{Command: stomp.CommandSubscribe, Headers: []stomp.Header{
		{Key: "id", Value: target.id}, {Key: "destination", Value: target.destination}, {Key: "receipt", Value: "r"}}}
	if target.resume != "" {
		subscribe.Headers = append(subscribe.Headers, stomp.Header{Key: "resume-from", Value: target.resume})
	}
	receipt, err := s.request(&subscribe, stomp.CommandReceipt)
	if err != nil {
		return err
	}
	if resume, _ := receipt.Get("resume"); target.resume != "" && resume != "complete" {
		return fmt.Errorf("resuming from %s: the server answered %q", target.resume, resume)
	}
	return nil
}

// request sends a frame and returns the answer to it.
func (s *session) request(f *stomp.Frame, answer stomp.Command) (stomp.Frame, error) {
	if err := s.send(s.opcode, stomp.AppendFrame(nil, stomp.V12, f)); err != nil {
		return stomp.Frame{}, err
	}
	for {
		message, err := s.receive()
		if err != nil {
			return stomp.Frame{}, fmt.Errorf("waiting for %s: %w", answer, err)
		}
		d := stomp.NewDecoder(stomp.Limits{})
		d.SetVersion(stomp.V12)
		d.Write(message)
		got, err := d.Next()
		switch {
		case err != nil:
			return stomp.Frame{}, fmt.Errorf("reading %q: %w", message, err)
		case got.Command == answer:
			return got, nil
		case got.Command == stomp.CommandError:
			return stomp.Frame{}, errors.New(string(message))
		}
	}
}
