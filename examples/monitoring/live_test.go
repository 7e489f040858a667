package monitoring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/ops"
)

// A real Prometheus, with the files as they are shipped, watches a bridge whose broker goes away
// and comes back. Only the address and, for the test's patience, the intervals are others.
func TestPrometheusSeesTheBrokerGo(t *testing.T) {
	prometheus := mosquittotest.Look(t, "prometheus")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	p := startPrometheus(t, prometheus, startBridge(t, broker))

	p.eventually("two scrapes of a bridge that is ready", "sum_over_time(mqtt_stomp_bridge_ready[1m]) >= 2")
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			if n := p.query(variables.Replace(target.Expr)); n == 0 && panel.Type == "stat" {
				t.Errorf("panel %q is empty: %s", panel.Title, target.Expr)
			}
		}
	}
	if n := p.query(`ALERTS{alertstate="firing"}`); n > 0 {
		t.Errorf("%d alerts fire while all is well", n)
	}
	broker.Stop()
	p.eventually("the alert", trouble)
	broker.Restart()
	p.eventually("the end of the alert", "absent("+trouble+")")
	p.eventually("the other alert: this broker keeps no sessions", `ALERTS{alertname="MqttStompBridgeEventsLost", alertstate="firing"}`)
}

const trouble = `ALERTS{alertname="MqttStompBridgeBrokerTrouble", alertstate="firing"}`

// startBridge runs a bridge without rules and returns the address of its ops endpoint.
func startBridge(t *testing.T, broker *mosquittotest.Broker) string {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	authenticator, err := auth.NewJWT(auth.JWTConfig{Secrets: [][]byte{[]byte(bridgetest.Secret)}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.New(bridge.Config{
		MQTT:     mqtt.Config{URLs: []*url.URL{broker.URL("mqtt")}, ClientID: "monitored", KeepAlive: time.Second},
		Log:      journal.NewMemory(journal.MemoryOptions{}),
		Server:   server.Config{Policy: server.Policy{Auth: authenticator}},
		Listener: l,
		Mapper:   mapping.Compile(nil, mapping.Options{}, &source.Report{}),
		Logger:   logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	web := httptest.NewServer(ops.Handler(b, ops.Options{Reloads: func() ops.Reloads { return ops.Reloads{} }}))
	t.Cleanup(func() {
		web.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the bridge: %v", err)
		}
	})
	return web.Listener.Addr().String()
}

// A prometheus is a running Prometheus.
type prometheus struct {
	t       *testing.T
	address string
}

func startPrometheus(t *testing.T, path, target string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	quick := strings.NewReplacer("127.0.0.1:9464", target, "interval: 15s", "interval: 1s", "interval: 5s", "interval: 1s")
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(quick.Replace(read(t, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &prometheus{t: t, address: mosquittotest.FreeAddr(t)}
	log := &strings.Builder{} // read after the end
	c := exec.Command(path, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+p.address)
	c.Dir, c.Stderr = dir, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Logf("log of prometheus:\n%s", log)
		}
	})
	return p
}

// query returns how many series an expression gives.
func (p *prometheus) query(expr string) int {
	p.t.Helper()
	n, err := p.ask(expr)
	if err != nil {
		p.t.Errorf("%s: %v", expr, err)
	}
	return n
}

func (p *prometheus) ask(expr string) (int, error) {
	response, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("prometheus: %s", answer.Error)
	}
	return len(answer.Data.Result), nil
}

// eventually waits until the expression gives something, for a minute at most.
func (p *prometheus) eventually(what, expr string) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if n, err := p.ask(expr); err == nil && n > 0 { // at first it does not answer
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain for %s: %s", what, expr)
		}
	}
}
