package main

import (
	"context"
	"errors"
	"fmt"

	"mqtt-stomp-bridge/bridge/stomp"
)

// A stompTarget says where a STOMP session connects and what it subscribes to.
type stompTarget struct {
	address, path string
	login         map[string]string // further headers of CONNECT
	destination   string
	id            string // of the subscription
}

// openStomp opens a session by STOMP 1.2 that has subscribed: its RECEIPT is there.
func openStomp(ctx context.Context, index int, target stompTarget) (*session, error) {
	s, err := openSession(ctx, index, target.address, target.path, "v12.stomp")
	if err != nil {
		return nil, err
	}
	s.beat = appendMaskedFrame(nil, opText, []byte("\n"))
	if err := s.subscribeStomp(target); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) subscribeStomp(target stompTarget) error {
	connect := stomp.Frame{Command: stomp.CommandConnect, Headers: []stomp.Header{
		{Key: "accept-version", Value: "1.2"}, {Key: "host", Value: "/"}, {Key: "heart-beat", Value: "30000,30000"}}}
	for key, value := range target.login {
		connect.Headers = append(connect.Headers, stomp.Header{Key: key, Value: value})
	}
	if err := s.request(&connect, stomp.CommandConnected); err != nil {
		return err
	}
	return s.request(&stomp.Frame{Command: stomp.CommandSubscribe, Headers: []stomp.Header{
		{Key: "id", Value: target.id}, {Key: "destination", Value: target.destination}, {Key: "receipt", Value: "r"},
	}}, stomp.CommandReceipt)
}

// request sends a frame and waits for the answer to it.
func (s *session) request(f *stomp.Frame, answer stomp.Command) error {
	if err := s.send(opText, stomp.AppendFrame(nil, stomp.V12, f)); err != nil {
		return err
	}
	for {
		message, err := s.receive()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", answer, err)
		}
		d := stomp.NewDecoder(stomp.Limits{})
		d.SetVersion(stomp.V12)
		d.Write(message)
		got, err := d.Next()
		switch {
		case err != nil:
			return fmt.Errorf("reading %q: %w", message, err)
		case got.Command == answer:
			return nil
		case got.Command == stomp.CommandError:
			return errors.New(string(message))
		}
	}
}
