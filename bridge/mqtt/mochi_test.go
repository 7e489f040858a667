package mqtt_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// mochiBroker is a broker in process, whose access control a test can change.
type mochiBroker struct {
	*mochi.Server
	acl *acl
	u   *url.URL
}

// acl refuses the topics and filters in it.
type acl struct {
	mochi.HookBase
	mu      sync.Mutex
	refused map[string]bool
}

func (a *acl) Provides(b byte) bool {
	return bytes.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck}, []byte{b})
}

func (a *acl) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (a *acl) OnACLCheck(_ *mochi.Client, topic string, _ bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.refused[topic]
}

func (a *acl) set(refused ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = make(map[string]bool)
	for _, topic := range refused {
		a.refused[topic] = true
	}
}

// startMochi starts a broker that listens as scheme says.
func startMochi(t *testing.T, scheme string, config *tls.Config) *mochiBroker {
	t.Helper()
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	b := &mochiBroker{Server: s, acl: &acl{}}
	if err := s.AddHook(b.acl, nil); err != nil {
		t.Fatal(err)
	}
	lc := listeners.Config{ID: "l", Address: mosquittotest.FreeAddr(t), TLSConfig: config}
	var l listeners.Listener
	switch scheme {
	case "unix":
		lc.Address = filepath.Join(t.TempDir(), "mqtt.sock")
		l = listeners.NewUnixSock(lc)
	case "ws", "wss":
		l = listeners.NewWebsocket(lc)
	default:
		l = listeners.NewTCP(lc)
	}
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeMochi(t, s) })
	b.u = &url.URL{Scheme: scheme, Host: lc.Address}
	if scheme == "unix" {
		b.u = &url.URL{Scheme: scheme, Path: lc.Address}
	}
	return b
}

// closeMochi says who holds the broker up: it waits for ever for a connection that it has accepted
// and does not know.
func closeMochi(t *testing.T, s *mochi.Server) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Close()
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Errorf("the broker does not close:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}
