package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/listen"
)

// asProgram makes the test's binary the program.
const asProgram = "MQTT_STOMP_BRIDGE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// As a process of its own: SIGHUP reloads though no file has changed, SIGTERM ends it with code 0.
func TestSignals(t *testing.T) {
	b := startDemoBroker(t)
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	s.log = &bridgetest.Buffer{}
	c := exec.Command(os.Args[0], "serve", "-c", s.config)
	c.Env, c.Stderr = append(s.environ, asProgram+"=1"), s.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	s.waitReady()
	for n := 1; n <= 2; n++ {
		c.Process.Signal(syscall.SIGHUP)
		bridgetest.Eventually(t, "the reload", func() bool {
			return len(s.lines("reloading at SIGHUP")) == n && len(s.lines("msg=reloaded")) == n
		})
	}
	c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, s.log)
	}
}

// What waits for something that does not end, such as standard input, ends at the second signal.
func TestSecondSignal(t *testing.T) {
	c := exec.Command(os.Args[0], "try", "-c", "testdata/cli/good.yaml", "--events", "-")
	c.Env = append(os.Environ(), asProgram+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	io.WriteString(in, `{"topic":"no/rule","payload":1}`+"\n")
	if _, err := out.Read(make([]byte, 1)); err != nil { // so it waits for the next event
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Wait()
	}()
	bridgetest.Eventually(t, "the end", func() bool {
		c.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if got := c.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != os.Interrupt {
		t.Errorf("it was ended by %v", got)
	}
}

// The log level, the allowed origins and the server's certificate change without a restart;
// sessions stay.
func TestReloadSettings(t *testing.T) {
	const origin = "https://app.example.org"
	b := startDemoBroker(t)
	s := prepareSidecar(t, "", reloadEnviron(b)...)
	s.withoutVariable("BRIDGE_LOG_LEVEL")
	issue := func(name string) {
		certificate, key := selfSigned(t, name)
		replace(t, filepath.Join(filepath.Dir(s.config), "tls.key"), key)
		replace(t, filepath.Join(filepath.Dir(s.config), "tls.crt"), certificate)
	}
	set := func(level, origins string) {
		replace(t, s.config, "log: {level: "+level+"}\nserver: {cert_file: tls.crt, key_file: tls.key, allowed_origins: ["+origins+"]}\n"+sourceRule("a/{n}", "first"))
	}
	issue("first")
	set("info", "")
	s.start()
	s.waitReady()
	c, err := listen.Dial(t.Context(), listen.Config{URL: "wss" + strings.TrimPrefix(s.url(), "ws"), Token: s.token("grace"),
		Queues: []string{"/queue/channel/connected"}, TLS: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := s.certificateName(); got != "first" {
		t.Errorf("the certificate at the start is %s", got)
	}
	if got := s.handshake(origin); got != http.StatusForbidden {
		t.Errorf("before its origin is allowed a page gets %d", got)
	}

	issue("second")
	bridgetest.Eventually(t, "the second certificate", func() bool { return s.certificateName() == "second" })
	set("error", "'"+origin+"'")
	bridgetest.Eventually(t, "the origin to be allowed", func() bool { return s.handshake(origin) == http.StatusSwitchingProtocols })
	before := len(s.log.String())
	set("info", "")
	bridgetest.Eventually(t, "the origin to be refused again", func() bool { return s.handshake(origin) == http.StatusForbidden })
	bridgetest.Eventually(t, "the reload to be logged", func() bool { return strings.Contains(s.log.String(), "msg=reloaded") })
	if log := s.log.String()[before:]; strings.Contains(log, "a file has changed") {
		t.Errorf("level=error lets this through:\n%s", log)
	}

	b.Publish("a/1", []byte("{}"))
	if got := nextChannel(t, c); got.Name != "1" {
		t.Errorf("the session from before the reloads got %+v", got)
	}
}

// A mistake that is saved is refused, and the bridge that runs on is healthy: who restarts the
// unhealthy must not stop it.
func TestHealthBesideABrokenFile(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	for i, text := range []string{"rules: [{name: x}]", "a: [", "broker: {keepalive: nonsense}"} {
		replace(t, s.config, text)
		bridgetest.Eventually(t, "the refusal", func() bool { return strings.Count(s.log.String(), "reload refused") == i+1 })
		if code, stdout, stderr := s.command("healthcheck"); code != exitOK {
			t.Errorf("beside %s: code %d, %s%s", text, code, stdout, stderr)
		}
	}
}

// With client_ca_file a client needs a certificate too, beside its token.
func TestClientCertificates(t *testing.T) {
	b := startDemoBroker(t)
	s := prepareSidecar(t, "server: {cert_file: tls.crt, key_file: tls.key, client_ca_file: clients.crt}\n"+sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	dir := filepath.Dir(s.config)
	certificate, key := selfSigned(t, "server")
	write(t, filepath.Join(dir, "tls.crt"), certificate)
	write(t, filepath.Join(dir, "tls.key"), key)
	pairs := map[string]tls.Certificate{}
	for _, name := range []string{"known", "unknown"} {
		certificate, key := selfSigned(t, name)
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		pairs[name] = pair
		if name == "known" {
			write(t, filepath.Join(dir, "clients.crt"), certificate)
		}
	}
	s.start()
	s.waitReady()
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "unknown": {pairs["unknown"]}, "known": {pairs["known"]}} {
		c, err := listen.Dial(t.Context(), listen.Config{URL: "wss" + strings.TrimPrefix(s.url(), "ws"), Token: s.token("grace"),
			Queues: []string{"/queue/channel/connected"}, TLS: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}})
		if (err == nil) != (name == "known") {
			t.Errorf("with the certificate %s: %v", name, err)
		}
		if err != nil {
			continue
		}
		b.Publish("a/1", []byte("{}"))
		if got := nextChannel(t, c); got.Name != "1" {
			t.Errorf("got %+v", got)
		}
		c.Close()
	}
}

// certificateName is the common name of the certificate that the sidecar shows.
func (r *running) certificateName() string {
	r.t.Helper()
	c, err := tls.Dial("tcp", r.listen, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// handshake is the status that a page of the origin gets.
func (r *running) handshake(origin string) int {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "https://"+r.listen+"/ws.communication", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{"Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		request.Header.Set(name, value)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// selfSigned makes a certificate for a name and 127.0.0.1, and its key, both as PEM.
func selfSigned(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// What cannot change while the bridge runs is named at each reload until it is as at the start
// again.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	certificate, key := selfSigned(t, "unused")
	write(t, filepath.Join(filepath.Dir(s.config), "tls.crt"), certificate)
	write(t, filepath.Join(filepath.Dir(s.config), "tls.key"), key)
	steps := []struct {
		server          string
		heartbeats, tls int // warnings so far
	}{
		{"heartbeat: 10s", 1, 0},
		{"heartbeat: 10s, allowed_origins: '*'", 2, 0},
		{"heartbeat: 30s", 2, 0}, // as at the start
		{"cert_file: tls.crt, key_file: tls.key", 2, 1},
	}
	for i, step := range steps {
		replace(t, s.config, "server: {"+step.server+"}\n"+sourceRule("a/{n}", "first"))
		bridgetest.Eventually(t, "the reload", func() bool { return len(s.lines("msg=reloaded")) == i+1 })
		if got := len(s.lines("needs a restart\" key=server.heartbeat")); got != step.heartbeats {
			t.Errorf("after %s: %d warnings of server.heartbeat, want %d", step.server, got, step.heartbeats)
		}
		if got := len(s.lines("needs a restart\" key=server.cert_file")); got != step.tls {
			t.Errorf("after %s: %d warnings of server.cert_file, want %d", step.server, got, step.tls)
		}
	}
}

// Other files that change all the time in the same directory do not keep the configuration from
// being read.
func TestReloadInABusyDirectory(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	c := s.dial("grace", "/queue/channel/connected")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(30 * time.Millisecond) // well below the time that files must be left alone
		defer tick.Stop()
		for ctx.Err() == nil {
			os.WriteFile(filepath.Join(filepath.Dir(s.config), "other.log"), []byte(time.Now().String()), 0o600)
			<-tick.C
		}
	}()
	replace(t, s.config, sourceRule("a/{n}", "second"))
	inForce(t, b, c, "second")
	cancel()
	<-done
	if n := len(s.lines("reloading")); n != 1 {
		t.Errorf("%d reloads, want 1", n)
	}
}

// A mistake in a file that only the refused configuration includes is noticed when it is mended
// there.
func TestReloadMendedElsewhere(t *testing.T) {
	b := startDemoBroker(t)
	rules := sourceRule("x/{n}", "none")
	s := startSidecar(t, rules, reloadEnviron(b)...)
	c := s.dial("grace", "/queue/channel/connected")
	more := filepath.Join(t.TempDir(), "more.yaml")
	good := strings.Replace(sourceRule("a/{n}", "second"), "name: channel", "name: more", 1)
	write(t, more, strings.Replace(good, "queue:", "queu:", 1))
	replace(t, s.config, "include: "+more+"\n"+rules)
	bridgetest.Eventually(t, "the refusal", func() bool { return len(s.lines("reload refused")) == 1 })
	replace(t, more, good)
	bridgetest.Eventually(t, "the reload", func() bool { return len(s.lines("msg=reloaded")) == 1 })
	inForce(t, b, c, "second")
}

// A change that comes while a reload waits for the broker to grant its filters is not lost.
func TestReloadDuringAReload(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	broker.Signal(syscall.SIGSTOP)
	replace(t, s.config, sourceRule("b/{n}", "second"))
	bridgetest.Eventually(t, "the reload to begin", func() bool { return len(s.lines("reloading, since a file has changed")) == 1 })
	replace(t, s.config, sourceRule("b/{n}", "third"))
	broker.Signal(syscall.SIGCONT)
	bridgetest.Eventually(t, "the second reload", func() bool { return len(s.lines("msg=reloaded")) == 2 })
}

// A JSON log has durations that people can read, as a text log has.
func TestLogDurations(t *testing.T) {
	for format, want := range map[string]string{"text": "took=1.5s", "json": `"took":"1.5s"`} {
		out := &bridgetest.Buffer{}
		p := program{stderr: out}
		p.logger(&config.Config{Log: config.Log{Format: format}}, &slog.LevelVar{}).Info("done", "took", 1500*time.Millisecond)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: no %s in %s", format, want, out)
		}
	}
}

// A JSON log holds the problems of a configuration as records, beside a text log they are shown as
// check shows them.
func TestProblemShower(t *testing.T) {
	problems := []source.Problem{
		{File: "f", Line: 1, Column: 2, Message: "wrong", Text: "xyz"},
		{File: "f", Line: 3, Column: 1, Message: "doubtful", Warning: true},
	}
	for format, want := range map[string][]string{
		"text": {"f:1:2: wrong\n     1 | xyz\n       |  ^\n", "f:3:1: warning: doubtful\n"},
		"json": {
			`"level":"ERROR","msg":"problem in the configuration","problem":"f:1:2: wrong","text":"f:1:2: wrong\n     1 | xyz\n       |  ^"`,
			`"level":"WARN","msg":"problem in the configuration","problem":"f:3:1: warning: doubtful"`,
		},
	} {
		var out bytes.Buffer
		p := program{stderr: &out}
		p.problemShower(format, p.logger(&config.Config{Log: config.Log{Format: format}}, &slog.LevelVar{}))(problems)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %s in\n%s", format, w, &out)
			}
		}
	}
}
