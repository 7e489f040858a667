package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
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
	proxy := startNginx(t, "inbox.conf", s.listen)
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

// examples/nginx/console.conf in a real nginx in front of the console: it is closed until a login is
// demanded, the session's cookie is for TLS alone, the console's own pages change something and
// those of others do not, and nothing else of the ops endpoint is there.
func TestConsoleBehindNginx(t *testing.T) {
	t.Parallel()
	s, _ := startDemanding(t)
	proxy := startNginx(t, "console.conf", s.ops)
	base := "https://" + proxy.addr
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := "" // the last cookie
	browser := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: proxy.trust}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		set = r.Response.Header.Get("Set-Cookie")
		return nil
	}}
	defer browser.CloseIdleConnections()
	do := func(method, path, origin string, form url.Values) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer
	}
	if answer := do("GET", "/", "", nil); answer.Request.URL.Path != "/console/login" || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s at %s", answer.Status, answer.Request.URL)
	}
	form := url.Values{"user": {"ada"}, "password": {operatorPassword}}
	if answer := do("POST", "/console/login", "https://evil.example.org", form); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a login by the page of another site: %s", answer.Status)
	}
	if answer := do("POST", "/console/login", base, form); answer.Request.URL.Path != "/console/" || answer.StatusCode != http.StatusOK {
		t.Fatalf("logged in: %s at %s", answer.Status, answer.Request.URL)
	}
	if !strings.Contains(set, "; Secure; SameSite=Strict") {
		t.Errorf("the cookie is %s", set)
	}
	if answer := do("GET", "/sessions", "", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("/sessions: %s", answer.Status)
	}
	if answer := do("POST", "/console/logout", "https://evil.example.org", url.Values{}); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a logout by the page of another site: %s", answer.Status)
	}
	if answer := do("POST", "/console/logout", base, url.Values{}); answer.Request.URL.Path != "/console/login" || !strings.Contains(set, "Max-Age=0") {
		t.Errorf("logout: %s at %s, with the cookie %s", answer.Status, answer.Request.URL, set)
	}

	broker := mosquittotest.Start(t, mosquittotest.Options{})
	open := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	base = "https://" + startNginx(t, "console.conf", open.ops).addr
	browser.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if answer := do("GET", "/console/", "", nil); answer.StatusCode != http.StatusForbidden {
		t.Errorf("without a login: %s", answer.Status)
	}
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

// startNginx runs nginx with a file of examples/nginx as it is shipped but for the addresses and the
// certificate, and little around it.
func startNginx(t *testing.T, file, bridge string) *nginx {
	t.Helper()
	n := &nginx{dir: t.TempDir(), addr: mosquittotest.FreeAddr(t), log: &bridgetest.Buffer{}}
	certificate, key := selfSigned(t, "localhost")
	n.certificate = filepath.Join(n.dir, "site.pem")
	write(t, n.certificate, certificate)
	write(t, filepath.Join(n.dir, "site.key"), key)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	n.trust = &tls.Config{RootCAs: roots}

	shipped := readText(t, "../../examples/nginx/"+file)
	site := strings.NewReplacer("listen 443", "listen "+n.addr, "127.0.0.1:8080", bridge, "127.0.0.1:9464", bridge,
		"/etc/ssl/certs/inbox.pem", "site.pem", "/etc/ssl/private/inbox.key", "site.key",
		"/etc/ssl/certs/bridge.pem", "site.pem", "/etc/ssl/private/bridge.key", "site.key").Replace(shipped)
	write(t, filepath.Join(n.dir, "site.conf"), site)
	write(t, filepath.Join(n.dir, "nginx.conf"), `
daemon off; pid nginx.pid; error_log stderr notice; events {}
http {
	access_log access.log;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include site.conf;
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
