package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

var _ auth.PasswordChecker = (*mqtt.Logins)(nil)

func newLogins(t *testing.T, c mqtt.Config, urls ...string) *mqtt.Logins {
	t.Helper()
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c.URLs = append(c.URLs, u)
	}
	c.ClientID = "bridge"
	l, err := mqtt.NewLogins(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLoginsOfPasswordFile(t *testing.T) {
	users := map[string]string{"ann": "pass", "bob": "päss wörd"}
	for _, anonymous := range []string{"false", "true"} {
		b := mosquittotest.Start(t, mosquittotest.Options{Users: users, Config: []string{"allow_anonymous " + anonymous}})
		l := newLogins(t, mqtt.Config{Username: "nobody", Password: func() ([]byte, error) { return nil, errors.New("not needed") }}, b.URL("mqtt").String())
		for _, tt := range []struct {
			login, password string
			want            bool
		}{
			{"ann", "pass", true}, {"bob", "päss wörd", true},
			{"ann", "pass ", false}, {"ann", "", false}, {"Ann", "pass", false}, {"eve", "pass", false}, {"", "", false}, {"", "pass", false},
		} {
			if anonymous == "true" && tt.login == "" {
				continue // not asked by auth.Broker
			}
			ok, err := l.CheckPassword(t.Context(), tt.login, tt.password)
			if ok != tt.want || err != nil {
				t.Errorf("anonymous %s: %q, %q: got %t, %v, want %t", anonymous, tt.login, tt.password, ok, err, tt.want)
			}
		}
		checkStrict(t, l, "")
	}
}

// checkStrict looks whether auth.Broker takes the broker's word.
func checkStrict(t *testing.T, l *mqtt.Logins, want string) {
	t.Helper()
	_, err := auth.NewBroker(auth.BrokerConfig{Checker: l}).Authenticate(t.Context(), auth.Credentials{Login: "ann", Passcode: "pass"})
	if got := fmt.Sprint(err); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(got, want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// A broker without passwords accepts any, and is no use.
func TestLoginsOfOpenBroker(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	l := newLogins(t, mqtt.Config{}, b.URL("mqtt").String())
	if ok, err := l.CheckPassword(t.Context(), "ann", "pass"); !ok || err != nil {
		t.Errorf("got %t, %v: mosquitto has become stricter", ok, err)
	}
	checkStrict(t, l, "the broker accepts a login that does not exist")
}

// The sessions that the broker keeps are left alone, and none is added.
func TestLoginsTakeNothingOver(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"ann": "pass"}, Config: []string{"log_type all", "persistence true"}})
	l := newLogins(t, mqtt.Config{}, b.URL("mqtt").String())
	for range 3 {
		if ok, err := l.CheckPassword(t.Context(), "ann", "pass"); !ok || err != nil {
			t.Fatalf("got %t, %v", ok, err)
		}
	}
	bridgetest.Eventually(t, "the broker to log every goodbye", func() bool { return strings.Count(b.Log(), "Received DISCONNECT from bridge-login-") == 3 })
	log := b.Log()
	if strings.Contains(log, "already connected") || strings.Count(log, "as bridge-login-") != 3 || strings.Contains(log, "pass\n") {
		t.Errorf("the broker's log:\n%s", log)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, "as bridge-login-"); ok {
			id, how, _ := strings.Cut(rest, " ")
			ids[id] = true
			if !strings.Contains(how, "p5, c1, k30, u'ann'") {
				t.Errorf("connected as %q", how)
			}
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d client ids, want 3", len(ids))
	}
}

// Logins of the dynamic security plugin are logins like others.
func TestLoginsOfDynamicSecurity(t *testing.T) {
	const plugin = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"
	if _, err := os.Stat(plugin); err != nil && os.Getenv(mosquittotest.Require) != "1" {
		t.Skip("the dynamic security plugin is not installed")
	}
	dir := t.TempDir()
	init := exec.Command("mosquitto_ctrl", "dynsec", "init", dir+"/dynsec.json", "ann", "pass")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_ctrl: %v %s", err, out)
	}
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"per_listener_settings false", "allow_anonymous false", "plugin " + plugin, "plugin_opt_config_file " + dir + "/dynsec.json"}})
	l := newLogins(t, mqtt.Config{}, b.URL("mqtt").String())
	for password, want := range map[string]bool{"pass": true, "pass2": false} {
		if ok, err := l.CheckPassword(t.Context(), "ann", password); ok != want || err != nil {
			t.Errorf("got %t, %v, want %t", ok, err, want)
		}
	}
	checkStrict(t, l, "")
}

// answer is a broker that answers CONNECT with the bytes given, nothing for none, and then hangs
// up.
func answer(t *testing.T, answer []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			packets.ReadPacket(c)
			c.Write(answer)
			if answer == nil {
				io.Copy(io.Discard, c)
			}
			c.Close()
		}
	}()
	return "mqtt://" + l.Addr().String()
}

// connack is a CONNACK of that reason, which quotes what it was sent.
func connack(code byte) []byte {
	return append([]byte{0x20, 16, 0, code, 13, 0x1f, 0, 10}, "hunter2 no"...)
}

func TestLoginsThatCannotBeChecked(t *testing.T) {
	closed := answer(t, []byte{})
	tests := []struct {
		name string
		urls []string
		ok   bool
		want string // part of the error; empty: none
	}{
		{"accepted", []string{answer(t, connack(0))}, true, ""},
		{"bad user name or password", []string{answer(t, connack(0x86))}, false, ""},
		{"not authorized", []string{answer(t, connack(0x87))}, false, ""},
		{"banned", []string{answer(t, connack(0x8a))}, false, ""},
		{"client identifier not valid", []string{answer(t, connack(0x85))}, false, "client identifier not valid (0x85)"},
		{"busy", []string{answer(t, connack(0x89))}, false, "server busy (0x89)"},
		{"unknown code", []string{answer(t, connack(0xee))}, false, "reason code 0xee"},
		{"hangs up", []string{closed}, false, "the broker closed the connection without an answer"},
		{"MQTT 3.1.1", []string{answer(t, []byte{0x20, 2, 0, 1})}, false, "does not speak MQTT 5"},
		{"no MQTT", []string{answer(t, []byte("HTTP/1.1 400 hunter2\r\n\r\n"))}, false, "does not speak MQTT"},
		{"asks for more", []string{answer(t, []byte{0xf0, 2, 0x18, 0})}, false, "does not speak MQTT"},
		{"nobody there", []string{"mqtt://127.0.0.1:1"}, false, "connection refused"},
		{"the second answers", []string{"mqtt://127.0.0.1:1", answer(t, connack(0x88)), answer(t, connack(0))}, true, ""},
		{"the second refuses", []string{closed, answer(t, connack(0x87)), answer(t, connack(0))}, false, ""},
		{"none answers", []string{closed, answer(t, connack(0x88))}, false, "server unavailable (0x88)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, err := newLogins(t, mqtt.Config{}, tt.urls...).CheckPassword(t.Context(), "hunter2", "hunter2hunter2")
			got := fmt.Sprint(err)
			if ok != tt.ok || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(got, tt.want) {
				t.Errorf("got %t, %v, want %t, %q", ok, err, tt.ok, tt.want)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("the error shows the login: %s", got)
			}
		})
	}
}

func TestLoginsWaitNoLongerThanAsked(t *testing.T) {
	l := newLogins(t, mqtt.Config{}, answer(t, nil))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if ok, err := l.CheckPassword(ctx, "ann", "pass"); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("got %t, %v, want that it was cancelled", ok, err)
	}
}

// Logins go where and how the bridge's own connection goes.
func TestLoginsByEveryScheme(t *testing.T) {
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "broker")}}
	for scheme, config := range map[string]*tls.Config{"tcp": nil, "ssl": server, "ws": nil, "wss": server, "unix": nil} {
		b := startMochi(t, scheme, config) // which accepts everybody
		l := newLogins(t, mqtt.Config{TLS: &tls.Config{RootCAs: a.pool()}}, b.u.String())
		bridgetest.Eventually(t, "a login by "+scheme, func() bool { // some of its listeners take a moment
			ok, err := l.CheckPassword(t.Context(), "ann", "pass")
			return ok && err == nil
		})
	}
}

// A broker that takes the bridge's certificate for the login looks at no password.
func TestLoginsBesideCertificate(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.issue(t, "broker")
	b := mosquittotest.Start(t, mosquittotest.Options{
		Files: map[string]string{"ca.pem": encode("CERTIFICATE", a.certificate.Raw), "cert.pem": certificate, "key.pem": key},
		Users: map[string]string{"ann": "pass"},
		Config: []string{
			"cafile {dir}/ca.pem", "certfile {dir}/cert.pem", "keyfile {dir}/key.pem",
			"require_certificate true", "use_identity_as_username true",
		},
	})
	l := newLogins(t, mqtt.Config{TLS: &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.pair(t, "bridge")}}}, b.URL("mqtts").String())
	checkStrict(t, l, "the broker accepts a login that does not exist")
}
