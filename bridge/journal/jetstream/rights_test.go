package jetstream_test

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// A user is one that a server knows, with the rights that a replica needs, or some of them.
type user struct {
	name               string
	publish, subscribe []string
	mute               bool // may not answer
}

func userFor(name, log string) user {
	u := user{name: name}
	u.publish, u.subscribe = jetstream.Config{Name: log}.Rights()
	return u
}

// without returns the user as another one that lacks the right.
func (u user) without(name, right string) user {
	other := func(r string) bool { return r == right }
	return user{name: name, publish: slices.DeleteFunc(slices.Clone(u.publish), other), subscribe: slices.DeleteFunc(slices.Clone(u.subscribe), other)}
}

// authorize returns lines of a server's configuration that know these users, and admin, who may do
// everything.
func authorize(users []user) []string {
	lines := []string{"authorization { users: [", "{ user: admin, password: secret }"}
	for _, u := range users {
		lines = append(lines, fmt.Sprintf("{ user: %s, password: secret, permissions { publish: %s, subscribe: %s, allow_responses: %t } }",
			u.name, quoted(u.publish), quoted(u.subscribe), !u.mute))
	}
	return append(lines, "] }")
}

func quoted(all []string) string {
	var items []string
	for _, s := range all {
		items = append(items, fmt.Sprintf("%q", s))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func secret() ([]byte, error) { return []byte("secret"), nil }

var admin = []nats.Option{nats.UserInfo("admin", "secret")}

// TestRights has three replicas do all they do with the least rights, and then finds every right
// that is missing by its name.
func TestRights(t *testing.T) {
	for _, test := range []struct {
		name    string
		bin     func(testing.TB) string
		servers int
	}{
		{"distributed, one server", natstest.Distributed, 1},
		{"current, three servers", natstest.Current, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			full := userFor("bridge", "rights")
			users := []user{full, {name: "mute", publish: full.publish, subscribe: full.subscribe, mute: true}}
			lacking := map[string]string{"mute": `journal: the NATS user may not publish to "_INBOX.>"; add it to the user's permissions, or allow_responses`}
			logs := map[string]string{} // user -> log, where it is not rights
			for i, right := range slices.Concat(full.publish, full.subscribe) {
				action := "publish to"
				if i >= len(full.publish) {
					action = "subscribe to"
				}
				u := user{name: fmt.Sprint("user", i)}
				if strings.Contains(right, ".CREATE.") || right == "$JS.API.INFO" { // needed for a stream that is not there yet
					log := fmt.Sprint("new", i)
					logs[u.name] = log
					right = strings.ReplaceAll(right, "rights", log)
					u = userFor(u.name, log).without(u.name, right)
				} else if i < len(full.publish) {
					u = full.without(u.name, right)
					u.subscribe = full.subscribe
				} else {
					u = full.without(u.name, right)
					u.publish = full.publish
				}
				users = append(users, u)
				lacking[u.name] = fmt.Sprintf("journal: the NATS user may not %s %q; add it to the user's permissions", action, right)
			}
			c := natstest.Start(t, test.bin(t), natstest.Options{Servers: test.servers, Config: authorize(users), Connect: admin})
			config := func(user, id string) jetstream.Config {
				log := logs[user]
				if log == "" {
					log = "rights"
				}
				return jetstream.Config{URLs: c.URLs(), Name: log, ID: id, Replicas: test.servers, Username: user, Password: secret, Options: jetstream.Options{Cache: 1}}
			}
			t.Run("all rights", func(t *testing.T) { useAll(t, c, config("bridge", "")) })
			for _, u := range users[1:] {
				l, err := jetstream.Open(t.Context(), config(u.name, u.name))
				if err == nil {
					if err = l.Purge(t.Context(), 2); err == nil { // what a replica without it sees last
						err = fmt.Errorf("%s opened and purged without: %s", u.name, lacking[u.name])
					}
					_ = l.Close()
				}
				if err.Error() != lacking[u.name] {
					t.Errorf("%s: %v\nwant %s", u.name, err, lacking[u.name])
				}
			}
		})
	}
}

// TestRightsOfTheExample has three replicas do all they do with the rights that the example gives.
func TestRightsOfTheExample(t *testing.T) {
	file, err := os.ReadFile("../../../examples/replicas/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	rights := regexp.MustCompile(`(?s)permissions \{.*?\n {8}\}\n`).Find(file)
	c := natstest.Start(t, natstest.Current(t), natstest.Options{
		Config:  []string{"authorization { users: [", "{ user: admin, password: secret }", "{ user: bridge, password: secret", string(rights), "}", "] }"},
		Connect: admin,
	})
	useAll(t, c, jetstream.Config{URLs: c.URLs(), Name: jetstream.DefaultName, Replicas: 1, Username: "bridge", Password: secret})
}

// useAll has three replicas follow, lead, resume, purge and hand over, without a word of the servers
// that they may not.
func useAll(t *testing.T, c *natstest.Cluster, config jetstream.Config) {
	var said bridgetest.Buffer
	config.Logger = slog.New(slog.NewTextHandler(&said, nil))
	var logs []*jetstream.Log
	for _, id := range []string{"a", "b", "c"} {
		config.ID = id
		l, err := jetstream.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		logs = append(logs, l)
	}
	n := 0
	for _, l := range logs {
		w, err := l.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := w.Append(t.Context(), numbered(n)); err != nil {
				t.Fatal(err)
			}
			n++
		}
		w.Resign()
	}
	for _, l := range logs {
		if err := l.Reach(t.Context(), uint64(n)); err != nil {
			t.Fatal(err)
		}
		checkNumbered(t, l, n)
		bridgetest.Eventually(t, "all replicas to know of each other", func() bool { return len(l.Standing().Replicas) == 3 })
		if err := l.Purge(t.Context(), 2); err != nil {
			t.Errorf("purge: %v", err)
		}
	}
	lines := append(said.Lines("may not"), said.Lines("level=ERROR")...)
	if len(lines) > 0 {
		t.Errorf("the replicas said:\n%s", strings.Join(lines, ""))
	}

	refused := make(chan error, 1)
	nc, err := nats.Connect(c.URLs()[0], nats.UserInfo("bridge", "secret"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	tail := config.Name + ".tail"
	if err := nc.Publish(tail, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !strings.Contains(err.Error(), fmt.Sprintf("Permissions Violation for Publish to %q", tail)) {
		t.Errorf("publishing the tail: %v", err)
	}
}

// TestRightsLater takes rights away from a replica that runs, and gives them back.
func TestRightsLater(t *testing.T) {
	full := userFor("bridge", "later")
	c := natstest.Start(t, natstest.Current(t), natstest.Options{Config: authorize([]user{full}), Connect: admin})
	allow := func(u user) {
		t.Helper()
		c.Servers[0].Configure(authorize([]user{u}))
		c.Servers[0].Signal(syscall.SIGHUP)
	}
	l, err := jetstream.Open(t.Context(), jetstream.Config{URLs: c.URLs(), Name: "later", ID: "a", Replicas: 1, Username: "bridge", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	less := full.without("bridge", "later.log")
	less.subscribe = full.subscribe
	allow(less)
	n := 0
	bridgetest.Eventually(t, "an append that is denied", func() bool {
		err = w.Append(t.Context(), numbered(n))
		n++
		return err != nil
	})
	if want := `journal: the batch is not stored: journal: the NATS user may not publish to "later.log"; add it to the user's permissions`; err.Error() != want {
		t.Errorf("Append: %v, want %s", err, want)
	}
	<-w.Done()
	led := make(chan journal.Writer)
	go func() {
		w, err := l.Lead(t.Context())
		if err != nil {
			t.Errorf("Lead when the right is back: %v", err)
		}
		led <- w
	}()
	allow(full)
	if w = <-led; w == nil {
		return
	}
	if err := w.Append(t.Context(), numbered(0)); err != nil {
		t.Error(err)
	}

	less = full.without("bridge", "$JS.API.STREAM.INFO.later-log")
	less.subscribe = full.subscribe
	allow(less)
	bridgetest.Eventually(t, "the replica to know that it does not know", func() bool { return l.Standing().Away != nil })
	if got, want := l.Standing().Away.Error(), `journal: the NATS user may not publish to "$JS.API.STREAM.INFO.later-log"; add it to the user's permissions`; got != want {
		t.Errorf("away: %s, want %s", got, want)
	}
	allow(full)
	bridgetest.Eventually(t, "the replica to know again", func() bool { return l.Standing().Away == nil })
}
