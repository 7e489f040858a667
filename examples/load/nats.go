//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// startNATS starts a nats-server that gets the events by MQTT and has sessions speak its own
// protocol over WebSocket: no mapping, no STOMP, no log.
func (b *bench) startNATS(ctx context.Context, s *subject) error {
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(3)
	if err != nil {
		return err
	}
	own, mqtt, web := free[0], free[1], free[2]
	config := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(config, []byte(natsConfig(dir, own, mqtt, web)), 0o600); err != nil {
		return err
	}
	if s.server, err = b.startServer("nats", dir, exec.Command(b.program("nats"), "-c", config)); err != nil {
		return err
	}
	s.onStop(s.server.stop)
	s.open = func(ctx context.Context, i int) (*session, error) { return openNATS(ctx, i, web) }
	s.publisher = func() (publisher, error) { return b.dialMapped(mqtt) }
	return s.server.await(ctx, func() bool { return listens(mqtt) && listens(web) })
}

// natsConfig has every listener on a loopback port. Its MQTT keeps sessions in JetStream.
func natsConfig(dir, own, mqtt, web string) string {
	return fmt.Sprintf(`server_name: load
listen: "%s"
jetstream {store_dir: %q}
mqtt {listen: "%s"}
websocket {listen: "%s", no_tls: true}
`, own, filepath.Join(dir, "jetstream"), mqtt, web)
}

// In NATS's protocol the frames of the WebSocket mean nothing; this server ends each behind a whole
// message all the same.
type natsProtocol struct{}

func (natsProtocol) next(payload []byte) (message, rest []byte, err error) {
	line, rest, found := bytes.Cut(payload, []byte("\r\n"))
	if !found {
		return nil, nil, fmt.Errorf("a frame of NATS ends within %q", line)
	}
	if !bytes.HasPrefix(line, []byte("MSG ")) {
		return line, rest, nil
	}
	n, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if err != nil || n < 0 || len(rest) < n+len("\r\n") {
		return nil, nil, fmt.Errorf("a frame of NATS has %d bytes for the payload of %q", len(rest), line)
	}
	return rest[:n], rest[n+len("\r\n"):], nil
}

func (natsProtocol) answer(message []byte) ([]byte, error) {
	switch {
	case bytes.Equal(message, []byte("PING")):
		return []byte("PONG\r\n"), nil
	case bytes.HasPrefix(message, []byte("-ERR")):
		return nil, errors.New(string(message))
	}
	return nil, nil
}

// openNATS opens a session that has subscribed.
func openNATS(ctx context.Context, index int, address string) (*session, error) {
	s, err := openSession(ctx, index, endpoint{address: address, path: "/", subprotocols: "nats"})
	if err != nil {
		return nil, err
	}
	s.protocol, s.opcode = natsProtocol{}, opBinary
	if err := s.subscribeNATS(); err != nil {
		s.close()
		return nil, fmt.Errorf("subscribing to NATS: %w", err)
	}
	return s, nil
}

// subscribeNATS returns when the server has answered what was sent after the subscription.
func (s *session) subscribeNATS() error {
	subject := strings.ReplaceAll(topic, "/", ".")
	request := `CONNECT {"verbose":false,"pedantic":false,"headers":false}` + "\r\nSUB " + subject + " 1\r\nPING\r\n"
	if err := s.send(s.opcode, []byte(request)); err != nil {
		return err
	}
	return s.await(func(message []byte) bool { return bytes.Equal(message, []byte("PONG")) })
}
