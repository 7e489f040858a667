package demo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/mapping"
)

// embedded has the page itself and, where "go generate" has made it, the inbox of examples/inbox.
//
//go:embed page
var embedded embed.FS

// Bridge is what the page shows. A *bridge.Bridge is one.
type Bridge interface {
	Start() string // the message-id from which an inbox resumes to have all
	Mapper() *mapping.Mapper
	Events(after uint64, max int, match func(*commit.TracedEvent) bool) (events []commit.NumberedEvent, newest uint64, skipped int)
	Watch() (stop func())
	Explain(context.Context, explain.Query) (explain.Answer, error)
}

// A PageConfig is what the page needs. All is required.
type PageConfig struct {
	Token   func() (string, error) // returns one for CONNECT
	Publish func(topic string, payload []byte) error
	Opened  func() // is called when somebody looks, maybe often
	Rules   string // the file with the rules
	Broker  string // its URL
	Example string // a command line for the visitor to try
}

// A page is what the handlers share.
type page struct {
	PageConfig
	files   fs.FS // below page/
	bridge  Bridge
	run     string // of this process: another one is another demo
	presets []preset
}

// Page returns a handler for / and all below it but /console/, which the page shows beside an
// inbox, and the WebSocket endpoint. It hands out tokens and publishes events for whoever can reach
// it, under whatever name: it is for the loopback interface, behind a check of the host's name.
func Page(b Bridge, c PageConfig) http.Handler { return newPage(embedded, b, c) }

func newPage(files fs.FS, b Bridge, c PageConfig) http.Handler {
	b.Watch() // for good: who follows an event in the console is to see its payload
	p := &page{PageConfig: c, files: files, bridge: b, run: rand.Text(), presets: newPresets()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /away", p.static("away.html"))
	for _, name := range []string{"shell.js", "plain.js", "dom.js", "style.css", "icon.svg"} {
		mux.HandleFunc("GET /"+name, p.static(name))
	}
	mux.HandleFunc("GET /run", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, p.run) })
	mux.HandleFunc("GET /presets/{n}", p.preset)
	mux.HandleFunc("POST /send", p.send)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /inbox/queues", p.queues)
	mux.HandleFunc("GET /inbox/{name...}", p.inbox)
	var origin http.CrossOriginProtection
	return secured(origin.Handler(mux))
}

// secured lets a page load its own files, connect to its own origin and show its own pages in
// frames, and nothing else.
func secured(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

var indexPage = template.Must(template.ParseFS(embedded, "page/index.html"))

func (p *page) index(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer // so that a mistake in the template shows no half page
	first := p.presets[0].event()
	if err := indexPage.Execute(&b, map[string]any{"Page": p.PageConfig, "Run": p.run, "Presets": p.presets, "First": first}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes()) // fails only when the browser has gone
}

func (p *page) static(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, p.files, "page/"+name) }
}

// token answers with a token, and where an inbox that has nothing yet should begin.
func (p *page) token(w http.ResponseWriter, _ *http.Request) {
	token, err := p.Token()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.Opened()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Resume-From", p.bridge.Start())
	w.Write([]byte(token))
}

// noTokenURL is the place where the inbox's page says where it gets its tokens.
var noTokenURL, tokenURL = []byte(`<meta name="token-url" content="">`), []byte(`<meta name="token-url" content="/token">`)

const inboxIndex = "index.html"

// inbox serves the inbox, so set up that its user need not paste a token; where it was not built, a
// plain page in its place.
func (p *page) inbox(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, err := fs.ReadFile(p.files, "page/inbox/"+cmp.Or(name, inboxIndex)) // which takes no ..
	switch {
	case err != nil && name == "":
		p.static("plain.html")(w, r)
		return
	case err != nil:
		http.NotFound(w, r)
		return
	case name == "":
		name = inboxIndex
	}
	if name == inboxIndex {
		content = bytes.Replace(content, noTokenURL, tokenURL, 1)
	}
	if v := r.URL.Query().Get("v"); v != "" && strings.HasPrefix(fmt.Sprintf("%x", sha256.Sum256(content)), v) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // its name is that of these bytes
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value) // fails only when the browser has gone
}
