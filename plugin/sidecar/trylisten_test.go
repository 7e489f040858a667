package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// liveRules tell mapped, filtered and rejected events apart by their payload.
const liveRules = `
rules:
  - name: channel
    topic: a/{n}
    when: payload.kind != "other"
    queue: /queue/channel/connected
    fields:
      id: =uuid("channel", topic.n)
      name: =payload.name
      source: test
      source_channel_id: =topic.n
  - name: silent
    topic: b/{n}
    queue: /queue/channel/disconnected
    fields: {id: =topic.n, name: none, source: test, source_channel_id: =topic.n}
`

// everythingRule takes any topic, retained copies too.
const everythingRule = `
rules:
  - name: everything
    topic: '#'
    retained: deliver
    queue: /queue/channel/connected
    fields:
      id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11
      name: =payload.name
      source: test
      source_channel_id: test
`

// try --listen gets the live messages beside the running bridge, which loses none, and ends with a
// line a rule.
func TestTryListen(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := startSecured(t)
	broker.WriteFile("acl", "user bridge\ntopic read a/#\ntopic read b/#\ntopic readwrite mqtt-stomp-bridge/#\nuser app\ntopic write #\n")
	broker.Kill()
	broker.Restart()
	s := startSidecar(t, liveRules, brokerEnviron(t, broker)...)
	c := s.dial("grace", "/queue/channel/connected")

	type ended struct {
		code           int
		stdout, stderr string
	}
	tried := make(chan ended, 1)
	go func() {
		code, stdout, stderr := s.command("try", "--listen", "5", "-W", "30")
		tried <- ended{code, stdout, stderr}
	}()
	bridgetest.Eventually(t, "try to be subscribed", func() bool { return strings.Contains(broker.Log(), "Sending SUBACK to mqtt-stomp-bridge-try-") })
	for n, payload := range []string{`{"name": "one"}`, `{}`, `{"kind": "other"}`, `not json`, `{"name": "last"}`} {
		publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", fmt.Sprint("a/", n), "-m", payload)
	}
	got := <-tried
	if got.code != exitFailure || got.stderr != "" {
		t.Errorf("code %d, stderr %q; a rejected event gives %d", got.code, got.stderr, exitFailure)
	}
	for _, want := range []string{
		"a/0  15 bytes retained=false\n",
		`"name":"one"`,
		"dead letter: ",
		"\n5 messages\n  mapped filtered rejected  rule\n       2        1        2  channel\n       0        0        0  silent\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	for _, want := range []string{"one", "last"} {
		if b := nextChannel(t, c); b.Name != want {
			t.Errorf("the bridge's client got %+v, want %q", b, want)
		}
	}
	if n := strings.Count(s.log.String(), `msg="connected to the broker"`); n != 2 {
		t.Errorf("the bridge has connected %d times, want once for receiving and once for sending", n)
	}
}

// How it ends without rejections: after so many, after so long, without a broker, without a right
// to be there.
func TestTryListenEnds(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := startSecured(t)
	retained := mosquittotest.Start(t, mosquittotest.Options{})
	publish(t, retained.Addr, "-r", "-t", "a/kept", "-m", `{"name": "kept"}`)
	publish(t, retained.Addr, "-r", "-t", "mqtt-stomp-bridge/state", "-m", `{"state": "online"}`)
	tests := []struct {
		name    string
		rules   string
		url     string
		args    []string
		code    int
		want    string // in the output
		without string
	}{
		{"a retained copy, and nothing of the bridge's own", everythingRule, "mqtt://" + retained.Addr, []string{"--listen", "1"}, exitOK,
			"1 message\n  mapped filtered rejected  rule\n       1        0        0  everything\n", "mqtt-stomp-bridge/state"},
		{"nothing comes", liveRules, "mqtt://" + retained.Addr, []string{"--listen", "1", "-W", "0.1"}, exitWaited, "0 messages\n", ""},
		{"no rules", "", "mqtt://" + retained.Addr, []string{"--listen", "1"}, exitFailure, "there are no rules, so nothing to listen for", ""},
		{"refused", liveRules, "mqtt://" + broker.Addr, []string{"--listen", "1"}, exitFailure, "the broker refuses the connection: not authorized (0x87)", ""},
		{"nobody there", liveRules, "mqtt://" + mosquittotest.FreeAddr(t), []string{"--listen", "1"}, exitFailure, "connection refused", ""},
		{"no WebSocket there", liveRules, "ws://" + retained.Addr, []string{"--listen", "1"}, exitFailure, "the broker closed the connection without an answer", ""},
		{"the second address", liveRules, "mqtt://" + mosquittotest.FreeAddr(t) + ",mqtt://" + retained.Addr, []string{"--listen", "1", "-W", "0.1"}, exitWaited, "0 messages\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := prepareSidecar(t, test.rules, "BRIDGE_BROKER_URL="+test.url)
			code, stdout, stderr := s.command(append([]string{"try"}, test.args...)...)
			out := stdout + stderr
			if code != test.code || !strings.Contains(out, test.want) {
				t.Errorf("code %d, want %d; output, which must hold %q:\n%s", code, test.code, test.want, out)
			}
			if test.without != "" && strings.Contains(out, test.without) {
				t.Errorf("%q in\n%s", test.without, out)
			}
		})
	}
}

// A broker that goes away, and a user who has seen enough, end it with the summary.
func TestTryListenCutShort(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"log_type all"}})
	s := prepareSidecar(t, liveRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	run := func(ctx context.Context) (out *bridgetest.Buffer, code chan int) {
		out, code = &bridgetest.Buffer{}, make(chan int, 1)
		subscribed := strings.Count(broker.Log(), "Sending SUBACK")
		p := program{stdin: strings.NewReader(""), stdout: out, stderr: out, environ: s.environ}
		go func() { code <- p.run(ctx, []string{"try", "-c", s.config, "--listen", "2"}) }()
		bridgetest.Eventually(t, "try to be subscribed", func() bool { return strings.Count(broker.Log(), "Sending SUBACK") > subscribed })
		publish(t, broker.Addr, "-t", "a/1", "-m", `{"kind": "other"}`)
		bridgetest.Eventually(t, "the first message", func() bool { return strings.Contains(out.String(), "a/1") })
		return out, code
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, code := run(ctx)
	cancel()
	if got := <-code; got != exitFailure || !strings.Contains(out.String(), "1 message\n") {
		t.Errorf("interrupted: code %d\n%s", got, out)
	}
	out, code = run(t.Context())
	broker.Kill()
	if got := <-code; got != exitFailure || !strings.Contains(out.String(), "1 message\n") || !strings.Contains(out.String(), "the connection to the broker is lost: ") {
		t.Errorf("broker killed: code %d\n%s", got, out)
	}
}

// Over TLS the broker's certificate is checked as the bridge checks it.
func TestTryListenTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer web.Close()
	key, err := x509.MarshalPKCS8PrivateKey(web.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	broker := mosquittotest.Start(t, mosquittotest.Options{
		Files: map[string]string{
			"server.crt": certificate,
			"server.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		},
		Config: []string{"certfile {dir}/server.crt", "keyfile {dir}/server.key"},
	})
	s := prepareSidecar(t, liveRules, "BRIDGE_BROKER_URL=mqtts://"+broker.Addr)
	if code, _, stderr := s.command("try", "--listen", "1", "-W", "0.1"); code != exitFailure || !strings.Contains(stderr, "certificate signed by unknown authority") {
		t.Errorf("an unknown certificate: code %d, %s", code, stderr)
	}
	s.environ = append(s.environ, "BRIDGE_BROKER_CA_FILE="+broker.Path("server.crt"))
	if code, _, stderr := s.command("try", "--listen", "1", "-W", "0.1"); code != exitWaited {
		t.Errorf("a known certificate: code %d, %s", code, stderr)
	}
}
