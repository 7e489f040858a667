package jetstream_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// TestVersionOfServers refuses servers that are too old, and warns once of those that should be newer.
func TestVersionOfServers(t *testing.T) {
	if _, err := jetstream.Open(t.Context(), jetstream.Config{URLs: []string{"nats://" + fakeServer(t, "2.8.4")}}); err == nil ||
		err.Error() != "journal: nats-server 2.8.4 is too old: 2.12.3 or later is needed" {
		t.Errorf("Open with a server that is too old: %v", err)
	}
	for _, test := range []struct {
		bin  func(testing.TB) string
		want int
	}{{natstest.Distributed, 1}, {natstest.Current, 0}} {
		c := natstest.Start(t, test.bin(t), natstest.Options{})
		var said bridgetest.Buffer
		l := open(t, c, "version", jetstream.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if lines := said.Lines("use 2.12.3 or later"); len(lines) != test.want {
			t.Errorf("want %d warnings of the version, the log has\n%s", test.want, said.String())
		}
		_ = l.Close()
	}
}

// fakeServer says that it is a nats-server of that version, and does nothing.
func fakeServer(t *testing.T, version string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "INFO {\"server_id\":\"fake\",\"version\":%q,\"proto\":1,\"headers\":true,\"max_payload\":8388608}\r\n", version)
			go func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					if lines.Text() == "PING" {
						fmt.Fprint(c, "PONG\r\n")
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// TestServersThatDoNotDo holds what is said of servers that the log cannot be on, and what to do.
func TestServersThatDoNotDo(t *testing.T) {
	bothServers(t, func(t *testing.T, bin string) {
		for _, test := range []struct {
			name    string
			options natstest.Options
			config  jetstream.Config
			want    string
		}{
			{"no room", natstest.Options{JetStream: []string{"max_file_store: 100MB"}}, jetstream.Config{},
				"insufficient storage resources available; the stream needs room for 872415232 bytes on each server that has it: raise max_file_store there, " +
					"and the account's limits, or lower journal.max_bytes"},
			{"no room for the account", natstest.Options{
				Config:  []string{"accounts { A { jetstream: { max_file: 100MB }, users: [ { user: a, password: secret } ] } }"},
				Connect: []nats.Option{nats.UserInfo("a", "secret")},
			}, jetstream.Config{Username: "a", Password: secret},
				"; the stream needs room for 872415232 bytes"},
			{"no JetStream for the account", natstest.Options{
				Config:  []string{"accounts { A { jetstream: enabled, users: [ { user: a, password: secret } ] }, B { users: [ { user: b, password: secret } ] } }"},
				Connect: []nats.Option{nats.UserInfo("a", "secret")},
			}, jetstream.Config{Username: "b", Password: secret},
				`; add "jetstream { ... }" to the servers' configuration, and enable it for the account`},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := natstest.Start(t, bin, test.options)
				test.config.URLs, test.config.Replicas = c.URLs(), 1
				if _, err := jetstream.Open(t.Context(), test.config); err == nil || !strings.HasPrefix(err.Error(), "journal: ") || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Open: %v\nwant %s", err, test.want)
				}
			})
		}
	})
}

// TestBucketThatDoesNotDo has a bucket for the lease that somebody else has made.
func TestBucketThatDoesNotDo(t *testing.T) {
	c := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	_, js := connect(t, c)
	if _, err := js.CreateKeyValue(t.Context(), natsjs.KeyValueConfig{Bucket: "own-lead"}); err != nil {
		t.Fatal(err)
	}
	const want = `journal: the bucket "own-lead" has a TTL of 0s and 1 replicas, and needs 10s and 1; stop all bridges and remove it`
	if _, err := jetstream.Open(t.Context(), jetstream.Config{URLs: c.URLs(), Name: "own", Replicas: 1}); err == nil || err.Error() != want {
		t.Errorf("Open: %v, want %s", err, want)
	}
}
