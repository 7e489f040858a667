//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
)

// channel is where the server in ./centrifuge publishes the events.
const channel = "chat"

// startCentrifuge starts a broker, and a server with the Centrifuge library that publishes to a
// channel what it gets from there by MQTT: no mapping, no STOMP, no log.
func (b *bench) startCentrifuge(ctx context.Context, s *subject) error {
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(2)
	if err != nil {
		return err
	}
	broker, web := free[0], free[1]
	if err := b.startBroker(ctx, s, dir, broker); err != nil {
		return err
	}
	cmd := exec.Command(b.program("centrifuge"), "-broker", broker, "-topic", topic, "-qos", strconv.Itoa(b.qos), "-listen", web, "-channel", channel)
	if s.server, err = b.startServer("centrifuge", dir, cmd); err != nil {
		return err
	}
	s.onStop(s.server.stop)
	s.open = func(ctx context.Context, i int) (*session, error) { return openCentrifuge(ctx, i, web) }
	s.publisher = func() (publisher, error) { return b.dialMapped(broker) }
	return s.server.await(ctx, func() bool { return listens(web) })
}

// Centrifuge's protocol, as JSON, has an object a line, and several of them in a frame.
type centrifugeProtocol struct{}

func (centrifugeProtocol) next(payload []byte) (message, rest []byte, err error) {
	message, rest, _ = bytes.Cut(payload, []byte("\n"))
	return message, rest, nil
}

func (centrifugeProtocol) answer(message []byte) ([]byte, error) {
	switch {
	case bytes.Equal(message, []byte("{}")): // a ping
		return message, nil
	case bytes.Contains(message, []byte(`"error":`)):
		return nil, errors.New(string(message))
	}
	return nil, nil
}

// openCentrifuge opens a session that has subscribed.
func openCentrifuge(ctx context.Context, index int, address string) (*session, error) {
	s, err := openSession(ctx, index, endpoint{address: address, path: "/", subprotocols: "centrifuge-json"})
	if err != nil {
		return nil, err
	}
	s.protocol, s.opcode = centrifugeProtocol{}, opText
	if err := s.subscribeCentrifuge(); err != nil {
		s.close()
		return nil, fmt.Errorf("subscribing to Centrifuge: %w", err)
	}
	return s, nil
}

func (s *session) subscribeCentrifuge() error {
	request := `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"` + channel + `"}}`
	if err := s.send(s.opcode, []byte(request)); err != nil {
		return err
	}
	return s.await(func(message []byte) bool { return bytes.HasPrefix(message, []byte(`{"id":2,"subscribe":`)) })
}
