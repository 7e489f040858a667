//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// startMosquitto starts a mosquitto that serves MQTT over TCP at the address, and what the further
// lines of its configuration say, as the starter does, and waits until it answers.
func (b *bench) startMosquitto(ctx context.Context, s *subject, start starter, dir, address string, further ...string) (*process, error) {
	bin, err := findProgram("mosquitto")
	if err != nil {
		return nil, err
	}
	lines := []string{
		"log_dest stderr", "log_type error",
		"persistence false", "allow_anonymous true", "max_queued_messages 1000000",
		fmt.Sprintf("set_tcp_nodelay %t", b.noDelay),
		listener(address),
	}
	lines = append(lines, further...)
	config := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	p, err := start("mosquitto", dir, exec.Command(bin, "-c", config))
	if err != nil {
		return nil, err
	}
	s.onStop(p.stop)
	return p, p.await(ctx, func() bool { return listens(address) })
}

// listener returns an address in the words of mosquitto.conf.
func listener(address string) string {
	return "listener " + port(address) + " 127.0.0.1"
}

// startMosquittoWebSockets starts a mosquitto whose subscribers come by MQTT over WebSocket: no
// mapping, no STOMP.
func (b *bench) startMosquittoWebSockets(ctx context.Context, s *subject) error {
	if !inPrivateNetwork() {
		return errAbsent{"its websockets listener binds all addresses whatever it is told, so it has to be kept apart: " + errNoPrivateNetwork.Error()}
	}
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(2)
	if err != nil {
		return err
	}
	tcp, web := free[0], free[1]
	if s.server, err = b.startMosquitto(ctx, s, b.startServer, dir, tcp, listener(web), "protocol websockets"); err != nil {
		return err
	}
	s.open = func(ctx context.Context, i int) (*session, error) { return openMQTT(ctx, i, web) }
	s.publisher = func() (publisher, error) { return b.dialMapped(tcp) }
	return s.server.await(ctx, func() bool { return listens(web) })
}

// Mosquitto puts each packet into a WebSocket message of its own, and packets without an event need
// no answer: the session has no keep-alive.
type mqttProtocol struct{}

func (mqttProtocol) next(payload []byte) (message, rest []byte, err error) { return payload, nil, nil }
func (mqttProtocol) answer([]byte) ([]byte, error)                         { return nil, nil }

// openMQTT opens a session by MQTT over WebSocket that has subscribed at QoS 0.
func openMQTT(ctx context.Context, index int, address string) (*session, error) {
	s, err := openSession(ctx, index, endpoint{address: address, path: "/mqtt", subprotocols: "mqtt"})
	if err != nil {
		return nil, err
	}
	s.protocol, s.opcode = mqttProtocol{}, opBinary
	if err := s.subscribeMQTT(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) subscribeMQTT() error {
	if err := s.send(s.opcode, appendConnect(nil, fmt.Sprintf("load-%d", s.index))); err != nil {
		return err
	}
	answer, err := s.receive()
	if err != nil {
		return fmt.Errorf("waiting for CONNACK: %w", err)
	}
	if err := checkConnack(answer); err != nil {
		return err
	}
	if err := s.send(s.opcode, appendSubscribe(nil, topic)); err != nil {
		return err
	}
	answer, err = s.receive()
	if err != nil {
		return fmt.Errorf("waiting for SUBACK: %w", err)
	}
	return checkSuback(answer)
}
