package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

// clientsBlock returns a code block of examples/clients.md: the number-th of its language.
func clientsBlock(t *testing.T, language string, number int) string {
	t.Helper()
	page := readText(t, "../../examples/clients.md")
	blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) <= number {
		t.Fatalf("clients.md has %d blocks of %s", len(blocks), language)
	}
	return blocks[number][1]
}

// A proxyProcess is a proxy that runs with a configuration from the documentation.
type proxyProcess struct {
	dir   string
	trust *tls.Config
	ca    string // path of the certificate that it shows
}

// runProxy writes the configuration and the certificate inbox.pem, with its key, into a directory,
// and starts the command there. It waits until the proxy listens.
func runProxy(t *testing.T, addr, file, config string, command ...string) proxyProcess {
	t.Helper()
	p := proxyProcess{dir: t.TempDir()}
	certificate, key := selfSigned(t, "localhost")
	p.ca = filepath.Join(p.dir, "ca.pem")
	write(t, p.ca, certificate)
	write(t, filepath.Join(p.dir, "inbox.pem"), certificate+key)
	write(t, filepath.Join(p.dir, "inbox.key"), key)
	write(t, filepath.Join(p.dir, file), config)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	p.trust = &tls.Config{RootCAs: roots}

	log := &bridgetest.Buffer{}
	c := exec.Command(mosquittotest.Look(t, command[0]), command[1:]...)
	c.Dir, c.Stdout, c.Stderr = p.dir, log, log
	c.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		bridgetest.CheckSecrets(t, log.String())
		if t.Failed() {
			t.Logf("log of %s:\n%s", command[0], log)
		}
	})
	bridgetest.Eventually(t, command[0]+" to listen", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

// The proxies of examples/clients.md in front of a bridge: stompjs gets an event through them, and
// the bridge knows the page's own origin and where the client is.
func TestBehindProxies(t *testing.T) {
	needNode(t)
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	for name, test := range map[string]struct {
		environ []string // of the bridge
		secure  string   // scheme of the client's URL
		tls     bool     // TLS ends in the bridge
		start   func(t *testing.T, addr, bridge string) proxyProcess
	}{
		"HAProxy": {secure: "wss", start: func(t *testing.T, addr, bridge string) proxyProcess {
			return startHAProxy(t, 0, addr, bridge)
		}},
		"HAProxy, PROXY header": {secure: "wss", tls: true, environ: []string{"BRIDGE_SERVER_PROXY_PROTOCOL=true"}, start: func(t *testing.T, addr, bridge string) proxyProcess {
			return startHAProxy(t, 1, addr, bridge)
		}},
		"Caddy": {secure: "ws", start: func(t *testing.T, addr, bridge string) proxyProcess {
			config := strings.NewReplacer("inbox.example.org", "http://"+addr, "127.0.0.1:8080", bridge).Replace(clientsBlock(t, "caddyfile", 0))
			return runProxy(t, addr, "Caddyfile", "{\n\tadmin off\n}\n"+config, "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append([]string{"BRIDGE_BROKER_URL=mqtt://" + broker.Addr, "BRIDGE_BROKER_CLIENT_ID=" + strings.ReplaceAll(name, " ", ""),
				"BRIDGE_SERVER_TRUSTED_PROXIES=127.0.0.1"}, test.environ...)
			var trust *tls.Config
			ca := ""
			if test.tls {
				dir := t.TempDir()
				certificate, key := selfSigned(t, "localhost")
				ca = filepath.Join(dir, "cert.pem")
				write(t, ca, certificate)
				write(t, filepath.Join(dir, "key.pem"), key)
				environ = append(environ, "BRIDGE_SERVER_CERT_FILE="+ca, "BRIDGE_SERVER_KEY_FILE="+filepath.Join(dir, "key.pem"))
				roots := x509.NewCertPool()
				roots.AppendCertsFromPEM([]byte(certificate))
				trust = &tls.Config{RootCAs: roots}
			}
			s := startSidecar(t, documentRules, environ...)
			addr := mosquittotest.FreeAddr(t)
			proxy := test.start(t, addr, s.listen)
			if !test.tls {
				trust, ca = proxy.trust, proxy.ca
			}
			t.Setenv("NODE_EXTRA_CA_CERTS", ca)
			endpoint := test.secure + "://" + addr + "/ws.communication"
			c := startStompjs(t, endpoint, s.token("ann"), "/queue/unread-count")
			publish(t, broker.Addr, "-t", documentEvents[1][0], "-m", documentEvents[1][1])
			if got, want := c.message().Body, documentBodies["/queue/unread-count"]; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			header := http.Header{
				"Authorization": {"Bearer " + s.token(strings.Repeat("b", 9<<10))},
				"Origin":        {strings.Replace(test.secure, "ws", "http", 1) + "://" + addr}, // the page's own
			}
			b, err := listen.Dial(t.Context(), listen.Config{URL: endpoint, Header: header, TLS: trust, NetDial: from("127.0.0.2"), Queues: []string{"/queue/message"}})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			hosts := map[string]int{}
			for remote, n := range remotes(t, s) {
				if host, _, err := net.SplitHostPort(remote); err == nil {
					remote = host
				}
				hosts[remote] += n
			}
			if hosts["127.0.0.1"] != 1 || hosts["127.0.0.2"] != 1 {
				t.Errorf("the sessions are from %v", hosts)
			}
		})
	}
}

// startHAProxy runs HAProxy with one of the configurations of the page.
func startHAProxy(t *testing.T, number int, addr, bridge string) proxyProcess {
	t.Helper()
	config := strings.NewReplacer("bind :443", "bind "+addr, "/etc/haproxy/inbox.pem", "inbox.pem",
		"127.0.0.1:8080", bridge, "127.0.0.1:8443", bridge).Replace(clientsBlock(t, "haproxy", number))
	return runProxy(t, addr, "haproxy.cfg", config, "haproxy", "-db", "-f", "haproxy.cfg")
}

// A PROXY header that the bridge was not told to expect is named in its log.
func TestUnexpectedProxyHeader(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_SERVER_TRUSTED_PROXIES=127.0.0.1")
	addr := mosquittotest.FreeAddr(t)
	startHAProxy(t, 1, addr, s.listen)
	if _, err := listen.Dial(t.Context(), listen.Config{URL: "ws://" + addr + "/ws.communication", Queues: []string{"/queue/message"}}); err == nil {
		t.Error("connected")
	}
	bridgetest.Eventually(t, "a line in the log", func() bool {
		return strings.Contains(s.log.String(), `reason="unexpected PROXY header"`) && strings.Contains(s.log.String(), "set server.proxy_protocol: true")
	})
}

// nginx makes a cookie the token. Without the cookie, the client's own header passes.
func TestCookieAsToken(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_SERVER_TRUSTED_PROXIES=127.0.0.1")
	addr := mosquittotest.FreeAddr(t)
	site := strings.NewReplacer("listen 443", "listen "+addr, "127.0.0.1:8080", s.listen, "/etc/ssl/certs/inbox.pem", "inbox.pem",
		"/etc/ssl/private/inbox.key", "inbox.key").Replace(clientsBlock(t, "nginx", 0))
	proxy := runProxy(t, addr, "nginx.conf", `
daemon off; pid nginx.pid; error_log stderr notice; events {}
http {
	access_log access.log;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
`+site+"}", "nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr")
	for name, test := range map[string]struct {
		header http.Header
		ok     bool
	}{
		"cookie":        {http.Header{"Cookie": {"other=1; inbox_token=" + s.token("ann")}}, true},
		"header":        {http.Header{"Authorization": {"Bearer " + s.token("ann")}}, true},
		"wrong cookie":  {http.Header{"Cookie": {"inbox_token=nonsense"}}, false},
		"foreign page":  {http.Header{"Cookie": {"inbox_token=" + s.token("ann")}, "Origin": {"https://other.example"}}, false},
		"own page":      {http.Header{"Cookie": {"inbox_token=" + s.token("ann")}, "Origin": {"https://" + addr}}, true},
		"neither":       {http.Header{}, false},
		"page of files": {http.Header{"Cookie": {"inbox_token=" + s.token("ann")}, "Origin": {"null"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := listen.Dial(t.Context(), listen.Config{URL: "wss://" + addr + "/ws.communication", Header: test.header, TLS: proxy.trust, Queues: []string{"/queue/message"}})
			if (err == nil) != test.ok {
				t.Errorf("got %v, want it to be let in: %v", err, test.ok)
			}
			if err == nil {
				b.Close()
			}
		})
	}
}

// examples/clients/stomppy.py gets an event with stomp.py.
func TestStompPy(t *testing.T) {
	python := "/usr/bin/python3" // which has Debian's packages
	err := exec.Command(python, "-c", "import stomp, websocket").Run()
	bridgetest.Need(t, "python3-stomp and python3-websocket", err == nil)
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	c := exec.Command(python, "../../examples/clients/stomppy.py", s.url(), "/queue/unread-count")
	c.Env = append(os.Environ(), "TOKEN="+s.token("ann"))
	stderr := &bridgetest.Buffer{}
	c.Stderr = stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(bridgetest.Patience, func() { c.Process.Kill() })
	defer timeout.Stop()
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "subscribed" {
		t.Fatalf("the first line is %q\n%s", lines.Text(), stderr)
	}
	publish(t, broker.Addr, "-t", documentEvents[1][0], "-m", documentEvents[1][1])
	if !lines.Scan() || lines.Text() != documentBodies["/queue/unread-count"] {
		t.Errorf("got %q\n%s", lines.Text(), stderr)
	}
	s.stop() // the client sees the end
	if err := c.Wait(); err != nil {
		t.Errorf("stomppy.py: %v\n%s", err, stderr)
	}
}
