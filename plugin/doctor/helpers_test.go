package doctor_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/doctor"
)

// rules have one topic filter, a/+.
const rules = `
rules:
  - name: one
    topic: a/{id}
    queue: /queue/channel/connected
    fields: {id: '=uuid("channel", topic.id)', name: =payload.name, source: test, source_channel_id: test}
`

const secret = "BRIDGE_AUTH_JWT_SECRET=a secret of the tests, thirty-two bytes or more"

// A look is one run of doctor.
type look struct {
	yaml    string
	url     string // "": nobody listens there
	environ []string
	tls     *tls.Config
	change  func(*doctor.Config)

	password string // at the NATS servers
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "mqtt://" + l.Addr().String()
}

// run returns what doctor says, with the directory of the configuration as DIR.
func (l look) run(t *testing.T) (string, doctor.Counts) {
	t.Helper()
	if l.url == "" {
		l.url = nobody(t)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	writeFile(t, file, l.yaml)
	environ := append([]string{secret, "BRIDGE_BROKER_URL=" + l.url}, l.environ...)
	settings, problems := config.Load(file, environ)
	if settings == nil {
		t.Fatal(problems)
	}
	c := doctor.Config{
		Settings: settings,
		Environ:  environ,
		Listen:   50 * time.Millisecond,
		Broker:   mqtt.Config{Username: settings.Broker.Username, TLS: l.tls},
	}
	if b := settings.Broker; b.Password != "" {
		c.Broker.Password = func() ([]byte, error) { return []byte(b.Password), nil }
	}
	if n := settings.Journal.NATS; settings.Journal.Shared() {
		c.NATS = &jetstream.Config{Name: n.Name, Replicas: n.Replicas, Username: n.Username, Password: func() ([]byte, error) { return []byte(l.password), nil }}
	}
	if l.change != nil {
		l.change(&c)
	}
	var out strings.Builder
	counts := doctor.Run(t.Context(), c, func(f doctor.Finding) { out.WriteString(f.String()) })
	return strings.ReplaceAll(out.String(), dir, "DIR"), counts
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holds reports each of the wanted parts that is not in what doctor said, and each unwanted one
// that is.
func holds(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		unwanted, not := strings.CutPrefix(w, "!")
		switch {
		case not && strings.Contains(out, unwanted):
			t.Errorf("%q in\n%s", unwanted, out)
		case !not && !strings.Contains(out, w):
			t.Errorf("no %q in\n%s", w, out)
		}
	}
}
