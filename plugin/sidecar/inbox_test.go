package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// builtInbox returns the directory of the built examples/inbox.
func builtInbox(t *testing.T) string {
	t.Helper()
	dir := "../../examples/inbox/dist"
	_, err := os.Stat(filepath.Join(dir, "index.html"))
	bridgetest.Need(t, "the inbox (npm ci && npm run build in examples/inbox)", err == nil)
	return dir
}

// An inboxBridge is a bridge as a process, with a broker of its own and documentRules.
type inboxBridge struct {
	*running
	broker  string
	journal string
	process *bridgetest.Process
	at      time.Time // when the next event is sent
}

func startInboxBridge(t *testing.T, environ ...string) *inboxBridge {
	t.Helper()
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	journal := t.TempDir()
	s := prepareSidecar(t, documentRules, append(environ, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_JOURNAL_DIR="+journal)...)
	cmd := exec.Command(bridgetest.BuildFor(t), "serve", "-c", s.config)
	cmd.Env = append(os.Environ(), s.environ...)
	b := &inboxBridge{running: s, broker: broker.Addr, journal: journal, at: time.Now().Add(-time.Minute)}
	b.process = bridgetest.Start(t, cmd, s.ops)
	b.process.WaitReady()
	return b
}

// message publishes a message as the source sends it.
func (b *inboxBridge) message(id uuid.UUID, from, state, text string) {
	b.t.Helper()
	name := map[string]string{"customer": "Ada Brandt", "agent": "Mira"}[from]
	b.content(id, from, state, order{"text": text, "from": name})
}

// content publishes a message with that content.
func (b *inboxBridge) content(id uuid.UUID, from, state string, content any) {
	b.t.Helper()
	b.at = b.at.Add(time.Millisecond)
	b.publish("app/"+channel+"/"+conversation+"/message", order{
		"id": id, "content": content, "state": state, "from": from, "at": b.at.UnixMilli(),
	})
}

func (b *inboxBridge) unread(count int) {
	b.t.Helper()
	b.at = b.at.Add(time.Millisecond)
	b.publish("app/"+conversation+"/unread", order{"count": count, "at": b.at.UnixMilli()})
}

func (b *inboxBridge) channel(id, name string, online bool) {
	b.t.Helper()
	b.publish("app/"+id+"/channel", order{"online": online, "name": name, "page": "1"})
}

func (b *inboxBridge) publish(topic string, payload order) {
	b.t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	publish(b.t, b.broker, "-t", topic, "-m", string(text))
}

// look saves a screenshot where SCREENSHOTS names a directory, and checks that nothing is cut
// off and that axe-core finds nothing serious.
func (b *browser) look(name string, width int, dark bool) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = b.t.TempDir()
	}
	name = fmt.Sprintf("%s-%d-%s", name, width, map[bool]string{false: "light", true: "dark"}[dark])
	b.do(order{"look": filepath.Join(dir, name+".png"), "width": width, "dark": dark})
	if found := b.do(order{"axe": true}); len(found) > 0 {
		b.t.Errorf("%s: axe-core finds %q", name, found)
	}
}

const (
	thread  = "#messages p"
	hostile = `<img src=x onerror=alert(1)><script>alert(2)</script>`
)

// The inbox of examples/inbox, on an origin of its own: what comes is shown as text, and after the
// bridge was killed nothing is missing and nothing is there twice.
func TestInbox(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	site := httptest.NewServer(http.FileServer(http.Dir(builtInbox(t))))
	defer site.Close()
	b := startInboxBridge(t, "BRIDGE_SERVER_ALLOWED_ORIGINS="+site.URL)

	tab.do(order{"open": site.URL})
	tab.await("#login", "Connect")
	tab.look("login", 360, false)
	connect := func(token string) {
		tab.do(order{"fill": [2]string{"Endpoint", b.url()}})
		tab.do(order{"fill": [2]string{"Token", token}})
		tab.do(order{"press": "Connect"})
	}
	connect("nonsense")
	tab.await("#login", "Paste another token")
	tab.await("#notice", "401 token is not a JSON Web Token")
	connect("nonsense again")
	tab.await("#state", "Refused")
	connect(b.token("grace"))
	tab.await("#state", "Live")
	tab.do(order{"width": 1280})
	tab.await("#messages", "No message yet")

	var want []string
	say := func(from, text string) uuid.UUID {
		id := uuid.New()
		b.message(id, from, "pending", text)
		want = append(want, text)
		return id
	}
	b.channel(channel, "Harbour Coffee", true)
	b.channel(uuid.NewString(), "Chat on the site", false)
	say("customer", "Where is my order?")
	answer := say("agent", "On its way.")
	lost := say("agent", "It comes tomorrow.")
	for shown, content := range map[string]any{
		"In a body.":          order{"type": "text", "text": order{"body": "In a body."}},
		"A block.\nAnd more.": order{"blocks": []order{{"type": "text", "text": "A block."}, {"text": "And more."}}},
		"(image)":             order{"type": "image", "url": "https://media.example/1.jpg"},
	} {
		b.content(uuid.New(), "customer", "delivered", content)
		want = append(want, shown)
	}
	say("customer", hostile)
	tab.await(thread, hostile)
	tab.await("#messages li.out", "pending")
	b.message(answer, "agent", "delivered", "On its way.")
	b.message(lost, "agent", "failed", "It comes tomorrow.")
	b.unread(3)
	tab.await(".badge", "3")
	tab.await("#messages li.out", "failed")
	tab.await("#channels", "disconnected")
	for _, dark := range []bool{true, false} {
		tab.look("live", 360, dark)
		tab.do(order{"press": "Ada Brandt"})
		tab.look("thread", 360, dark)
		tab.do(order{"press": "Back"})
		tab.look("live", 1280, dark)
	}

	b.process.End(syscall.SIGKILL)
	tab.await("#state", "Offline")
	for i := range 20 {
		say("customer", "While away "+strconv.Itoa(i))
	}
	b.unread(23)
	b.channel(channel, "Harbour Coffee", false)
	b.process.Restart()
	b.process.WaitReady()
	say("customer", "And live again.")
	tab.await("#state", "Caught up")
	tab.await(thread, "And live again.")
	if diff := cmp.Diff(want, tab.do(order{"texts": thread})); diff != "" {
		t.Errorf("the messages after the kill (-want +got):\n%s", diff)
	}
	tab.await(".badge", "23")
	if channels := tab.do(order{"texts": "#channels small"}); len(channels) != 2 || strings.Contains(strings.Join(channels, ""), ", connected") {
		t.Errorf("the channels are %q, want two that are disconnected", channels)
	}
	if outgoing := tab.do(order{"texts": "#messages .out .mark"}); len(outgoing) != 2 || !strings.Contains(outgoing[0], "✓") || !strings.Contains(outgoing[1], "✗") {
		t.Errorf("the receipts are %q, want one delivered, one failed", outgoing)
	}
	tab.look("caught-up", 1280, false)

	// Another journal: the bridge has nothing to resume from. Counts and channels come with the next events.
	b.process.Stop()
	if err := os.RemoveAll(b.journal); err != nil {
		t.Fatal(err)
	}
	b.process.Restart()
	b.process.WaitReady()
	tab.await("#state", "Gap")
	b.channel(channel, "Harbour Coffee", true)
	tab.await("#channels", ", connected")
	say("customer", "After the gap.")
	tab.await(thread, "After the gap.")
	if diff := cmp.Diff(want, tab.do(order{"texts": thread})); diff != "" {
		t.Errorf("the messages after the gap (-want +got):\n%s", diff)
	}
	if images := tab.do(order{"texts": "body img, body script"}); len(images) != 0 {
		t.Errorf("a payload has become elements of the page: %q", images)
	}
	tab.look("gap", 360, true)
}

// serveInbox serves the built inbox as a web server in front of the bridge does, with tokens for
// whoever asks, which last four seconds.
func serveInbox(t *testing.T, b *inboxBridge, asked *atomic.Int32) *httptest.Server {
	t.Helper()
	files := http.Dir(builtInbox(t))
	page := readText(t, filepath.Join(string(files), "index.html"))
	before, after, ok := strings.Cut(page, `name="token-url" content="`)
	if !ok {
		t.Fatal("the page does not say where its token comes from")
	}
	page = before + `name="token-url" content="/token` + after
	bridge := &url.URL{Scheme: "http", Host: b.listen}
	mux := http.NewServeMux()
	mux.Handle("/ws.communication", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(bridge)
		r.Out.Host = r.In.Host
	}})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		now := time.Now()
		fmt.Fprintln(w, signed(t, 4*time.Second, jwt.MapClaims{"sub": "grace", "iat": now.Unix()}))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, page) })
	mux.Handle("/", http.FileServer(files))
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site
}

// A page that can fetch tokens renews them in time, so that one session outlasts them; and what it
// has shown is there after a reload, with what came meanwhile.
func TestInboxRenewsItsToken(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	b := startInboxBridge(t)
	var asked atomic.Int32
	site := serveInbox(t, b, &asked)
	tab.do(order{"open": site.URL})
	tab.await("#state", "Live")
	b.channel(channel, "Harbour Coffee", true)
	b.unread(2) // of a conversation that is not known yet
	tab.await("#channels", "Harbour Coffee")
	bridgetest.Eventually(t, "three renewals", func() bool { return len(b.process.Log.Lines(`msg="token renewed"`)) >= 3 })
	if ended := b.process.Log.Lines(`msg="session ended"`); len(ended) > 0 {
		t.Errorf("sessions have ended:\n%s", strings.Join(ended, "\n"))
	}
	if n := asked.Load(); n < 4 {
		t.Errorf("%d tokens for a session and three renewals", n)
	}

	// The first time the queue of messages has no message yet to resume from.
	for _, text := range []string{"First", "Second"} {
		tab.do(order{"open": "about:blank"})
		b.message(uuid.New(), "customer", "delivered", text)
		tab.do(order{"open": site.URL})
		tab.await("#state", "Caught up: 1 came late")
		tab.await(thread, text)
		tab.await(".badge", "2")
	}
	if diff := cmp.Diff([]string{"First", "Second"}, tab.do(order{"texts": thread})); diff != "" {
		t.Errorf("the messages after two reloads (-want +got):\n%s", diff)
	}
}
