package main

import (
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// An openHook lets everybody do everything.
type openHook struct{ mochi.HookBase }

func (*openHook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*openHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*openHook) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// startMochi starts a broker in process that listens as the scheme says, and returns its URL. It is
// not a Mosquitto, since that one's websockets listener is open to the network.
func startMochi(t *testing.T, scheme string, certificate *tls.Config) string {
	t.Helper()
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(openHook), nil); err != nil {
		t.Fatal(err)
	}
	c := listeners.Config{ID: "l", Address: mosquittotest.FreeAddr(t)}
	var l listeners.Listener
	switch scheme {
	case "unix":
		c.Address = filepath.Join(t.TempDir(), "mqtt.sock")
		l = listeners.NewUnixSock(c)
	case "wss":
		c.TLSConfig = certificate
		fallthrough
	default:
		l = listeners.NewWebsocket(c)
	}
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Its Clients.GetByListener hangs if a client leaves meanwhile: it takes a read lock twice.
		bridgetest.Eventually(t, "the clients to have left", func() bool { return s.Info.Clone().ClientsConnected == 0 })
		s.Close()
	})
	return scheme + "://" + c.Address
}

// The commands beside the bridge reach the broker by every scheme, as the bridge does.
func TestCommandsByEveryScheme(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer web.Close()
	for _, scheme := range []string{"ws", "wss", "unix"} {
		t.Run(scheme, func(t *testing.T) {
			url := startMochi(t, scheme, web.TLS)
			s := prepareSidecar(t, liveRules, "BRIDGE_BROKER_URL="+url)
			ca := filepath.Join(t.TempDir(), "ca.pem")
			write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})))
			s.environ = append(s.environ, "BRIDGE_BROKER_CA_FILE="+ca)
			var out string
			bridgetest.Eventually(t, "the listener", func() bool { // it takes a moment
				out, _ = s.doctor()
				return !strings.Contains(out, "connection refused")
			})
			want := "ok    connect: " + scheme + "://"
			if !strings.Contains(out, want) || !strings.Contains(out, "came back after") {
				t.Errorf("doctor, want %s:\n%s", want, out)
			}
			if code, stdout, stderr := s.command("try", "--listen", "1", "-W", "0.1"); code != exitWaited || !strings.Contains(stdout, "0 messages\n") {
				t.Errorf("try --listen: code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}
