package console_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/console"
	"mqtt-stomp-bridge/plugin/workbench"
)

const (
	benchSecret = "hunter22hunter22hunter22hunter22"

	benchConfig = `auth: {jwt: {secret: ` + benchSecret + `}}
broker: {url: 'mqtt://u:` + benchSecret + `@localhost', password: ` + benchSecret + `}
`
	benchRules = "rules:" + messageRule + "tests:\n- {topic: a/b, payload: {}, expect: filtered}\n"
)

// newBench returns a console with a workbench of a configuration that holds secrets.
func newBench(t *testing.T, f *fake, payloads bool) http.Handler {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(benchConfig+benchRules), 0o600); err != nil {
		t.Fatal(err)
	}
	return console.Handler(f, console.Options{
		Payloads: func() bool { return payloads },
		Bench:    &workbench.Source{Path: path, Environ: []string{"BRIDGE_AUTH_JWT_SECRET=" + benchSecret}},
	})
}

func post(h http.Handler, path string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", path, body))
	return w
}

func document(t *testing.T, v any) io.Reader {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

type anything = map[string]any

// The page shows the rules without a script, and lets in the styles of its editor by a nonce that no
// other page has.
func TestWorkbench(t *testing.T) {
	f := newFake(t, messageRule)
	h := newBench(t, f, true)
	nonces := map[string]bool{}
	for range 2 {
		w := ask(h, "GET", "/console/workbench")
		nonce := regexp.MustCompile(`style-src 'self' 'nonce-([A-Z2-7]{26})';`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
		if nonce == nil || !strings.Contains(w.Body.String(), `data-nonce="`+nonce[1]+`"`) {
			t.Fatalf("the policy is %q", w.Header().Get("Content-Security-Policy"))
		}
		nonces[nonce[1]] = true
		for _, want := range []string{"topic: chat/{channel}/{conversation}/message", "#~ not shown here", "Nothing is written to the server"} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("the page does not hold %q", want)
			}
		}
	}
	if len(nonces) != 2 {
		t.Error("two pages have the same nonce")
	}
	if policy := ask(h, "GET", "/console/").Header().Get("Content-Security-Policy"); strings.Contains(policy, "nonce") {
		t.Errorf("another page has the policy %q", policy)
	}
	without := console.Handler(f, console.Options{})
	for _, path := range []string{"/console/workbench", "/console/api/workbench/words"} {
		if w := ask(without, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("without a configuration %s answers %d", path, w.Code)
		}
	}
}

// An event is there by its number, with its payload as text, where payloads may be shown.
func TestWorkbenchEvents(t *testing.T) {
	const markup = `<img src=x onerror=alert(1)>`
	f := newFake(t, messageRule)
	f.payloads = map[uint64]mapping.Event{7: {Topic: "chat/a/b/message", Payload: []byte(markup), QoS: 2, Retained: true, ContentType: "text/html",
		User: map[string]string{"k": "v"}, Received: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}}
	f.letters = []commit.DeadLetter{{Number: 8, Topic: "x", Rule: "a", Bytes: 1, Event: mapping.Event{Topic: "x", Payload: []byte{0xff}}}, {Number: 8, Topic: "x", Rule: "b"},
		{Number: 9, Topic: "y", Bytes: 100_000, Event: mapping.Event{Topic: "y"}}, {Number: 10, Memory: "m", Event: mapping.Event{}}}
	f.events = []commit.NumberedEvent{{Number: 7, TracedEvent: commit.TracedEvent{Topic: "chat/" + markup, Outcomes: []commit.TracedOutcome{{What: commit.Filtered}, {What: commit.Rejected}}}}}
	h := newBench(t, f, true)
	if body := ask(h, "GET", "/console/workbench").Body.String(); !strings.Contains(body, `<option value="8">00:00:00 x (a, b)</option>`) {
		t.Error("the page does not offer a dead letter, or not once")
	}
	for path, want := range map[string]string{
		"/console/workbench":         `<option value="7">00:00:00 chat/&lt;img src=x onerror=alert(1)&gt; (rejected)</option>`,
		"/console/workbench?event=7": "\n&lt;img src=x onerror=alert(1)&gt;</textarea>",
		"/console/workbench?event=8": "\n/w==</textarea>",
		"/console/workbench?event=9": "this event is not kept",
		"/console/workbench?event=x": "an event is asked for by its number",
	} {
		body := ask(h, "GET", path).Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, markup) {
			t.Errorf("%s does not hold %q, or has markup of an event", path, want)
		}
	}
	for number, want := range map[string]int{"7": 200, "8": 200, "9": 404, "10": 404, "11": 404, "x": 404} {
		if w := ask(h, "GET", "/console/api/workbench/events/"+number); w.Code != want {
			t.Errorf("event %s is answered by %d, %s; want %d", number, w.Code, w.Body, want)
		}
	}
	var e workbench.Event
	if err := json.Unmarshal(ask(h, "GET", "/console/api/workbench/events/7").Body.Bytes(), &e); err != nil || *e.Text != markup || *e.QoS != 2 || !e.Retained {
		t.Errorf("got %+v, %v", e, err)
	}
	h = newBench(t, f, false)
	if w := ask(h, "GET", "/console/api/workbench/events/7"); w.Code != http.StatusForbidden {
		t.Errorf("where payloads may not be shown an event is answered by %d", w.Code)
	}
	if body := ask(h, "GET", "/console/workbench?event=7").Body.String(); strings.Contains(body, "onerror=alert(1)&gt;</textarea>") || !strings.Contains(body, "payloads may not be shown") {
		t.Error("where payloads may not be shown the page holds one")
	}
}

// What is remembered is used where payloads may be shown, by the bridge that remembers it.
func TestWorkbenchMemory(t *testing.T) {
	const counting = "memory: {counts: {}}\nrules:\n- {name: a, topic: a, remember: {counts: {key: k, value: '=payload + (memory.counts[\"k\"] ?? 0)'}}}\n"
	body := anything{"files": []anything{{"name": "config.yaml", "text": counting}}, "event": anything{"topic": "a", "text": "1"}}
	store := memory.New()
	store.Configure([]memory.Settings{{Name: "counts"}})
	tx := store.Begin(time.Now())
	tx.Apply([]memory.Change{{Memory: "counts", Key: "k", Text: "41"}})
	tx.Commit()
	for name, c := range map[string]struct {
		payloads bool
		store    *memory.Store
		memory   string
		code     int
		want     string
	}{
		"now":                 {true, store, "now", 200, `"before":41,"after":42`},
		"empty":               {true, store, "empty", 200, `"after":1`},
		"not to be shown":     {false, store, "now", 403, "set ops.show_payloads"},
		"empty, not shown":    {false, store, "empty", 200, `"after":1`},
		"of another replica":  {true, nil, "now", 503, "this replica does not read"},
		"empty, of no memory": {true, nil, "", 200, `"after":1`},
	} {
		f := newFake(t, messageRule)
		f.memory = c.store
		body["memory"] = c.memory
		w := post(newBench(t, f, c.payloads), "/console/api/try", document(t, body))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: got %d, %s; want %d with %s", name, w.Code, w.Body, c.code, c.want)
		}
	}
}

// What is asked is bounded, and is JSON.
func TestWorkbenchBounds(t *testing.T) {
	h := newBench(t, newFake(t, messageRule), true)
	for name, c := range map[string]struct {
		path, body string
		want       int
	}{
		"too much":        {"/console/api/check", `{"files": [{"name": "config.yaml", "text": "` + strings.Repeat("#", 1<<20) + `"}]}`, http.StatusRequestEntityTooLarge},
		"no JSON":         {"/console/api/try", "{", http.StatusBadRequest},
		"another file":    {"/console/api/check", `{"files": [{"name": "/etc/passwd", "text": ""}]}`, http.StatusConflict},
		"no event":        {"/console/api/try", `{"files": []}`, http.StatusUnprocessableEntity},
		"a check":         {"/console/api/check", `{"files": []}`, http.StatusOK},
		"another request": {"/console/api/nothing", `{}`, http.StatusNotFound},
	} {
		if w := post(h, c.path, strings.NewReader(c.body)); w.Code != c.want {
			t.Errorf("%s: got %d, %s; want %d", name, w.Code, w.Body, c.want)
		}
	}
}

// Another site's page can have nothing checked or tried.
func TestWorkbenchOfAnotherSite(t *testing.T) {
	h := newBench(t, newFake(t, messageRule), true)
	for _, path := range []string{"/console/api/check", "/console/api/try"} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://example.org"} {
			r := httptest.NewRequest("POST", path, strings.NewReader("{}"))
			r.Header.Set(name, value)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
				t.Errorf("%s with %s: %s is answered by %d", path, name, value, w.Code)
			}
		}
	}
}

// One check runs, two wait, and a fourth is told to come again.
func TestWorkbenchTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, messageRule)
		f.hold = make(chan struct{})
		h := newBench(t, f, true)
		const body = `{"files": [], "event": {"topic": "a", "text": ""}}`
		codes := make(chan int, 3)
		for range 3 {
			go func() { codes <- post(h, "/console/api/try", strings.NewReader(body)).Code }()
		}
		synctest.Wait()
		w := post(h, "/console/api/check", strings.NewReader(`{"files": []}`))
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("a fourth is answered by %d, %v", w.Code, w.Header())
		}
		close(f.hold)
		for range 3 {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("one that waited is answered by %d", code)
			}
		}
		if w := post(h, "/console/api/check", strings.NewReader(`{"files": []}`)); w.Code != http.StatusOK {
			t.Errorf("after them one is answered by %d", w.Code)
		}
	})
}

// No answer of the console holds a secret of the configuration.
func TestWorkbenchShowsNoSecret(t *testing.T) {
	h := newBench(t, newFake(t, messageRule), true)
	var said strings.Builder
	for _, path := range []string{"/console/", "/console/workbench", "/console/workbench?event=1", "/console/api/workbench/words", "/console/api/workbench/events/1"} {
		said.WriteString(ask(h, "GET", path).Body.String())
	}
	for _, text := range []string{"", "tests: [{name: \"", benchRules, benchConfig, "include: [config.yaml]\n", benchRules + "- {topic: a, file: config.yaml, expect: filtered}\n"} {
		files := []anything{{"name": "config.yaml", "text": text}}
		said.WriteString(post(h, "/console/api/check", document(t, anything{"files": files})).Body.String())
		said.WriteString(post(h, "/console/api/try", document(t, anything{"files": files, "test": true, "event": anything{"topic": "a/b", "text": "{}"}})).Body.String())
	}
	own := strings.ReplaceAll(said.String(), `only tables, memory, rules and tests can be edited here`, "")
	if strings.Contains(own, benchSecret) {
		t.Errorf("an answer holds a secret")
	}
	if !strings.Contains(own, "a mistake") {
		t.Errorf("no answer tells of the mistake in the settings: %s", own)
	}
}
