package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/console"
)

// crowd is that many sessions; the last lags most.
func crowd(n int) (all []server.Status) {
	for i := range n {
		all = append(all, server.Status{Session: fmt.Sprintf("s%d", i), User: fmt.Sprintf("user%d", i), Remote: "192.0.2.1:5", Groups: []string{"night"},
			Subscriptions: []hub.Status{{Queue: "/queue/message", Waiting: int64(i), Outcomes: hub.Outcomes{Delivered: 1234, NotAddressed: 5}}}})
	}
	return all
}

// holds reports what of the texts a page lacks, and what it has of those behind "not".
func holds(t *testing.T, body string, texts ...string) {
	t.Helper()
	has, all := true, true
	for _, text := range texts {
		switch {
		case text == "not":
			has = false
		case strings.Contains(body, text) != has:
			all = false
			t.Errorf("the page has %q: %v, want %v", text, !has, has)
		}
	}
	if !all {
		t.Log(body)
	}
}

func TestSessions(t *testing.T) {
	f := newFake(t, messageRule)
	f.sessions = crowd(250)
	h := console.Handler(f, console.Options{})
	page := ask(h, "GET", "/console/sessions").Body.String()
	holds(t, page, "100 of 250 are shown", "user249", "user150", "1,234 delivered", "249 wait", "5 not addressed", "not", "user149", "in flight")
	if strings.Index(page, "user249") > strings.Index(page, "user200") {
		t.Error("those that lag most are not first")
	}
	holds(t, ask(h, "GET", "/console/sessions?q=USER14").Body.String(), "11 sessions", "there are 250", "user14", "user149", "not", "user150")
	for _, q := range []string{"night", "192.0.2.1", "s249", "queue/message"} {
		holds(t, ask(h, "GET", "/console/sessions?q="+q).Body.String(), "user249")
	}
	holds(t, ask(h, "GET", "/console/sessions?q=nobody").Body.String(), "No session matches", "not", "user249")
	f.sessions = nil
	holds(t, ask(h, "GET", "/console/sessions").Body.String(), "No client is connected")
}

// A session is ended when somebody has said so twice, on this site.
func TestEndSession(t *testing.T) {
	f := newFake(t, messageRule)
	f.sessions = crowd(3)
	h := console.Handler(f, console.Options{})
	holds(t, ask(h, "GET", "/console/sessions").Body.String(), `href="sessions?q=&amp;end=s2#end"`, "not", "<form id=\"end\"")
	holds(t, ask(h, "GET", "/console/sessions?end=s2").Body.String(), "End the session of user2?", `action="sessions/s2/end"`)
	if w := ask(h, "GET", "/console/sessions/s2/end"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d, want 405", w.Code)
	}
	if w := submit(h, "/console/sessions/s2/end", nil, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d, want 403", w.Code)
	}
	if len(f.ended) > 0 {
		t.Fatalf("ended %q before anybody has said so", f.ended)
	}
	for id, want := range map[string]string{"s2": "/console/sessions?ended=s2&q=user", "elsewhere": "/console/sessions?gone=elsewhere&q=user"} {
		if w := submit(h, "/console/sessions/"+id+"/end", url.Values{"q": {"user"}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("it answers %d and leads to %q, want %q", w.Code, w.Header().Get("Location"), want)
		}
	}
	if len(f.ended) != 2 {
		t.Errorf("ended %q", f.ended)
	}
}

// The page is made of the state of all sessions in well under a second, whatever is asked of it.
func BenchmarkSessions(b *testing.B) {
	f := &fake{mapper: mapperOf(b, messageRule), sessions: crowd(10_000)}
	h := console.Handler(f, console.Options{})
	for b.Loop() {
		ask(h, "GET", "/console/sessions?q=message")
	}
}

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, messageRule)
		f.memory = memory.New()
		f.memory.Configure([]memory.Settings{{Name: "names", For: time.Hour, MaxKeys: 2000}, {Name: "other"}})
		tx := f.memory.Begin(time.Now())
		for i := range 120 {
			tx.Apply([]memory.Change{{Memory: "names", Key: fmt.Sprintf("key%03d", i), Text: `"` + strings.Repeat("é", 1500) + `"`}})
		}
		tx.Commit()
		h := console.Handler(f, console.Options{Payloads: func() bool { return true }})
		holds(t, ask(h, "GET", "/console/memory").Body.String(), "names", "other", "120", "2,000 keys", ">1h\n", "30 days", "not", "key000")
		holds(t, ask(h, "GET", "/console/memory?name=names").Body.String(), "key000", "key049", "and 1,003 more bytes", "after=key049", "not", "key050", "�")
		holds(t, ask(h, "GET", "/console/memory?name=names&after=key049").Body.String(), "key050", "key099", "after=key099", "First keys", "not", "key000")
		holds(t, ask(h, "GET", "/console/memory?name=names&after=key099").Body.String(), "key119", "not", "Next keys")
		holds(t, ask(h, "GET", "/console/memory?name=names&key=key007").Body.String(), "key007", "not", "key008")
		holds(t, ask(h, "GET", "/console/memory?name=names&key=key").Body.String(), "There is no key")
		holds(t, ask(h, "GET", "/console/memory?name=other").Body.String(), "Nothing is remembered there now")
		f.memory = nil
		time.Sleep(time.Second)
		holds(t, ask(h, "GET", "/console/memory?name=names").Body.String(), "does not read from the broker now")
	})
}

func TestLogOut(t *testing.T) {
	who := ""
	h := console.Handler(newFake(t, messageRule), console.Options{User: func(*http.Request) string { return who }})
	holds(t, ask(h, "GET", "/console/").Body.String(), "not", "Log out")
	who = "olga"
	holds(t, ask(h, "GET", "/console/").Body.String(), `<form class="who" method="post" action="logout"><span>olga</span>`)
	if diff := cmp.Diff(http.StatusOK, ask(h, "GET", "/console/memory").Code); diff != "" {
		t.Error(diff)
	}
}
