package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A demoRun is a demo of this process.
type demoRun struct {
	url   string
	rules string // the file
}

// startDemo starts a demo, which ends in order at the end of the test.
func startDemo(t *testing.T) demoRun {
	t.Helper()
	listen := mosquittotest.FreeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	var out bridgetest.Buffer
	p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &out}
	code := make(chan int, 1)
	go func() { code <- p.run(ctx, []string{"demo", "--listen", listen, "--mqtt", "127.0.0.1:0"}) }()
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != exitOK {
			t.Errorf("demo ended with code %d:\n%s", c, &out)
		}
	})
	bridgetest.Eventually(t, "the demo to start", func() bool { return strings.Contains(out.String(), "mosquitto_pub") })
	rules := regexp.MustCompile(`rules +(\S+) `).FindStringSubmatch(out.String())
	if rules == nil {
		t.Fatalf("the demo does not say where its rules are:\n%s", &out)
	}
	return demoRun{url: "http://" + listen + "/", rules: rules[1]}
}

// edit changes the rules.
func (d demoRun) edit(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(d.rules)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte(from), []byte(to), 1)
	if bytes.Equal(changed, text) {
		t.Fatalf("%q is not in the demo's rules", from)
	}
	if err := os.WriteFile(d.rules, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

func needBundles(t *testing.T) {
	t.Helper()
	_, err := os.Stat("../demo/page/inbox/index.html")
	bridgetest.Need(t, "the inbox (go generate ./...)", err == nil)
}

// lookAround looks at the page at all these widths, light and dark.
func (b *browser) lookAround(name string, widths ...int) {
	b.t.Helper()
	for _, width := range widths {
		b.look(name, width, false)
		b.look(name, width, true)
	}
}

// send sends the sample of that name from the demo's page, and waits for what the page says then.
func (b *browser) send(sample, want string) {
	b.t.Helper()
	b.do(order{"press": sample})
	b.await("button[aria-pressed=true]", sample) // the page has it
	b.do(order{"press": "Send"})
	b.await("#result", want)
}

// The demo's page shows, in a real browser, an event on its way from MQTT to an inbox.
func TestDemo(t *testing.T) {
	t.Parallel()
	needBundles(t)
	tab := startBrowser(t)
	d := startDemo(t)
	tab.do(order{"open": d.url, "width": 1440})
	tab.awaitIn("inbox", "#state", "Live")
	tab.awaitIn("inbox", "#channels", "Harbour Coffee Roasters")
	tab.awaitIn("inbox", "#conversations", "Ada Brandt")
	tab.awaitIn("console", "h1", "Overview")

	tab.send("A customer writes", "/queue/message")
	tab.awaitIn("inbox", thread, "Do you have oat milk?")
	tab.send("Unread count", "/queue/unread-count")
	tab.awaitIn("inbox", ".badge", "3")
	tab.send("Markup", "/queue/message")
	tab.awaitIn("inbox", thread, "<img src=x onerror=alert(1)> & <b>bold</b>")
	tab.send("Filtered out", "filtered: when payload.event")
	tab.send("A bad event", "dead letter: fields message.sent_at: not a time (demo.yaml:")
	tab.do(order{"click": "text=Follow it in the console"})
	tab.awaitIn("console", "#event", "rejected")
	tab.awaitIn("console", "#event", "When was that?")
	tab.do(order{"click": "text=Try it in the workbench"})
	tab.awaitIn("console", "h1", "Workbench")
	tab.do(order{"click": "nav >> text=Overview", "frame": "console"})
	tab.awaitIn("console", "#dead-letters", `"yesterday" is not an ISO 8601 time`)
	tab.lookAround("demo", 1440)
	tab.do(order{"press": "Inbox", "width": 768})
	tab.lookAround("demo", 768, 390, 360)
	tab.do(order{"press": "Event"})
	tab.lookAround("demo-event", 768, 390, 360)
	tab.do(order{"press": "Bridge"})
	tab.lookAround("demo-bridge", 768, 390, 360)

	// What comes while the inbox is closed comes late.
	tab.do(order{"press": "Close it for 5 s", "width": 1440})
	tab.awaitIn("inbox", "main", "The inbox is closed")
	tab.send("A customer writes", "/queue/message")
	tab.awaitIn("inbox", "#state", "came late")
	tab.awaitIn("inbox", ".late", "Came while you were away")

	// Rules that are edited in the file are for the next event, unless there is a mistake in them.
	d.edit(t, "queue: /queue/message", "queue: /queue/massage")
	tab.awaitIn("console", ".notice", "The last reload was refused")
	d.edit(t, "queue: /queue/massage", "queue: /queue/message")
	d.edit(t, "text: =payload.text", `text: '=upper(payload.text)'`)
	bridgetest.Eventually(t, "a message by the new rule", func() bool {
		tab.send("A customer writes", "/queue/message")
		return slices.Contains(tab.do(order{"texts": thread, "frame": "inbox"}), "DO YOU HAVE OAT MILK?")
	})
}

// Who opens the page later sees all from the beginning: no answer without its question, and names.
func TestDemoOpenedLater(t *testing.T) {
	t.Parallel()
	needBundles(t)
	d := startDemo(t)
	first := startBrowser(t)
	first.do(order{"open": d.url, "width": 1440})
	first.awaitIn("inbox", "#conversations", "Perfect, thank you")
	later := startBrowser(t)
	later.do(order{"open": d.url + "inbox/", "width": 1440})
	later.await("#state", "Live")
	later.do(order{"press": "Ada Brandt"})
	later.await(thread, "Perfect, thank you")
	want := []string{"Good morning! Is order 4711 on its way?", "It was promised for today.", "Good morning Ada, let me look.",
		"It left the roastery at 7:40 and arrives before noon.", "Perfect, thank you ☕"}
	if got := later.do(order{"texts": thread}); !slices.Equal(got, want) {
		t.Errorf("the conversation is %q, want %q", got, want)
	}
	for _, name := range later.do(order{"texts": "#conversations b"}) {
		if strings.HasPrefix(name, "Conversation") {
			t.Errorf("a conversation is called %q", name)
		}
	}
}

// A page that stays open says that the demo is gone, and shows the next one from its beginning.
func TestDemoStartedAgain(t *testing.T) {
	t.Parallel()
	needBundles(t)
	tab := startBrowser(t)
	binary, listen := bridgetest.BuildFor(t), mosquittotest.FreeAddr(t)
	first := startDemoProcess(t, binary, listen)
	tab.do(order{"open": "http://" + listen + "/", "width": 1440})
	tab.awaitIn("inbox", "#conversations", "It was promised for today.")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.Wait()
	tab.await("#gone", "Does the demo still run?")
	tab.await("#state", "Nobody answers")
	startDemoProcess(t, binary, listen)
	tab.await("#state", "Running")
	tab.awaitIn("inbox", "#state", "Live")
	tab.awaitIn("inbox", "#conversations", "Tom Okafor")
	names := tab.do(order{"texts": "#conversations b", "frame": "inbox"})
	slices.Sort(names)
	if want := []string{"Ada Brandt", "Tom Okafor"}; !slices.Equal(names, want) {
		t.Errorf("the conversations are %q, want %q", names, want)
	}
	tab.do(order{"press": "Ada Brandt", "frame": "inbox"})
	want := []string{"Good morning! Is order 4711 on its way?", "It was promised for today."}
	if got := tab.do(order{"texts": thread, "frame": "inbox"}); len(got) < 2 || !slices.Equal(got[:2], want) {
		t.Errorf("the conversation begins with %q, want %q", got, want)
	}
}

// startDemoProcess starts the demo as a process, which is ended at the end of the test.
func startDemoProcess(t *testing.T, binary, listen string) *exec.Cmd {
	t.Helper()
	c := exec.Command(binary, "demo", "--listen", listen, "--mqtt", "127.0.0.1:0")
	c.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // what a killed one leaves
	var said bridgetest.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM) // nothing to do for one that is gone
		c.Wait()
		if t.Failed() {
			t.Logf("the demo said:\n%s", &said)
		}
	})
	bridgetest.Eventually(t, "the demo to start", func() bool {
		response, err := http.Get("http://" + listen + "/run")
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	})
	return c
}

// A build of a fresh clone, without what go generate makes, has plain pages.
func TestDemoWithoutBundles(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	binary, listen := buildWithoutBundles(t), mosquittotest.FreeAddr(t)
	startDemoProcess(t, binary, listen)
	tab.do(order{"open": "http://" + listen + "/", "width": 1440})
	tab.awaitIn("inbox", ".notice", "go generate ./...")
	tab.awaitIn("inbox", "#messages", "Good morning! Is order 4711 on its way?")
	tab.awaitIn("console", "h1", "Overview")
	tab.send("Markup", "/queue/message")
	tab.awaitIn("inbox", "#messages", "<img src=x onerror=alert(1)> & <b>bold</b>")
	tab.lookAround("demo-plain", 1440, 360)
}

// buildWithoutBundles builds the program as it is without what go generate makes.
func buildWithoutBundles(t *testing.T) string {
	t.Helper()
	gone := map[string]string{}
	for _, dir := range []string{"../console/page/bundle", "../demo/page/inbox"} {
		dir, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && e.Name() != ".gitignore" {
				gone[path] = "" // for the go command, it does not exist
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": gone})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mqtt-stomp-bridge")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", file, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build -overlay: %v\n%s", err, out)
	}
	return binary
}

// The story waits for somebody to see it.
func TestDemoTellsWhenSomebodyIsThere(t *testing.T) {
	for name, come := range map[string]func(clients *atomic.Int64, opened chan struct{}){
		"a page":         func(_ *atomic.Int64, opened chan struct{}) { close(opened) },
		"another client": func(clients *atomic.Int64, _ chan struct{}) { clients.Store(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var clients, published atomic.Int64
				opened := make(chan struct{})
				ended := make(chan error, 1)
				go func() {
					ended <- tell(ctx, func() int { return int(clients.Load()) }, opened, func(string, []byte) error { published.Add(1); return nil })
				}()
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := published.Load(); n > 0 {
					t.Errorf("%d events before anybody was there", n)
				}
				come(&clients, opened)
				time.Sleep(time.Second)
				synctest.Wait()
				if published.Load() == 0 {
					t.Error("no event within a second")
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The demo runs beside a bridge: it listens on nothing but what its flags say.
func TestDemoHasNoOpsEndpoint(t *testing.T) {
	_, c, err := demoConfig(t.TempDir(), "127.0.0.1:0", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, "warn")
	if err != nil {
		t.Fatal(err)
	}
	if c.Ops.Listen != "" || !c.Ops.ShowPayloads {
		t.Errorf("ops.listen is %s, ops.show_payloads %v", c.Ops.Listen, c.Ops.ShowPayloads)
	}
}
