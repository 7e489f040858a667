package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/listen"
)

// sourceRule maps topic to /queue/channel/connected, with a source that tells which configuration
// was in force.
func sourceRule(topic, generation string) string {
	return fmt.Sprintf(`
rules:
  - name: channel
    topic: '%s'
    queue: /queue/channel/connected
    fields:
      id: =uuid("channel", topic.n)
      name: =topic.n
      source: %s
      source_channel_id: %s
`, topic, generation, generation)
}

// startDemoBroker starts the embedded broker, for tests that need no real one.
func startDemoBroker(t *testing.T) *demo.Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// dial connects a client to the sidecar.
func (r *running) dial(user string, queues ...string) *listen.Client {
	r.t.Helper()
	c, err := listen.Dial(r.t.Context(), listen.Config{URL: r.url(), Token: r.token(user), Queues: queues})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// A channelBody is what the tests here read of a channel's payload.
type channelBody struct {
	Name            string `json:"name"`
	Source          string `json:"source"`
	SourceChannelID string `json:"source_channel_id"`
}

func nextChannel(t *testing.T, c *listen.Client) channelBody {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var b channelBody
	if err := json.Unmarshal(m.Body, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace writes the file as editors do: another one beside it, renamed over it.
func replace(t *testing.T, name, text string) {
	t.Helper()
	write(t, name+".new", text)
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// inForce waits until an event is mapped by the given generation, and returns when no older one can
// be any more.
func inForce(t *testing.T, b *demo.Broker, c *listen.Client, generation string) {
	t.Helper()
	n := 0
	bridgetest.Eventually(t, "generation "+generation, func() bool {
		n++
		if err := b.Publish(fmt.Sprintf("a/%d", n), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		return nextChannel(t, c).Source == generation
	})
}

func reloadEnviron(b *demo.Broker) []string {
	return []string{"BRIDGE_BROKER_URL=mqtt://" + b.Addr().String()}
}

// However a file is changed, the new rules come into force; a broken one leaves the old in force
// and says why.
func TestReload(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	c := s.dial("grace", "/queue/channel/connected")
	inForce(t, b, c, "first")

	write(t, s.config, sourceRule("a/{n}", "in-place"))
	inForce(t, b, c, "in-place")
	replace(t, s.config, sourceRule("a/{n}", "renamed"))
	inForce(t, b, c, "renamed")

	state := retained(t, b, "mqtt-stomp-bridge/state")
	replace(t, s.config, strings.Replace(sourceRule("a/{n}", "broken"), "queue:", "queu:", 1)+"auth: {jwt: {secret: [short-secret]}}\n")
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "reload refused") })
	for _, want := range []string{
		":5:5: unknown field \"queu\"", "     5 |     queu: /queue/channel/connected", "       |     ^^^^", "did you mean \"queue\"?",
	} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in the log", want)
		}
	}
	if strings.Contains(s.log.String(), "short-secret") {
		t.Error("the log holds a secret")
	}
	bridgetest.Eventually(t, "the place and the kind on the status topic", func() bool { return strings.Contains(state(), `:5:5: an unknown field"`) })
	if strings.Contains(state(), "queu") {
		t.Errorf("the status topic shows what was written: %s", state())
	}
	inForce(t, b, c, "renamed")

	replace(t, s.config, sourceRule("a/{n}", "mended"))
	inForce(t, b, c, "mended")
	bridgetest.Eventually(t, "the status to be clean again", func() bool { return !strings.Contains(state(), "reload_error") })
}

// A refused reload tells a secret to nobody, under whatever key it was put.
func TestReloadRefusedShowsNoSecret(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	c := s.dial("grace", "/queue/channel/connected")
	state := retained(t, b, "mqtt-stomp-bridge/state")
	for i, tt := range []struct{ text, public string }{
		{"auth: {jwt: {hmac_key: hunter22}}", "an unknown key"},
		{"auth: {jwt: {algorithm: hunter22}}", "a mistake in auth.jwt.algorithm"},
		{"broker: {password: !secret hunter22}", "a mistake in broker.password"},
		{"broker: {password_file: hunter22}", "a mistake in broker.password_file"},
		{"auth: {jwt: {key: 'hunter22}}", "YAML cannot be read"},
	} {
		replace(t, s.config, sourceRule("a/{n}", "broken")+tt.text+"\n")
		bridgetest.Eventually(t, tt.public, func() bool { return strings.Contains(state(), ": "+tt.public) })
		if log := s.log.String(); strings.Contains(log+state(), "hunter22") || strings.Count(log, "reload refused") != i+1 {
			t.Errorf("%s: the status is %s, the log:\n%s", tt.text, state(), log)
		}
	}
	inForce(t, b, c, "first")
}

// A topic that no broker takes is refused by a reload as by check.
func TestReloadOfTopicWithLineEnd(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	c := s.dial("grace", "/queue/channel/connected")
	replace(t, s.config, strings.Replace(sourceRule("a/{n}", "block"), "topic: 'a/{n}'", "topic: |\n      a/{n}", 1))
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "reload refused") })
	if !strings.Contains(s.log.String(), "the topic has a line end") {
		t.Errorf("the log:\n%s", s.log)
	}
	inForce(t, b, c, "first")
}

// retained returns a function that gives the retained payload of a topic.
func retained(t *testing.T, b *demo.Broker, topic string) func() string {
	t.Helper()
	messages := subscribeMQTT(t, b.Addr().String(), topic)
	var mu sync.Mutex
	var last string
	go func() {
		for m := range messages {
			mu.Lock()
			last = m.payload
			mu.Unlock()
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

// Kubernetes swaps a link to a directory; some people link the file itself.
func TestReloadByLinks(t *testing.T) {
	for _, test := range []struct {
		name string
		link func(t *testing.T, dir string) (config string, swap func(to string))
	}{
		{"directory, as Kubernetes mounts do", func(t *testing.T, dir string) (string, func(string)) {
			relink(t, filepath.Join(dir, "..data"), "first")
			relink(t, filepath.Join(dir, "config.yaml"), "..data/config.yaml")
			return filepath.Join(dir, "config.yaml"), func(to string) { relink(t, filepath.Join(dir, "..data"), to) }
		}},
		{"the file itself", func(t *testing.T, dir string) (string, func(string)) {
			relink(t, filepath.Join(dir, "config.yaml"), "first/config.yaml")
			return filepath.Join(dir, "config.yaml"), func(to string) { relink(t, filepath.Join(dir, "config.yaml"), to+"/config.yaml") }
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := startDemoBroker(t)
			s := prepareSidecar(t, "", reloadEnviron(b)...)
			dir := t.TempDir()
			for _, generation := range []string{"first", "second", "third"} {
				if err := os.Mkdir(filepath.Join(dir, generation), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, generation, "config.yaml"), sourceRule("a/{n}", generation))
			}
			var swap func(string)
			s.config, swap = test.link(t, dir)
			s.start()
			s.waitReady()
			c := s.dial("grace", "/queue/channel/connected")
			inForce(t, b, c, "first")
			swap("second")
			inForce(t, b, c, "second")
			swap("third")
			inForce(t, b, c, "third")
		})
	}
}

// Kubernetes mounts secrets as it does configurations. A new one that signs tokens is the only one
// from then on.
func TestReloadOfMountedSecret(t *testing.T) {
	dir := t.TempDir()
	for _, generation := range []string{"first", "second", "third"} {
		if err := os.Mkdir(filepath.Join(dir, generation), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, generation, "jwt_secret"), generation+" "+bridgetest.Secret+"\n")
	}
	relink(t, filepath.Join(dir, "..data"), "first")
	relink(t, filepath.Join(dir, "jwt_secret"), "..data/jwt_secret")
	b := startDemoBroker(t)
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), append(reloadEnviron(b), "BRIDGE_AUTH_JWT_SECRET_FILE="+filepath.Join(dir, "jwt_secret"))...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	s.waitReady()
	for i, next := range []string{"second", "third"} {
		old := s.token("grace")
		c, err := s.listener(old)
		if err != nil {
			t.Fatal(err)
		}
		relink(t, filepath.Join(dir, "..data"), next)
		s.reloaded(i + 1)
		if _, err := c.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("a session of the secret before %s: %v", next, err)
		}
		if _, err := s.listener(old); err == nil {
			t.Errorf("a token of the secret before %s still works", next)
		}
		if _, err := s.listener(s.token("grace")); err != nil {
			t.Errorf("a token of the %s secret: %v", next, err)
		}
	}
}

// relink makes name a link to target, whatever it was.
func relink(t *testing.T, name, target string) {
	t.Helper()
	if err := os.Symlink(target, name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// A file that an include pattern begins to match, or no longer does, is a change too.
func TestReloadIncludes(t *testing.T) {
	b := startDemoBroker(t)
	s := prepareSidecar(t, "include: rules.d/*.yaml\n"+sourceRule("x/{n}", "none"), reloadEnviron(b)...)
	rules := filepath.Join(filepath.Dir(s.config), "rules.d")
	if err := os.Mkdir(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.waitReady()
	c := s.dial("grace", "/queue/channel/connected")
	added := filepath.Join(rules, "10-more.yaml")
	write(t, added, strings.Replace(sourceRule("a/{n}", "added"), "name: channel", "name: more", 1))
	bridgetest.Eventually(t, "the reload", func() bool { return strings.Count(s.log.String(), "msg=reloaded") == 1 })
	inForce(t, b, c, "added")
	if err := os.Remove(added); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "the second reload", func() bool { return strings.Count(s.log.String(), "msg=reloaded") == 2 })
	b.Publish("a/gone", []byte("{}"))
	b.Publish("x/1", []byte("{}"))
	if got := nextChannel(t, c); got.Source != "none" {
		t.Errorf("got %+v", got)
	}
}

// New keys end the sessions whose token they refuse, with 401, and no others.
func TestReloadKeys(t *testing.T) {
	const other = "another secret of the tests, which is long enough too"
	b := startDemoBroker(t)
	rules := sourceRule("a/{n}", "first")
	keys := func(secrets ...string) string {
		return "auth: {jwt: {secret: ['" + strings.Join(secrets, "', '") + "']}}\n"
	}
	s := prepareSidecar(t, keys(bridgetest.Secret)+rules, reloadEnviron(b)...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	s.waitReady()
	old := s.dial("old", "/queue/channel/connected")
	replace(t, s.config, keys(other, bridgetest.Secret)+rules)
	bridgetest.Eventually(t, "both keys", func() bool { return strings.Count(s.log.String(), "msg=reloaded") == 1 })
	fresh := s.dial("fresh", "/queue/channel/connected") // signed by the first secret
	replace(t, s.config, keys(other)+rules)
	var ended *listen.ServerError
	if _, err := old.Next(t.Context()); !errors.As(err, &ended) || !strings.Contains(ended.Message, "401") {
		t.Errorf("the old key's session got %v", err)
	}
	b.Publish("a/1", []byte("{}"))
	if got := nextChannel(t, fresh); got.Name != "1" {
		t.Errorf("the new key's session got %+v", got)
	}
}

// A new base topic is refused: the rules would eat the running bridge's dead letters.
func TestReloadBaseTopic(t *testing.T) {
	b := startDemoBroker(t)
	rules := sourceRule("a/{n}", "first")
	s := startSidecar(t, rules, reloadEnviron(b)...)
	replace(t, s.config, "broker: {base_topic: other}\n"+rules)
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "broker.base_topic has changed") })
}

// Under a load of 500 events/s a rule is changed, a broken file comes in between, and the file is
// mended: nothing is lost, nothing comes twice, and nothing is mapped by a half-new configuration.
func TestReloadUnderLoad(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, sourceRule("load/{n}", "g0"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	c := s.dial("grace", "/queue/channel/connected")
	const events, rate = 3000, 500
	published := make(chan error, 1)
	go func() { published <- publishLoad(t.Context(), broker.Addr, "load/%d", events, rate) }()

	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for i := 1; i <= 4; i++ {
			<-time.After(time.Second)
			if i == 2 {
				replace(t, s.config, "rules: [")
				continue
			}
			replace(t, s.config, sourceRule("load/{n}", fmt.Sprintf("g%d", i)))
		}
	}()
	generations := map[string]int{}
	for want := range events {
		got := nextChannel(t, c)
		if got.Name != fmt.Sprint(want) {
			t.Fatalf("event %d: got %s: lost, doubled or out of order", want, got.Name)
		}
		if got.Source != got.SourceChannelID {
			t.Fatalf("event %d was mapped by two configurations: %+v", want, got)
		}
		generations[got.Source]++
	}
	<-changed
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	if len(generations) != 4 || generations["g2"] != 0 || !strings.Contains(s.log.String(), "reload refused") {
		t.Errorf("generations %v", generations)
	}
	t.Logf("events by generation: %v", generations)
}

// While the topic filter itself changes, every event arrives at least once.
func TestReloadFilterUnderLoad(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	for _, tt := range []struct{ name, before, after, load, last string }{
		{"wider", "load/{n}", "{root}/{n}", "load/%d", "other/last%d"},
		{"several levels in the middle", "load/{n}/up", "load/{n...}/up", "load/%d/up", "load/last%d/of/all/up"},
	} {
		t.Run(tt.name, func(t *testing.T) { reloadFilter(t, broker.Addr, tt.before, tt.after, tt.load, tt.last) })
	}
}

func reloadFilter(t *testing.T, addr, before, after, load, last string) {
	s := startSidecar(t, sourceRule(before, "first"), "BRIDGE_BROKER_URL=mqtt://"+addr)
	c := s.dial("grace", "/queue/channel/connected")
	const events, rate = 1500, 500
	published := make(chan error, 1)
	go func() { published <- publishLoad(t.Context(), addr, load, events, rate) }()
	seen := map[string]int{}
	for len(seen) < events {
		got := nextChannel(t, c)
		seen[got.Name]++
		if len(seen) == events/3 && seen[got.Name] == 1 {
			replace(t, s.config, sourceRule(after, "second"))
		}
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "the reload", func() bool { return strings.Contains(s.log.String(), "msg=reloaded") })
	twice := 0
	for _, n := range seen {
		twice += n - 1
	}
	t.Logf("%d of %d came twice", twice, events)
	// What only the new filter matches comes now.
	if err := publishLoad(t.Context(), addr, last, 1, rate); err != nil {
		t.Fatal(err)
	}
	for got := nextChannel(t, c); !strings.HasPrefix(got.Name, "last"); got = nextChannel(t, c) {
		if seen[got.Name] == 0 {
			t.Fatalf("got %+v", got)
		}
	}
}
