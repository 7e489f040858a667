package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/plugin/demo"
)

// startBridge starts a broker and the sidecar.
func (b *bench) startBridge(ctx context.Context, s *subject) error {
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	broker, err := b.startBroker(ctx, s, dir)
	if err != nil {
		return err
	}
	listen, err1 := freeAddress()
	ops, err2 := freeAddress()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(b.bridgeConfig(dir, broker, listen, ops)), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(b.sidecar, "serve", "-c", config)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BRIDGE_") })
	if s.server, err = startProcess("bridge", dir, cmd); err != nil {
		return err
	}
	s.onStop(s.server.stop)
	s.open = b.opener(stompTarget{address: listen, path: "/ws.communication", destination: "/queue/message"})
	s.publisher = func() (publisher, error) { return dialPublisher(broker, b.qos, b.size) }
	return s.server.await(ctx, func() bool {
		response, err := http.Get("http://" + ops + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// opener returns what opens sessions that show a token, one user each.
func (b *bench) opener(target stompTarget) func(context.Context, int) (*session, error) {
	return func(ctx context.Context, i int) (*session, error) {
		token, err := b.tokens.Sign(fmt.Sprintf("user-%d", i), time.Hour)
		if err != nil {
			return nil, err
		}
		target := target
		target.id = subscriptionID(i, b.distinct)
		target.login = map[string]string{"Authorization": "Bearer " + token}
		return openStomp(ctx, i, target)
	}
}

// bridgeConfig returns the sidecar's configuration.
func (b *bench) bridgeConfig(dir, broker, listen, ops string) string {
	c := fmt.Sprintf(`log: {level: warn}
broker: {url: "mqtt://%s"}
server: {listen: "%s", limits: {sessions: %d}}
auth: {jwt: {secret: %s}}
ops: {listen: "%s"}
`, broker, listen, b.mostSessions()+100, b.secret, ops)
	if b.journal == "disk" {
		c += fmt.Sprintf("journal: {dir: %q}\n", filepath.Join(dir, "journal"))
	}
	return c + rules
}

// startBroker starts the broker in front of the bridge and returns its address.
func (b *bench) startBroker(ctx context.Context, s *subject, dir string) (string, error) {
	if b.broker == "embedded" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		broker, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
		if err != nil {
			return "", err
		}
		s.onStop(func() { broker.Close() })
		return broker.Addr().String(), nil
	}
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	s.broker, err = b.startMosquitto(ctx, s, dir, listener(address))
	return address, err
}

// newSecret returns a secret to sign tokens with.
func newSecret() string {
	var random [32]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
