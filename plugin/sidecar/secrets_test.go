package main

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/stomp"
)

// What must not be printed, beside the tokens made of it.
const (
	firstKey  = "first-secret-of-the-tests-Zm9vYmFyYmF6cXV4"
	secondKey = "second-secret-of-the-tests-Y29ycmVjdGhvcnNl"
	thirdKey  = "third-secret-of-the-tests-YmF0dGVyeXN0YXBs"
	shortKey  = "kurz-dG9vc2hvcnQ"
	otherKey  = "other-key-of-the-tests-c29tZXRoaW5nZWxzZQ"
	opaque    = "opaque-bm8tand0LWF0LWFsbA"
	mistyped  = "mistyped-cGFzc3dvcnQ"
	payload   = "what-somebody-wrote"

	operatorPassword = "operator-YSBsb25nIG9uZQ"
)

// withKeys is a configuration with these secrets.
func withKeys(secrets ...string) string {
	return "auth: {jwt: {secret: ['" + strings.Join(secrets, "', '") + "']}, broker: {enabled: true}}\n" + documentRules
}

// brokenConfigs have a mistake in or near a secret.
var brokenConfigs = []string{
	withKeys(thirdKey, shortKey),
	withKeys(thirdKey) + "brokre: 1\n",
	"auth: {jwt: {secrte: " + thirdKey + "}}",
	"auth: {jwt: {secret: " + thirdKey + "\n",
	"auth: {jwt: {secret: {" + thirdKey + ": " + thirdKey + "}}}",
	"auth: {jwt: " + thirdKey + "}",
	"auth: " + thirdKey,
	"auth: {jwt: {secret: !x " + thirdKey + "}}",
	"broker: {password: [" + thirdKey + ", " + shortKey + ", {}]}",
	"broker: {pasword: " + thirdKey + "}",
	"auth: {jwt: {secret: a, " + thirdKey + "}}",
	"broker: {password: a," + thirdKey + "}",
	"broker: {url: 'mqtt://bridge:" + thirdKey + "@127.0.0.1'}",
	"broker: {url: 'bridge:" + thirdKey + "@127.0.0.1'}",
}

// Nothing that is secret stands in what the bridge logs at debug level and publishes as its state,
// through good and bad logins on both sides, good and refused reloads and a rejected event; nor in
// what the commands print.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	broker := startSecured(t)
	now := time.Now()
	tokens := []string{
		sign(t, firstKey, now), sign(t, secondKey, now), sign(t, otherKey, now),
		sign(t, firstKey, now.Add(-2*time.Hour)), sign(t, firstKey, now.Add(2*time.Hour)), opaque,
	}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			password := filepath.Join(t.TempDir(), "password")
			write(t, password, mistyped)
			s := prepareSidecar(t, withKeys(firstKey), "BRIDGE_LOG_FORMAT="+format, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr,
				"BRIDGE_BROKER_USERNAME=bridge", "BRIDGE_BROKER_PASSWORD_FILE="+password)
			s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
			states := watchStatus(t, broker)
			s.start()
			bridgetest.Eventually(t, "the broker to refuse the password", func() bool { return strings.Contains(s.log.String(), "not authorized") })
			write(t, password, "bridge password")
			s.waitReady()

			s.logins(tokens)
			replace(t, s.config, withKeys(secondKey, firstKey))
			bridgetest.Eventually(t, "the reload", func() bool { return strings.Contains(s.log.String(), "reloaded") })
			s.logins(tokens)
			for i, text := range brokenConfigs[:4] {
				replace(t, s.config, text)
				bridgetest.Eventually(t, "the refusal of "+text, func() bool { return strings.Count(s.log.String(), "reload refused") == i+1 })
			}
			publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", documentEvents[1][0], "-m", `{"count": "`+payload+`"}`)
			bridgetest.Eventually(t, "the rejection", func() bool { return strings.Contains(s.log.String(), "event rejected") })
			s.stop()
			bridgetest.Eventually(t, "the last state", func() bool { return strings.Contains(states.String(), `"offline"`) })
			wantHidden(t, s.log.String()+states.String(), tokens)
		})
	}
}

// The commands print nothing of a secret either, whatever is wrong beside it.
func TestSecretsAreNotPrintedByCommands(t *testing.T) {
	s := prepareSidecar(t, "")
	s.environ = nil
	for _, text := range brokenConfigs {
		replace(t, s.config, text)
		for _, args := range [][]string{{"serve"}, {"check"}, {"check", "--format", "json"}, {"try", "-t", "a", "-n"}, {"token", "-u", "ada"}, {"healthcheck"}} {
			code, stdout, stderr := s.command(args...)
			if code == exitOK {
				t.Errorf("%s has nothing against %s", args[0], text)
			}
			wantHidden(t, stdout+stderr, nil)
		}
	}
}

// logins tries the tokens in every place that a client may put them, and in some that it may not.
func (r *running) logins(tokens []string) {
	subscribe := stomp.Frame{Command: stomp.CommandSubscribe, Headers: headers("id:0", "destination:/queue/none")}
	for _, token := range tokens {
		connect := connectFrame("Authorization:" + token)
		r.exchange(nil, connectFrame("Authorization:Bearer "+token), subscribe)
		r.exchange(nil, connectFrame("Authorization:"+token, "login:"+token, "passcode:"+token, "receipt:1"), connect)
		r.exchange(nil, stomp.Frame{Command: stomp.CommandSend, Headers: connect.Headers})
		r.exchange(http.Header{"Authorization": {"Bearer " + token}}, connectFrame(), subscribe)
		r.exchange(http.Header{"Authorization": {"Basic " + token}}, connect, subscribe)
		r.exchange(http.Header{"Sec-Websocket-Protocol": {"v12.stomp, bearer." + base64.RawURLEncoding.EncodeToString([]byte(token))}}, connectFrame(), subscribe)
		r.exchange(http.Header{"Sec-Websocket-Protocol": {"v12.stomp, bearer." + token}}, connectFrame(), subscribe)
		r.exchange(nil, connectFrame("login:ada", "passcode:"+token), subscribe)
		r.exchange(nil, connect, stomp.Frame{Command: stomp.CommandSend, Headers: headers("destination:/auth/token", "receipt:1", "Authorization:"+token)}, subscribe)
		if answer, err := http.Get("http://" + r.listen + "/ws.communication?access_token=" + url.QueryEscape(token)); err == nil {
			answer.Body.Close()
		}
	}
}

// wantHidden reports secrets in the text, halves of them too.
func wantHidden(t *testing.T, text string, tokens []string) {
	t.Helper()
	secrets := append([]string{firstKey, secondKey, thirdKey, shortKey, otherKey, opaque, mistyped, payload, operatorPassword}, tokens...)
	for _, s := range secrets {
		for _, half := range []string{s[:len(s)/2], s[len(s)/2:]} {
			if i := strings.Index(text, half); i >= 0 {
				t.Errorf("%q is printed: …%s…", half, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	if strings.Contains(text, "bridge password") {
		t.Error("the broker's password is printed")
	}
}

// watchStatus collects what is published on the status topic until the test ends.
func watchStatus(t *testing.T, b *mosquittotest.Broker) *bridgetest.Buffer {
	t.Helper()
	host, port, _ := net.SplitHostPort(b.Addr)
	c := exec.CommandContext(t.Context(), "mosquitto_sub", "-h", host, "-p", port, "-u", "bridge", "-P", "bridge password", "-R", "-t", "mqtt-stomp-bridge/state")
	out := &bridgetest.Buffer{}
	c.Stdout = out
	subscribed := strings.Count(b.Log(), "Sending SUBACK")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Wait() })
	bridgetest.Eventually(t, "mosquitto_sub to be subscribed", func() bool { return strings.Count(b.Log(), "Sending SUBACK") > subscribed })
	return out
}
