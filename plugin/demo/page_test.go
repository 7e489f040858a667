package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/demo"
)

// A fakeBridge maps what is published by the demo's rules, as a bridge does.
type fakeBridge struct {
	mapper  *mapping.Mapper
	events  []commit.NumberedEvent
	idle    bool // what is published never arrives
	watched bool
	opened  int
}

func (b *fakeBridge) Start() string           { return "epoch-7" }
func (b *fakeBridge) Mapper() *mapping.Mapper { return b.mapper }
func (b *fakeBridge) Watch() func()           { b.watched = true; return func() {} }

func (b *fakeBridge) Events(after uint64, limit int, match func(*commit.TracedEvent) bool) (found []commit.NumberedEvent, newest uint64, skipped int) {
	for _, e := range b.events {
		if e.Number > after && len(found) < limit && (match == nil || match(&e.TracedEvent)) {
			found = append(found, e)
		}
	}
	return found, uint64(len(b.events)), 0
}

func (b *fakeBridge) Explain(_ context.Context, q explain.Query) (explain.Answer, error) {
	e := b.events[q.Number-1]
	return explain.Answer{Events: []explain.Event{{Number: e.Number, Topic: e.Topic}}}, nil
}

func (b *fakeBridge) publish(topic string, payload []byte) error {
	if topic == "chat/broken/state" {
		return errors.New("the broker is gone")
	}
	if b.idle {
		return nil
	}
	e := commit.NumberedEvent{Number: uint64(len(b.events) + 1), TracedEvent: commit.TracedEvent{Topic: topic}}
	result := b.mapper.Map(mapping.Event{Topic: topic, Payload: payload, QoS: 1, Received: time.Now()})
	for _, o := range result.Outcomes {
		traced := commit.TracedOutcome{Rule: o.Rule}
		if len(result.Outputs) > 0 {
			traced.Queue = result.Outputs[0].Queue
		}
		if len(result.Rejections) > 0 {
			traced.Why = result.Rejections[0].Stage + " " + result.Rejections[0].Field
		}
		e.Outcomes = append(e.Outcomes, traced)
	}
	b.events = append(b.events, e)
	return nil
}

func (b *fakeBridge) config() demo.PageConfig {
	return demo.PageConfig{
		Token: func() (string, error) { return "a.b.c", nil }, Publish: b.publish, Opened: func() { b.opened++ },
		Rules: "/tmp/x/demo.yaml", Broker: "mqtt://127.0.0.1:1884", Example: `pub -m '</code><script>"<!--'`,
	}
}

// ask asks a page for something.
func ask(t *testing.T, h http.Handler, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(answer)
}

func newPage(t *testing.T) (*fakeBridge, http.Handler) {
	b := &fakeBridge{mapper: compile(t)}
	return b, demo.Page(b, b.config())
}

// Every file that the pages name is served, under a policy that lets nothing else in.
func TestPagesAreCompleteAndClosed(t *testing.T) {
	b, h := newPage(t)
	if !b.watched {
		t.Error("payloads are not kept, so that the console cannot show them")
	}
	plain := demo.PlainPage(b, b.config())
	pages := []struct {
		handler http.Handler
		path    string
	}{{h, "/"}, {h, "/away"}, {plain, "/"}, {plain, "/inbox/"}}
	files := 0
	for _, page := range pages {
		_, text := ask(t, page.handler, http.MethodGet, page.path, "")
		text = regexp.MustCompile(`(?s)<main>.*</main>`).ReplaceAllString(text, "") // which leads to other pages
		for _, m := range regexp.MustCompile(`(?:src|href)="(?:\.\./)?([^"]+)"`).FindAllStringSubmatch(text, -1) {
			files++
			checkFile(t, page.handler, "/"+m[1])
		}
		checkFile(t, page.handler, page.path)
	}
	if files != 10 {
		t.Errorf("the pages name %d files, want 10", files)
	}
	for _, path := range []string{"/index.html", "/plain.html", "/page/", "/nothing", "/inbox/nothing", "/inbox/.gitignore", "/inbox/../shell.js", "/inbox/%2e%2e/shell.js"} {
		if response, _ := ask(t, h, http.MethodGet, path, ""); response.StatusCode < 300 {
			t.Errorf("GET %s: %s, want none", path, response.Status)
		}
	}
}

func checkFile(t *testing.T, h http.Handler, path string) {
	t.Helper()
	response, body := ask(t, h, http.MethodGet, path, "")
	types := map[string]string{".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	want := types[regexp.MustCompile(`\.[a-z]+$`).FindString(path)]
	if want == "" {
		want = "text/html"
	}
	got, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode != http.StatusOK || got != want || body == "" {
		t.Errorf("GET %s: %s, %s, %d bytes, want 200 with %s", path, response.Status, got, len(body), want)
	}
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("GET %s: the policy is %q", path, policy)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("GET %s: Cache-Control is %q, want no-store", path, got)
	}
	body = strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "") // a name, not an address
	if found := regexp.MustCompile(`innerHTML|https?://`).FindString(body); found != "" {
		t.Errorf("GET %s: %q in it", path, found)
	}
}

func TestPageQuotesWhatItIsTold(t *testing.T) {
	_, h := newPage(t)
	if _, body := ask(t, h, http.MethodGet, "/", ""); strings.Contains(body, "</code><script>") || !strings.Contains(body, "/tmp/x/demo.yaml") {
		t.Errorf("the page is\n%s", body)
	}
}

// Only this page's own scripts get a token, with where an inbox begins, and send events.
func TestTokenIsForOwnPages(t *testing.T) {
	b, h := newPage(t)
	for name, test := range map[string]struct {
		method, path string
		header       []string
		want         int
	}{
		"own":                    {http.MethodPost, "/token", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"a program":              {http.MethodPost, "/token", nil, 200},
		"another site":           {http.MethodPost, "/token", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site's form":    {http.MethodPost, "/token", []string{"Origin", "https://evil.example"}, 403},
		"another port":           {http.MethodPost, "/token", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"with GET":               {http.MethodGet, "/token", nil, 405},
		"an event, another site": {http.MethodPost, "/send", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		opened := b.opened
		response, body := ask(t, h, test.method, test.path, "", test.header...)
		if response.StatusCode != test.want {
			t.Errorf("%s: %s, want %d", name, response.Status, test.want)
		}
		if ok := test.want == 200; ok && (body != "a.b.c" || response.Header.Get("Resume-From") != "epoch-7" || b.opened != opened+1) || !ok && b.opened != opened {
			t.Errorf("%s: token %q, from %q, opened %d times", name, body, response.Header.Get("Resume-From"), b.opened-opened)
		}
	}
}

func TestInboxAsksTheDemoForItsToken(t *testing.T) {
	_, h := newPage(t)
	response, page := ask(t, h, http.MethodGet, "/inbox/", "")
	bridgetest.Need(t, "the inbox (go generate ./...)", !strings.Contains(page, "go generate"))
	if !strings.Contains(page, `<meta name="token-url" content="/token">`) || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %s, the inbox is\n%s", response.Header.Get("Cache-Control"), page)
	}
	names := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(names) != 3 {
		t.Errorf("the inbox names %q, want three files", names)
	}
	for _, m := range names {
		name, _, _ := strings.Cut(m[1], "?")
		for path, want := range map[string]string{m[1]: "public, max-age=31536000, immutable", name: "no-store", name + "?v=123": "no-store"} {
			response, _ := ask(t, h, http.MethodGet, "/inbox/"+path, "")
			if got := response.Header.Get("Cache-Control"); response.StatusCode != http.StatusOK || got != want {
				t.Errorf("GET %s: %s, Cache-Control %q, want %q", path, response.Status, got, want)
			}
		}
	}
}

// A build without the inbox shows what the queues carry, and how to make one.
func TestPlainPageTellsOfTheQueues(t *testing.T) {
	b := &fakeBridge{mapper: compile(t)}
	h := demo.PlainPage(b, b.config())
	if _, page := ask(t, h, http.MethodGet, "/inbox/", ""); !strings.Contains(page, "<code>go generate ./...</code>") {
		t.Errorf("in place of the inbox is\n%s", page)
	}
	for _, topic := range []string{"chat/a/state", "chat/b/state"} {
		if err := b.publish(topic, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	_, answer := ask(t, h, http.MethodGet, "/inbox/queues", "")
	var got []struct{ Topic string }
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]struct{ Topic string }{{"chat/b/state"}, {"chat/a/state"}}, got); diff != "" || b.opened != 1 {
		t.Errorf("opened %d times, the queues (-want +got):\n%s", b.opened, diff)
	}
}

type sample struct {
	Topic, Payload string
	Fresh          []string
}

// What the samples say of themselves is what becomes of them.
func TestSamples(t *testing.T) {
	b, h := newPage(t)
	_, page := ask(t, h, http.MethodGet, "/", "")
	var got []string
	for n, m := range regexp.MustCompile(`data-preset="\d+" [^>]*>([^<]+)<`).FindAllStringSubmatch(page, -1) {
		var first, second sample
		for _, s := range []*sample{&first, &second} {
			_, answer := ask(t, h, http.MethodGet, "/presets/"+strconv.Itoa(n), "")
			if err := json.Unmarshal([]byte(answer), s); err != nil {
				t.Fatal(err)
			}
		}
		if first.Topic != second.Topic || first.Fresh[0] == second.Fresh[0] {
			t.Errorf("%s: two samples are %v and %v, want one topic and two ids", m[1], first, second)
		}
		request, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		response, answer := ask(t, h, http.MethodPost, "/send", string(request))
		var sent struct {
			Number   uint64
			Outcomes []commit.TracedOutcome
		}
		if err := json.Unmarshal([]byte(answer), &sent); err != nil || len(sent.Outcomes) != 1 {
			t.Fatalf("%s: %s %s", m[1], response.Status, answer)
		}
		got = append(got, strings.TrimSpace(m[1]+": "+sent.Outcomes[0].Queue+sent.Outcomes[0].Why))
		if sent.Number != uint64(n+1) {
			t.Errorf("%s is event %d, want %d", m[1], sent.Number, n+1)
		}
	}
	want := []string{
		"A customer writes: /queue/message",
		"Unread count: /queue/unread-count",
		"Channel offline: /queue/channel/disconnected",
		"A bad event: fields message.sent_at",
		"Filtered out:",
		"Markup: /queue/message",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if response, _ := ask(t, h, http.MethodGet, "/presets/6", ""); response.StatusCode != http.StatusNotFound || len(b.events) != 6 {
		t.Errorf("a seventh sample: %s, %d events", response.Status, len(b.events))
	}
}

func TestSendRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want int
		text string
	}{
		"no JSON":          {"x", 400, "reading the event: "},
		"too large":        {`{"topic": "chat/a/state", "payload": "` + strings.Repeat("x", 300<<10) + `"}`, 400, "reading the event: "},
		"no topic":         {`{}`, 400, "An event needs a topic."},
		"a wildcard":       {`{"topic": "chat/+/state"}`, 400, "No event can have that topic"},
		"nobody's topic":   {`{"topic": "elsewhere"}`, 404, "No rule is for that topic"},
		"a broken broker":  {`{"topic": "chat/broken/state"}`, 502, "the broker is gone"},
		"it never arrives": {`{"topic": "chat/a/state"}`, 504, "the bridge has not committed it yet"},
	} {
		t.Run(name, func(t *testing.T) {
			mapper := compile(t)
			synctest.Test(t, func(t *testing.T) {
				b := &fakeBridge{mapper: mapper, idle: true}
				response, text := ask(t, demo.Page(b, b.config()), http.MethodPost, "/send", test.body)
				if response.StatusCode != test.want || !strings.Contains(text, test.text) {
					t.Errorf("got %s %s, want %d with %s", response.Status, text, test.want, test.text)
				}
			})
		})
	}
}
