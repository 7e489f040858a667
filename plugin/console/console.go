// Package console is the pages of the ops endpoint on which a bridge is seen at work.
package console

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/workbench"
)

// Bridge is what the pages show and change. A *bridge.Bridge is one.
type Bridge interface {
	Ready() []bridge.Reason
	Troubles() []bridge.Reason
	Warnings() []bridge.Reason
	Standing() *journal.Standing // nil: the bridge is no replica
	Counts() bridge.Counts
	Lag() server.Lag
	Sessions() []server.Status
	EndSession(id string) bool // reports whether there was one
	Memory() *memory.Store     // nil: the bridge does not read from the broker now
	Mapper() *mapping.Mapper   // the rules in force
	Explain(context.Context, explain.Query) (explain.Answer, error)

	// What is kept of events. Without ops.trail nothing is.
	Events(after uint64, max int, match func(*commit.TracedEvent) bool) (events []commit.NumberedEvent, newest uint64, skipped int)
	Watch() (stop func())
	Event(number uint64) (mapping.Event, bool)
	DeadLetters() []commit.DeadLetter
}

// Options say what the pages show. The zero value is usable.
type Options struct {
	// Payloads tells, at each request, whether payloads, bodies, audiences and what is remembered may
	// be shown; nil: they may not.
	Payloads func() bool
	Standing func() Standing // nil: nothing is known of the configuration
	Framed   bool            // the pages may stand in a frame of their own origin
	// User returns who has logged in for the request; "" or nil: nobody has to. A page then has a
	// button that sends a POST to logout, which is for the caller to answer.
	User func(*http.Request) string
	// Publish sends an event to the broker; nil: none can be sent from the pages.
	Publish func(topic string, payload []byte) error
	// Bench is the configuration whose rules can be edited and tried; nil: there is no such page.
	Bench *workbench.Source
}

// A Standing is how the configuration stands.
type Standing struct {
	Version string    `json:"version"`         // of the program
	Hash    string    `json:"hash"`            // identifies the configuration in force
	Since   time.Time `json:"since"`           // it is in force
	Files   []string  `json:"files"`           // that it was read from
	Error   string    `json:"error,omitempty"` // why the last reload was refused; "": it was not
	ErrorAt time.Time `json:"error_at,omitzero"`
}

// A console is what the handlers share.
type console struct {
	bridge  Bridge
	options Options
	run     string // of this process: another one counts events anew
	sampler sampler
	streams streams
	tap     tap
}

// Handler serves the pages below /console/. A request that changes something is refused if another
// site's page sends it; who may send one at all is for the caller to decide. It is safe for
// concurrent use.
func Handler(b Bridge, o Options) http.Handler {
	c := &console{bridge: b, options: o, run: rand.Text(), sampler: sampler{bridge: b, standing: o.Standing}, tap: tap{watch: b.Watch}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{$}", c.overview)
	mux.HandleFunc("GET /console/events", c.events)
	mux.HandleFunc("GET /console/sessions", c.sessions)
	mux.HandleFunc("POST /console/sessions/{id}/end", c.endSession)
	mux.HandleFunc("GET /console/memory", c.memory)
	mux.HandleFunc("GET /console/api/live", c.live)
	if o.Publish != nil {
		mux.HandleFunc("POST /console/publish", c.publish)
	}
	mux.Handle("GET /console/page/", http.StripPrefix("/console/page/", files()))
	if o.Bench != nil {
		c.newBench().register(mux)
	}
	var origin http.CrossOriginProtection
	return c.secured(origin.Handler(mux))
}

// payloads reports whether payloads may be shown now.
func (c *console) payloads() bool { return c.options.Payloads != nil && c.options.Payloads() }

// secured lets a page load its own files and speak to its own origin, and nothing else.
func (c *console) secured(next http.Handler) http.Handler {
	framed := "'none'"
	if c.options.Framed {
		framed = "'self'"
	}
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors " + framed
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
