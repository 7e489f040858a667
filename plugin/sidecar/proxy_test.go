package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

// examples/nginx/inbox.conf in a real nginx in front of the bridge: stompjs gets an event by TLS,
// the bridge knows the page's own origin and where the client is, a long token passes, a reload of
// nginx ends no session, and nginx logs no token.
func TestBehindNginx(t *testing.T) {
	needNode(t)
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_SERVER_TRUSTED_PROXIES=127.0.0.1")
	proxy := startNginx(t, s.listen)
	t.Setenv("NODE_EXTRA_CA_CERTS", proxy.certificate)

	endpoint := "wss://" + proxy.addr + "/ws.communication"
	c := startStompjs(t, endpoint, s.token("ann"), "/queue/unread-count")
	if err := proxy.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "nginx to reload", func() bool { return strings.Contains(proxy.log.String(), "gracefully shutting down") })
	publish(t, broker.Addr, "-t", documentEvents[1][0], "-m", documentEvents[1][1])
	if got, want := c.message().Body, documentBodies["/queue/unread-count"]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	for _, test := range []struct{ name, origin, token, want string }{
		{"the page's own origin", "https://" + proxy.addr, s.token("bob"), ""},
		{"another origin", "https://other.example", s.token("bob"), `403 Forbidden: "origin is not allowed"`},
		{"a long token", "", s.token(strings.Repeat("b", 9<<10)), ""},
		{"a wrong token", "", "eyJhbGci", `401 Unauthorized: "token is not a JSON Web Token"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{"Authorization": {"Bearer " + test.token}}
			if test.origin != "" {
				header.Set("Origin", test.origin)
			}
			b, err := listen.Dial(t.Context(), listen.Config{URL: endpoint, Header: header, TLS: proxy.trust, NetDial: from("127.0.0.2"), Queues: []string{"/queue/message"}})
			if test.want != "" {
				if err == nil || !strings.HasSuffix(err.Error(), "the server answered "+test.want) {
					t.Fatalf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if remote := remotes(t, s); remote["127.0.0.1"] != 1 || remote["127.0.0.2"] != 1 {
				t.Errorf("the sessions are from %v", remote)
			}
		})
	}
	access, err := os.ReadFile(filepath.Join(proxy.dir, "access.log"))
	if err != nil || !strings.Contains(string(access), "GET /ws.communication") {
		t.Errorf("nginx's log of requests: %v\n%s", err, access)
	}
	s.checkSecrets(string(access) + proxy.log.String())
}

// from dials from that address of this machine.
func from(address string) func(context.Context, string, string) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
}

// remotes counts the open sessions by address, as /sessions tells.
func remotes(t *testing.T, s *running) map[string]int {
	t.Helper()
	response, err := http.Get("http://" + s.ops + "/sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var sessions []struct{ Remote string }
	if err := json.NewDecoder(response.Body).Decode(&sessions); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, x := range sessions {
		count[x.Remote]++
	}
	return count
}

// An nginx is a running nginx.
type nginx struct {
	dir, addr   string
	certificate string // path
	trust       *tls.Config
	process     *os.Process
	log         *bridgetest.Buffer
}

// startNginx runs nginx with the file as it is shipped but for the addresses and the certificate,
// and little around it.
func startNginx(t *testing.T, bridge string) *nginx {
	t.Helper()
	n := &nginx{dir: t.TempDir(), addr: mosquittotest.FreeAddr(t), log: &bridgetest.Buffer{}}
	certificate, key := selfSigned(t, "localhost")
	n.certificate = filepath.Join(n.dir, "inbox.pem")
	write(t, n.certificate, certificate)
	write(t, filepath.Join(n.dir, "inbox.key"), key)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	n.trust = &tls.Config{RootCAs: roots}

	shipped := readText(t, "../../examples/nginx/inbox.conf")
	site := strings.NewReplacer("listen 443", "listen "+n.addr, "127.0.0.1:8080", bridge, "/etc/ssl/certs/inbox.pem", "inbox.pem",
		"/etc/ssl/private/inbox.key", "inbox.key").Replace(shipped)
	write(t, filepath.Join(n.dir, "inbox.conf"), site)
	write(t, filepath.Join(n.dir, "nginx.conf"), `
daemon off; pid nginx.pid; error_log stderr notice; events {}
http {
	access_log access.log;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include inbox.conf;
}`)
	c := exec.Command(mosquittotest.Look(t, "nginx"), "-p", n.dir, "-c", "nginx.conf", "-e", "stderr")
	c.Stderr = n.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	n.process = c.Process
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Logf("log of nginx:\n%s", n.log)
		}
	})
	bridgetest.Eventually(t, "nginx to listen", func() bool {
		conn, err := net.Dial("tcp", n.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return n
}
