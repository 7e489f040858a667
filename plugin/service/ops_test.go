package service_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/service"
)

// A client is a connection that speaks HTTP.
type client struct {
	net.Conn
	read *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, bufio.NewReader(c)}
}

// get asks for a path, and returns the answer without its body.
func (c *client) get(t *testing.T, path string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(c.read, nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// TestAnswersAreTaken ends connections whose other side has stopped to read: 24 of them kept everybody
// from the ops endpoint for good. Who reads slowly gets all.
func TestAnswersAreTaken(t *testing.T) {
	const size = 1 << 20
	for name, c := range map[string]struct{ taken, want int }{"slowly": {size, size}, "a part": {100 << 10, 100 << 10}, "nothing": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				go func() {
					for left := c.taken; left > 0; left -= 10 << 10 {
						time.Sleep(time.Second)
						io.ReadFull(far, make([]byte, min(left, 10<<10)))
					}
				}()
				n, err := service.Answering(near).Write(make([]byte, size))
				if n != c.want || errors.Is(err, os.ErrDeadlineExceeded) != (n < size) {
					t.Errorf("%d bytes were written, %v, want %d", n, err, c.want)
				}
			})
		})
	}
}

// Streams of the console take their share of the connections, and no more: who asks for health gets
// an answer. A connection that has ended makes room.
func TestShareOfTheConsole(t *testing.T) {
	end := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/console/live" {
			http.NewResponseController(w).Flush()
			select {
			case <-end:
			case <-r.Context().Done():
			}
		}
	}))
	service.BoundConsole(server.Config)
	server.Start()
	defer server.Close()
	defer close(end)
	address := server.Listener.Addr().String()

	var streams []*client
	for range service.ConsoleConnections {
		c := dial(t, address)
		if answer := c.get(t, "/console/live"); answer.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %s", len(streams), answer.Status)
		}
		streams = append(streams, c)
	}
	if answer := dial(t, address).get(t, "/console/live"); answer.StatusCode != http.StatusServiceUnavailable || !answer.Close {
		t.Errorf("one stream more: %s, the connection ends: %t", answer.Status, answer.Close)
	}
	probe := dial(t, address)
	for range 2 {
		if answer := probe.get(t, "/healthz"); answer.StatusCode != http.StatusOK || answer.Close {
			t.Errorf("health: %s, the connection ends: %t", answer.Status, answer.Close)
		}
	}
	if answer := probe.get(t, "/console/"); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a page on the connection of a probe: %s", answer.Status)
	}
	streams[0].Close()
	bridgetest.Eventually(t, "room for one stream", func() bool {
		return dial(t, address).get(t, "/console/live").StatusCode == http.StatusOK
	})
}

// Browsers keep connections. However many there are, those who ask for health get one, at a bridge
// as it runs.
func TestBrowsersLeaveConnections(t *testing.T) {
	_, _, c := runService(t, "")
	kept := 0
	var all []*client
	for range 60 {
		one := dial(t, c.Ops.Listen)
		if answer := one.get(t, "/console/"); !answer.Close {
			kept++
		}
		all = append(all, one)
		if answer := dial(t, c.Ops.Listen).get(t, "/console/"); answer.StatusCode != http.StatusOK {
			t.Fatalf("after %d: %s", len(all), answer.Status)
		}
	}
	if kept > service.ConsoleKept {
		t.Errorf("%d connections are kept, want %d at the most", kept, service.ConsoleKept)
	}
	if answer := dial(t, c.Ops.Listen).get(t, "/healthz"); answer.StatusCode != http.StatusOK {
		t.Errorf("health: %s", answer.Status)
	}
}

// runService runs a bridge with the configuration until the test ends; reload has it read its file
// again.
func runService(t *testing.T, text string) (s *service.Service, reload func(text string), c *config.Config) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broker, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	url := "BRIDGE_BROKER_URL=mqtt://" + broker.Addr().String()
	c = load(t, text, url)
	next := c
	hangup := make(chan os.Signal)
	log := &bridgetest.Buffer{}
	s, err = service.New(t.Context(), c, service.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Reload: &service.Reload{
		Files: service.NewFiles(c.Files[0], func() config.Result {
			if next == nil {
				return config.Result{Problems: []source.Problem{{File: "f", Line: 1, Column: 2, Message: "wrong"}}}
			}
			return config.Result{Config: next}
		}),
		Hangup: hangup, Level: &slog.LevelVar{}, Show: func([]source.Problem) {}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		broker.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, func(text string) {
		t.Helper()
		if next = nil; text != "wrong" {
			next = load(t, text, url, "BRIDGE_OPS_LISTEN="+c.Ops.Listen)
		}
		lines := func() int { return len(log.Lines("msg=reloaded")) + len(log.Lines("reload refused")) }
		before := lines()
		hangup <- syscall.SIGHUP
		bridgetest.Eventually(t, "the reload", func() bool { return lines() > before })
	}, c
}

// statusOf returns the status of a path of the ops endpoint.
func statusOf(t *testing.T, client *http.Client, c *config.Config, path string) int {
	t.Helper()
	answer, err := client.Get("http://" + c.Ops.Listen + path)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// A login comes into force, changes and goes by reloads, with its file; sessions end that it does
// not let in any more.
func TestOperatorsByReload(t *testing.T) {
	program := mosquittotest.Look(t, "mosquitto_passwd")
	file := filepath.Join(t.TempDir(), "operators")
	set := func(user, password string) {
		t.Helper()
		if _, err := os.Stat(file); err != nil {
			os.WriteFile(file, nil, 0o600)
		}
		if out, err := exec.Command(program, "-b", file, user, password).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	set("ada", "right")
	demanding := "ops: {login: {password_file: " + file + ", required_claims: role=operator}}\n"
	_, reload, c := runService(t, "")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	defer browser.CloseIdleConnections()
	want := func(when string, want int) {
		t.Helper()
		for _, path := range []string{"/console/", "/healthz"} {
			if got := statusOf(t, browser, c, path); path == "/healthz" && got != http.StatusOK || path != "/healthz" && got != want {
				t.Errorf("%s: %s: %d, want %d", when, path, got, want)
			}
		}
	}
	logIn := func(form url.Values) {
		t.Helper()
		answer, err := browser.PostForm("http://"+c.Ops.Listen+"/console/login", form)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	password := url.Values{"user": {"ada"}, "password": {"right"}}
	bearer := func(claims map[string]any) url.Values {
		token, err := service.SignToken(c, auth.Grant{User: "ada", TTL: time.Hour, Claims: claims})
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{"token": {token}}
	}

	want("without a login", http.StatusOK)
	reload(demanding)
	want("once it is demanded", http.StatusUnauthorized)
	logIn(password)
	want("logged in", http.StatusOK)
	reload("log: {level: debug}\n" + demanding)
	want("after another change", http.StatusOK)
	reload("wrong")
	want("after a reload that was refused", http.StatusOK)
	set("ada", "new")
	reload(demanding)
	want("with a new password", http.StatusUnauthorized)
	logIn(bearer(map[string]any{"role": "user"}))
	want("with a token without the claim", http.StatusUnauthorized)
	logIn(bearer(map[string]any{"role": "operator"}))
	want("with a token with the claim", http.StatusOK)
	reload("ops: {login: {password_file: " + file + "}}\n")
	want("when tokens are not accepted any more", http.StatusUnauthorized)
	reload("ops: {console: false}\n")
	want("without a console", http.StatusNotFound)
	reload("")
	want("without a login again", http.StatusOK)
}

// The console is told which configuration is in force, and why the last reload was refused.
func TestStandingOfTheConfiguration(t *testing.T) {
	s, reload, c := runService(t, "")
	first := s.Standing()
	if first.Hash != c.Hash || first.Error != "" || first.Since.IsZero() || len(first.Files) != 1 || first.Files[0] != c.Files[0] {
		t.Errorf("at first %+v", first)
	}
	reload("wrong")
	if got := s.Standing(); got.Hash != c.Hash || got.Since != first.Since || got.Error != "f:1:2: wrong" || got.ErrorAt.Before(got.Since) {
		t.Errorf("after a reload that was refused %+v", got)
	}
	reload("journal: {max_age: 7h}\n")
	if got := s.Standing(); got.Hash == c.Hash || !got.Since.After(first.Since) || got.Error != "" || !got.ErrorAt.IsZero() {
		t.Errorf("after another %+v", got)
	}
}
