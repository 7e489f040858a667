package kubernetes_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	core "k8s.io/api/core/v1"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/ops"
)

// A pod is a bridge on this machine with what its pod would have: the ConfigMap and the Secret as kubelet mounts them, the
// environment, the probes. What is of the cluster, addresses, is of this machine.
type pod struct {
	*bridgetest.Process
	t         *testing.T
	dir, ops  string
	config    string // path of config.yaml
	workload  workload
	binary    string
	configMap map[string]string
	environ   []string
}

const password = "the password at Mosquitto and NATS"

func startPod(t *testing.T, directory string, broker *mosquittotest.Broker, environ ...string) *pod {
	t.Helper()
	m, err := decode(build(t, directory))
	if err != nil {
		t.Fatal(err)
	}
	w, err := m.pods()
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{t: t, dir: t.TempDir(), ops: mosquittotest.FreeAddr(t), workload: w, binary: buildBridge(t), configMap: named[*core.ConfigMap](m, name).Data}
	p.config = lay(t, p.dir, p.configMap, map[string]string{"jwt_secret": bridgetest.Secret, "broker_password": password, "nats_password": password})
	p.environ = append(w.environ(t), "BRIDGE_OPS_LISTEN="+p.ops, "BRIDGE_SERVER_LISTEN="+mosquittotest.FreeAddr(t), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	p.environ = append(p.environ, environ...)
	if out, err := p.command("check", "-c", p.config).CombinedOutput(); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	p.Process = bridgetest.Start(t, p.command("serve", "-c", p.config), p.ops)
	return p
}

// buildBridge builds the bridge in its own module, which has all that it needs.
func buildBridge(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "mqtt-stomp-bridge")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", binary, "./plugin/sidecar").CombinedOutput(); err != nil {
		t.Fatalf("building the bridge: %v\n%s", err, out)
	}
	return binary
}

func (p *pod) command(args ...string) *exec.Cmd {
	c := exec.Command(p.binary, args...)
	c.Env = p.environ
	return c
}

// probe asks as kubelet does, by address, and returns the status, 0 where there is no answer, and what was said.
func (p *pod) probe(probe *core.Probe) (status int, said string) {
	p.t.Helper()
	client := http.Client{Timeout: time.Duration(probe.TimeoutSeconds) * time.Second}
	response, err := client.Get("http://" + p.ops + probe.HTTPGet.Path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

func (p *pod) becomes(what string, probe *core.Probe, status int) {
	p.t.Helper()
	bridgetest.Eventually(p.t, what, func() bool { got, _ := p.probe(probe); return got == status })
}

// opensConsole shows the console to an operator alone, as through kubectl port-forward.
func (p *pod) opensConsole() {
	p.t.Helper()
	token, err := p.command("token", "-c", p.config, "-u", "ada", "--claim", "role=operator").Output()
	if err != nil {
		p.t.Fatalf("token: %v", err)
	}
	memory := p.command("memory", "-c", p.config, "--token-file", "/dev/stdin")
	memory.Stdin = strings.NewReader(string(token))
	if out, err := memory.CombinedOutput(); err != nil {
		p.t.Errorf("memory: %v\n%s", err, out)
	}
	for _, ask := range []struct {
		authorization string
		want          int
	}{{"", http.StatusUnauthorized}, {"Bearer " + strings.TrimSpace(string(token)), http.StatusOK}} {
		r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.ops+"/console/", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		r.Header.Set("Authorization", ask.authorization)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			p.t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != ask.want {
			p.t.Errorf("the console answers %d, want %d", response.StatusCode, ask.want)
		}
	}
}

// logged waits until the log has so many lines with the words.
func (p *pod) logged(words string, n int) {
	p.t.Helper()
	bridgetest.Eventually(p.t, words, func() bool { return len(p.Log.Lines(words)) >= n })
}

func startMosquitto(t *testing.T) *mosquittotest.Broker {
	t.Helper()
	return mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"mqtt-stomp-bridge": password}})
}

// One bridge with the configuration, the Secret and the variables of the manifests: its probes answer, it reloads what kubelet
// changes, and it ends in time.
func TestSingleServes(t *testing.T) {
	broker := startMosquitto(t)
	p := startPod(t, "single", broker, "BRIDGE_JOURNAL_DIR="+t.TempDir())
	c := p.workload.bridge()
	p.becomes("the startup probe", c.StartupProbe, http.StatusOK)
	p.becomes("the readiness probe", c.ReadinessProbe, http.StatusOK)
	p.becomes("the liveness probe", c.LivenessProbe, http.StatusOK)

	p.opensConsole()

	rules := maps.Clone(p.configMap)
	for file, text := range rules {
		rules[file] = strings.ReplaceAll(strings.Replace(text, "chat message", "renamed", 1), secretsDir, filepath.Join(p.dir, "secrets"))
	}
	mountAs(t, filepath.Join(p.dir, "config"), "..2", rules)
	p.logged(`"msg":"reloaded"`, 1)
	if hash := regexp.MustCompile(`"config":"\w+"`); hash.FindString(p.Log.Lines(`"msg":"starting"`)[0]) == hash.FindString(p.Log.Lines(`"msg":"reloaded"`)[0]) {
		t.Error("the new rules are not in force")
	}
	mountAs(t, filepath.Join(p.dir, "secrets"), "..2", map[string]string{"jwt_secret": "another " + bridgetest.Secret, "broker_password": password})
	p.logged(`"msg":"reloaded"`, 2)
	rules["rules.yaml"] = "rulez: 1\n"
	mountAs(t, filepath.Join(p.dir, "config"), "..3", rules)
	p.logged("reload refused", 1)

	broker.Stop()
	p.becomes("the readiness probe without a broker", c.ReadinessProbe, http.StatusServiceUnavailable)
	if status, said := p.probe(c.LivenessProbe); status != http.StatusOK {
		t.Errorf("the liveness probe without a broker: %d %s", status, said)
	}
	p.Stop()
}

// A replica is ready without the broker: clients get what the journal has, and no other replica has more.
func TestReplicaServes(t *testing.T) {
	broker := startMosquitto(t)
	nats := natstest.Start(t, natstest.Current(t), natstest.Options{
		Servers: 3, Config: []string{`authorization { user: bridge, password: "` + password + `" }`},
		Connect: []nats.Option{nats.UserInfo("bridge", password)},
	})
	p := startPod(t, "replicas", broker, "BRIDGE_JOURNAL_NATS_URL="+strings.Join(nats.URLs(), ","))
	c := p.workload.bridge()
	p.becomes("the startup probe", c.StartupProbe, http.StatusOK)
	p.becomes("the readiness probe", c.ReadinessProbe, http.StatusOK)
	troubles := func() int {
		var r ops.Readiness
		_, said := p.probe(c.ReadinessProbe)
		if err := json.Unmarshal([]byte(said), &r); err != nil || r.Replica == nil {
			t.Fatalf("%v: %s", err, said)
		}
		return len(r.Troubles)
	}
	bridgetest.Eventually(t, "the bridge to read from the broker", func() bool { return troubles() == 0 })
	broker.Stop()
	bridgetest.Eventually(t, "the trouble", func() bool { return troubles() > 0 })
	if status, said := p.probe(c.ReadinessProbe); status != http.StatusOK {
		t.Errorf("the readiness probe without a broker: %d %s", status, said)
	}
	p.Stop()
}
