package doctor_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// shared is a configuration with a journal on the servers.
func shared(replicas int, urls []string, more ...string) look {
	return look{yaml: fmt.Sprintf("journal: {nats: {url: [%s], replicas: %d%s}}\n%s",
		strings.Join(urls, ", "), replicas, strings.Join(append([]string{""}, more...), ", "), rules)}
}

// nats returns what doctor says of the servers, without the numbers of ports and versions.
func (l look) nats(t *testing.T) string {
	t.Helper()
	out, _ := l.run(t)
	return out
}

func account(t *testing.T, url string) natsjs.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Before the first bridge there is no stream, and doctor makes none.
func TestNATSWithoutStream(t *testing.T) {
	monitor := mosquittotest.FreeAddr(t)
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{Config: []string{"http: " + monitor}})
	holds(t, shared(1, c.URLs(), "monitor_url: http://"+monitor).nats(t),
		"ok    nats: "+c.URLs()[0]+" accepts a client without a user: nats-server 2.9.10, server n0, in no cluster\n",
		"warn  nats-version: n0 is nats-server 2.9.10\n",
		"note  stream: there is none yet\n      means: the first bridge that starts makes it\n",
		"ok    storage: the stream has 0.0 MB, and may come to 872.4 MB on each server\n",
		"note  lease: no replica leads: none runs\n", "note  replicas: none runs, or none answers\n",
		"warn  sync_interval: n0, nats-server 2.9.10, does not tell whether it syncs what it stores\n",
		"!max_payload", "!fail  s")
	js := account(t, c.URLs()[0])
	for range js.ListStreams(t.Context()).Info() {
		t.Error("there is a stream")
	}
}

// With a bridge that leads, doctor says so.
func TestNATSWithReplica(t *testing.T) {
	monitor := mosquittotest.FreeAddr(t)
	c := natstest.Start(t, natstest.Current(t), natstest.Options{JetStream: []string{"sync_interval: always"}, Config: []string{"http: " + monitor}})
	tell := func() journal.Replica {
		return journal.Replica{Version: "1.2.3", ClientID: "another", BaseTopic: "mqtt-stomp-bridge", Config: "4711", Sessions: 2}
	}
	l, err := jetstream.Open(t.Context(), jetstream.Config{URLs: c.URLs(), Replicas: 1, ID: "bridge-1", Tell: tell})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, shared(1, c.URLs(), "monitor_url: http://"+monitor).nats(t),
		"!nats-version", "ok    stream: mqtt-stomp-bridge-log has the settings that it needs\n",
		"warn  stream-servers: one server keeps the stream\n",
		"ok    lease: bridge-1 leads, since ",
		"ok    replicas: bridge-1 is there: version 1.2.3, position 0, 2 sessions\n",
		`fail  replicas: bridge-1 has the broker.client_id "another", here it is "mqtt-stomp-bridge"`+"\n", "!base_topic",
		`warn  replicas: bridge-1 has the configuration "4711", here it is "`,
		"ok    sync_interval: n0 syncs what it stores before it answers\n", "!fail  s", "!with this configuration")
}

// A server less is said, and a stream that does not do.
func TestNATSCluster(t *testing.T) {
	c := natstest.Start(t, natstest.Current(t), natstest.Options{Servers: 3})
	l, err := jetstream.Open(t.Context(), jetstream.Config{URLs: c.URLs()})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole := shared(3, c.URLs())
	bridgetest.Eventually(t, "all servers to have the stream", func() bool {
		return strings.Contains(whole.nats(t), "leads, and all 3 have the whole stream\n")
	})
	const stream = "mqtt-stomp-bridge-log"
	s, err := account(t, c.URLs()[0]).Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	named := func(server string) *natstest.Server { return c.Servers[server[1]-'0'] } // n and its number
	follower := s.CachedInfo().Cluster.Replicas[0].Name
	other := named(follower)
	js := account(t, "nats://"+named(s.CachedInfo().Cluster.Leader).Addr)
	other.Kill()
	bridgetest.Eventually(t, "the server to be missed", func() bool {
		return strings.Contains(whole.nats(t), " leads, of 3; "+follower+" is ")
	})
	holds(t, whole.nats(t), "warn  nats: nats://"+other.Addr+", as a client without a user: ", "means: the bridge goes on to another server")
	changed := s.CachedInfo().Config
	changed.DenyDelete, changed.MaxMsgs = true, 7
	bridgetest.Eventually(t, "the stream to be changed", func() bool {
		_, err := js.UpdateStream(t.Context(), changed)
		return err == nil || !errors.Is(err, nats.ErrTimeout)
	})
	holds(t, whole.nats(t), "fail  stream: mqtt-stomp-bridge-log has other settings than the bridge needs: max_msgs is 7, not unlimited\n",
		"set:   remove the stream, which loses the journal; or another name: DIR/config.yaml: journal.nats.name")
}

// What the user may not do is said, as are limits that do not do.
func TestNATSAccounts(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{Config: []string{
		"no_auth_user: a",
		"accounts { A: { jetstream: { max_file: 100MB }, users: [{user: a, password: a}, {user: b, password: b, permissions: { publish: { deny: \"$JS.API.>\" } }}] }, C: { users: [{user: c, password: c}] } }",
		"max_payload: 1MB",
	}})
	for _, test := range []struct {
		user string
		want []string
	}{
		{"a", []string{
			"fail  storage: the account may store 104.9 MB more, the stream may need 872.4 MB more on each of 1 server\n",
			"note  max_payload: the servers take messages of 1.0 MB\n",
		}},
		{"b", []string{`fail  stream: it cannot be seen: journal: the NATS user may not publish to "$JS.API.STREAM.INFO.mqtt-stomp-bridge-log"; add it to the user's permissions`, "warn  lease: who leads cannot be seen: "}},
		{"c", []string{`fail  stream: it cannot be seen: journal: NATS: `}},
		{"wrong", []string{"fail  nats: " + c.URLs()[0] + `, as user "wrong": nats: Authorization Violation`, "!stream:"}},
	} {
		l := shared(1, c.URLs(), "username: "+test.user)
		l.password = test.user
		if test.user == "wrong" {
			l.password = "a"
		}
		holds(t, l.nats(t), test.want...)
	}
}

// What monitoring ports answer is read, and what is no monitoring port is said.
func TestNATSMonitor(t *testing.T) {
	gone := strings.Replace(nobody(t), "mqtt://", "nats://", 1)
	for name, test := range map[string]struct {
		answer string
		want   string
	}{
		"syncs now and then": {`{"server_name": "n1", "jetstream": {"config": {"max_storage": 9000000000, "sync_interval": 120000000000}}}`,
			"warn  sync_interval: n1 syncs what it stores every 2m0s\n"},
		"no JetStream": {`{"server_name": "n1", "jetstream": {}}`, "fail  sync_interval: n1 runs without JetStream\n"},
		"no room": {`{"server_name": "n1", "jetstream": {"config": {"max_storage": 900000000, "sync_always": true}, "stats": {"storage": 100000000}}}`,
			"fail  storage: n1 may store 800.0 MB more, the stream may come to need 872.4 MB\n"},
		"room is reserved": {`{"server_name": "n1", "jetstream": {"config": {"max_storage": 900000000, "sync_always": true}, "stats": {"reserved_storage": 872415232}}}`,
			"!fail  storage"},
		"something else": {`<html>`, "is not a NATS server's monitoring port: invalid character '<'"},
		"an error":       {"", "/varz answers 404 Not Found\n      means: whether this server syncs what it stores is not known\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.answer == "" || r.URL.Path != "/varz" {
					http.NotFound(w, r)
					return
				}
				fmt.Fprint(w, test.answer)
			}))
			defer s.Close()
			holds(t, shared(3, []string{gone}, "monitor_url: "+s.URL).nats(t), test.want,
				"note  monitor: journal.nats.monitor_url has 1 of 3 servers: the others were not looked at\n",
				"fail  nats: "+gone+", as a client without a user: ", "means: the bridge waits for the journal, and is not ready")
		})
	}
	holds(t, shared(3, []string{gone}).nats(t), "warn  sync_interval: whether the servers sync what they store cannot be seen by a client\n",
		"DIR/config.yaml: journal.nats.monitor_url, so that doctor can see it")
	holds(t, look{yaml: rules}.nats(t), "!nats", "!sync")
}
