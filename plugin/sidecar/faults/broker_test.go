package faults_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// Somebody else connects with the bridge's client identifier, again and again, and takes events
// that it does not acknowledge. The bridge takes the identifier back, and says what is going on.
func TestClientIDTakenOver(t *testing.T) {
	s := start(t, options{})
	for range 4 {
		s.load()
		sessions := s.sessions()
		leave := takeOver(t, s.broker.Addr)
		bridgetest.Eventually(t, "the bridge to take the identifier back", func() bool { return s.sessions() > sessions+1 })
		leave()
		s.bridge.process.WaitReady()
	}
	if lines := s.bridge.process.Log.Lines("is a second bridge running with the same client_id?"); len(lines) == 0 {
		t.Error("no line asks for a second bridge")
	}
	s.flow()
	s.finish("client id: 4 x taken over").exact()
}

// takeOver connects as the bridge, with its session.
func takeOver(t *testing.T, broker string) (leave func()) {
	t.Helper()
	conn, err := net.Dial("tcp", broker)
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: conn, EnableManualAcknowledgment: true,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(paho.PublishReceived) (bool, error) { return true, nil }}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	expiry := uint32(86400)
	_, err = client.Connect(ctx, &paho.Connect{ClientID: "mqtt-stomp-bridge", KeepAlive: 60,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry}})
	if err != nil {
		t.Fatalf("taking over: %v", err)
	}
	return func() {
		conn.Close()
		<-client.Done()
	}
}

// The broker's administrator changes the password: the broker ends the connection and refuses the
// next. The bridge says so once and goes on by itself when its own password file has the new one.
func TestPasswordChanged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	password := func(p string) {
		if err := os.WriteFile(file, []byte(p+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	password("old password")
	users := map[string]string{"bridge": "old password", "app": "app password"}
	s := start(t, options{
		user:    "app",
		broker:  mosquittotest.Options{Users: users},
		environ: []string{"BRIDGE_BROKER_USERNAME=bridge", "BRIDGE_BROKER_PASSWORD_FILE=" + file},
	})
	s.load()
	users["bridge"] = "new password"
	s.broker.SetUsers(users)
	s.broker.Signal(syscall.SIGHUP)
	s.bridge.waitNotReady("not authorized")
	s.published(100) // Mosquitto keeps them for the bridge
	password("new password")
	s.bridge.process.WaitReady()
	if lines := s.bridge.process.Log.Lines("cannot connect to the broker"); len(lines) != 1 || !strings.Contains(lines[0], "not authorized") {
		t.Errorf("%d lines about the refusal, want one: %q", len(lines), lines)
	}
	s.flow()
	s.finish("password changed, refused, mended").exact()
}
