//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/demo"
)

// startBridge starts a broker and the sidecar.
func (b *bench) startBridge(ctx context.Context, s *subject) error {
	if b.journal == "nats" {
		return b.startReplicas(ctx, s)
	}
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	free, err := freeAddresses(3)
	if err != nil {
		return err
	}
	broker, listen, ops := free[0], free[1], free[2]
	if err := b.startBroker(ctx, s, dir, broker); err != nil {
		return err
	}
	journal := ""
	if b.journal == "disk" {
		journal = fmt.Sprintf("journal: {dir: %q}\n", filepath.Join(dir, "journal"))
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(b.bridgeConfig(broker, listen, ops, s.opsKeys, journal)), 0o600); err != nil {
		return err
	}
	s.ops = ops
	s.target = b.targets(endpoint{address: listen})
	s.open = opener(s.target)
	s.publisher = func() (publisher, error) { return b.dialEvents(broker) }
	s.serve = func(ctx context.Context) (err error) {
		s.server, err = b.serve(ctx, s, dir, config, ops)
		return err
	}
	return s.serve(ctx)
}

// serve starts the sidecar and waits until it is ready.
func (b *bench) serve(ctx context.Context, s *subject, dir, config, ops string) (*process, error) {
	cmd := exec.Command(b.program("bridge"), "serve", "-c", config)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BRIDGE_") })
	p, err := b.startServer("bridge-"+port(ops), dir, cmd)
	if err != nil {
		return nil, err
	}
	s.onStop(p.stop)
	return p, p.await(ctx, func() bool {
		response, err := http.Get("http://" + ops + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// targets returns what makes targets at the endpoint for sessions that show a token, one user each.
func (b *bench) targets(e endpoint) func(int) (stompTarget, error) {
	e.path, e.tls = "/ws.communication", b.clientTLS
	target := stompTarget{endpoint: e, destination: "/queue/message", heartBeat: b.heartBeat}
	return func(i int) (stompTarget, error) {
		token, err := b.tokens.Sign(auth.Grant{User: fmt.Sprintf("user-%d", i), TTL: time.Hour})
		target := target
		target.id = subscriptionID(i, b.distinct)
		target.login = map[string]string{"Authorization": "Bearer " + token}
		return target, err
	}
}

// opener returns what opens sessions at their targets.
func opener(target func(int) (stompTarget, error)) func(context.Context, int) (*session, error) {
	return func(ctx context.Context, i int) (*session, error) {
		t, err := target(i)
		if err != nil {
			return nil, err
		}
		return openStomp(ctx, i, t)
	}
}

// bridgeConfig returns the sidecar's configuration.
func (b *bench) bridgeConfig(broker, listen, ops, opsKeys, journal string) string {
	c := fmt.Sprintf(`log: {level: warn}
broker: {url: "mqtt://%s"}
auth: {jwt: {secret: %s}}
ops: {listen: "%s"%s}
server:
  listen: "%s"
  heartbeat: %v
  limits: {sessions: %d}
`, broker, b.secret, ops, opsKeys, listen, b.heartBeat, b.mostSessions()+100)
	if b.clientTLS != nil {
		c += fmt.Sprintf("  cert_file: %q\n  key_file: %q\n", b.certFile(), b.keyFile())
	}
	return c + journal + rules
}

// startBroker starts the broker in front of the bridge.
func (b *bench) startBroker(ctx context.Context, s *subject, dir, address string) (err error) {
	if b.broker == "mosquitto" {
		s.broker, err = b.startMosquitto(ctx, s, startProcess, dir, address)
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	broker, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	s.onStop(func() { broker.Close() })
	return nil
}

// newSecret returns a secret to sign tokens with.
func newSecret() string {
	var random [32]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
