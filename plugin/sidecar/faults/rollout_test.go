package faults_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// One replica has everything 300 ms later than the others, and nginx sends clients to any: one that
// comes from another replica has seen what this one has not got yet. Nobody is told of a gap.
func lateReplica(t *testing.T, servers *natstest.Cluster) {
	f := startFleet(t, servers, setup{links: []time.Duration{0, 0, 300 * time.Millisecond}, by: behindNginx(t)})
	rounds := 2
	if long() {
		rounds = 8
	}
	f.unharmed(func() {
		for range rounds {
			f.again(f.load)
		}
	})
	f.finish("replicas, one 300 ms late, behind nginx").exact()
}

// All replicas are stopped and started, one after the other, while clients that each look at one
// conversation come and go through nginx.
func rollout(t *testing.T, servers *natstest.Cluster) {
	rate, viewers, rounds := 500, 60, 1
	if long() {
		rate, viewers, rounds = 2000, 300, 3
	}
	f := startFleet(t, servers, setup{options: options{clients: 2, rate: rate}, by: behindNginx(t)})
	conversations := f.conversations()
	var views []*subscriber
	for i := range viewers {
		v := f.clients[0].visit
		v.keep, v.worker = false, i%workers
		v.filter = "conversation_id=" + conversations[v.worker]
		views = append(views, startSubscriber(t, v))
	}
	f.load()
	f.during(func() {
		for range rounds {
			for _, b := range f.replicas {
				b.process.Stop()
				b.restart()
				f.flow()
			}
		}
	})
	f.load()
	f.arrive()
	ends := f.clients[0].last(queues[0])
	for _, v := range views {
		bridgetest.Eventually(t, "a view to have the last event of its conversation", func() bool { return v.positions()[0] >= ends[v.worker] })
	}
	f.clients = append(f.clients, views...)
	f.compare(fmt.Sprintf("replicas, behind nginx: %d x all stopped and started in turn", rounds)).exact()
	f.within(3 * time.Second)
}

// conversations returns the id of each worker's conversation, once the first client has seen them.
func (f *fleet) conversations() map[int]string {
	f.t.Helper()
	ids := map[int]string{}
	bridgetest.Eventually(f.t, "all conversations", func() bool {
		f.clients[0].each(queues[0], func(_ uint64, body string) {
			var message struct {
				Conversation string `json:"conversation_id"`
			}
			if err := json.Unmarshal([]byte(body), &message); err != nil {
				f.t.Error(err)
			}
			ids[worker(body)] = message.Conversation
		})
		return len(ids) == workers
	})
	return ids
}

// last returns the position of each worker's last message in the queue.
func (s *subscriber) last(queue string) map[int]uint64 {
	ends := map[int]uint64{}
	s.each(queue, func(position uint64, body string) { ends[worker(body)] = position })
	return ends
}

// each calls f with all messages of the queue. Only for one that keeps bodies.
func (s *subscriber) each(queue string, f func(position uint64, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.streams {
		if q.queue != queue {
			continue
		}
		for i, body := range q.bodies {
			f(q.positions[i], body)
		}
	}
}

// behindNginx runs an nginx in front of replicas, and returns its address.
func behindNginx(t *testing.T) func(addrs []string) string {
	return func(addrs []string) string {
		t.Helper()
		dir, addr := t.TempDir(), mosquittotest.FreeAddr(t)
		config := fmt.Sprintf(nginxConfig, "server "+strings.Join(addrs, " max_fails=1 fail_timeout=1s; server ")+" max_fails=1 fail_timeout=1s;", addr)
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		log := &bridgetest.Buffer{}
		c := exec.Command(mosquittotest.Look(t, "nginx"), "-p", dir, "-c", "nginx.conf", "-e", "stderr")
		c.Stderr = log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
			if t.Failed() {
				t.Logf("the end of nginx's log:\n%s", log.Tail(20))
			}
		})
		bridgetest.Eventually(t, "nginx", func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
		return addr
	}
}

const nginxConfig = `
daemon off; pid nginx.pid; error_log stderr error; events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	upstream replicas { least_conn; %s }
	server {
		listen %s;
		location = /ws.communication {
			proxy_pass http://replicas;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
			proxy_set_header Host $http_host;
			proxy_connect_timeout 1s;
			proxy_read_timeout 90s;
		}
	}
}
`
