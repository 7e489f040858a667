// Package ops is the endpoint for operators: is the process alive, can the bridge do its work, what
// has it done.
package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/operators"
)

// Bridge is what the endpoint reports on and changes.
type Bridge interface {
	Ready() []bridge.Reason      // why clients should not be sent here at the moment
	Troubles() []bridge.Reason   // what all replicas lack
	Warnings() []bridge.Reason   // what will cost events at the next trouble
	Standing() *journal.Standing // nil: the bridge is no replica
	Counts() bridge.Counts
	Lag() server.Lag
	Sessions() []server.Status
	EndSession(id string) bool // reports whether there was one
	Reread(ctx context.Context, filter string) error
	Memory() *memory.Store // nil: the bridge has not read from the broker yet
	Explain(context.Context, explain.Query) (explain.Answer, error)
}

// Options say how the endpoint answers. The zero value is usable.
type Options struct {
	Build     Build
	Reloads   func() Reloads           // nil: no such metrics
	TokenKeys func() []auth.KeysStatus // nil: no such metrics
	// Hosts are further host names to answer to, beside addresses and private names. AnyHost stands
	// for all.
	Hosts []string
	// ShowPayloads tells, at each request, whether the keys and the values of memories, and the
	// bodies and audiences of messages, may be shown; nil: they may not.
	ShowPayloads func() bool
	Console      http.Handler // the pages below /console/; nil: there are none
	// Operators decides who may use what changes something or shows users or events; nil: a guard
	// that demands no login.
	Operators *operators.Guard
}

// Readiness is the document at /readyz.
type Readiness struct {
	Ready    bool     `json:"ready"`              // clients may be sent here
	Reasons  []string `json:"reasons"`            // why not
	Troubles []string `json:"troubles,omitempty"` // of replicas: what keeps events from all of them
	Warnings []string `json:"warnings,omitempty"` // of what does no harm yet
	Replica  *Replica `json:"replica,omitempty"`  // nil: it is none
}

// Handler serves /healthz, which answers 200 while the process does, /readyz, which answers 200 or
// 503 with a Readiness, /metrics for Prometheus, and /sessions, a list of server.Status, those that
// lag most first, with ?user= of one user alone. DELETE /sessions/ID ends one: 204, or 404 if there
// is none. /memory is a list of Memory, /memory/NAME a MemoryPage, from the key behind ?after= on and
// of ?limit= keys, and with ?key= one MemoryKey; 403 unless payloads may be shown. /explain answers with an explain.Answer, see there: about the event of
// ?id= or of ?number= in the trail, or those on ?topic= from ?since= to ?until=, for a ?user= or a ?session=; 400 where these do not
// make a question, 404 where nothing is kept to answer from. POST /reread?filter= reads retained messages again and answers 204 when they are
// committed, 400 when there are none to read, 504 when it takes long. Of replicas, only the one that
// reads from the broker answers to /memory and /reread; the others, 503, name it. / leads to the
// console, below /console/. Requests for a name that is not the endpoint's get 421. What shows users
// or events, and what changes something, is as Options.Operators has it.
func Handler(b Bridge, o Options) http.Handler {
	guard := o.Operators
	if guard == nil {
		guard = operators.New(operators.Options{})
	}
	reading := func(h http.HandlerFunc) http.Handler { return guard.Reading(h) }
	changing := func(h http.HandlerFunc) http.Handler { return guard.Changing(h) }
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(b, o))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons := texts(b.Ready())
		w.Header().Set("Content-Type", "application/json")
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(Readiness{
			Ready: len(reasons) == 0, Reasons: reasons, Troubles: texts(b.Troubles()), Warnings: texts(b.Warnings()),
			Replica: replica(b.Standing()),
		})
	})
	mux.Handle("GET /sessions", reading(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(listed(b.Sessions(), r.URL.Query()))
	}))
	m := memories{b, o.ShowPayloads}
	mux.Handle("GET /memory", reading(reader(b, m.list)))
	mux.Handle("GET /memory/{name}", reading(reader(b, m.one)))
	mux.Handle("GET /explain", reading(explanations{b, o.ShowPayloads}.answer))
	mux.Handle("DELETE /sessions/{id}", changing(func(w http.ResponseWriter, r *http.Request) {
		if !b.EndSession(r.PathValue("id")) {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.Handle("POST /reread", changing(reader(b, func(w http.ResponseWriter, r *http.Request) { reread(w, r, b) })))
	if o.Console != nil {
		mux.Handle("/console/", guard.Console(o.Console))
		mux.Handle("GET /{$}", http.RedirectHandler("/console/", http.StatusFound))
	}
	return newNames(o.Hosts).guard(mux, "; add it to ops.hosts")
}

// rereadTimeout is how long an answer to /reread may take; the reading goes on after.
const rereadTimeout = time.Minute

func reread(w http.ResponseWriter, r *http.Request, b Bridge) {
	ctx, cancel := context.WithTimeout(r.Context(), rereadTimeout)
	defer cancel()
	err := b.Reread(ctx, r.URL.Query().Get("filter"))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		http.Error(w, "still reading; /readyz tells when it is done", http.StatusGatewayTimeout)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// texts returns what the reasons say: a list also where there are none.
func texts(reasons []bridge.Reason) []string {
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = r.Text
	}
	return texts
}

// listed returns the sessions that were asked for, in their order.
func listed(all []server.Status, query url.Values) []server.Status {
	if query.Has("user") {
		all = slices.DeleteFunc(all, func(s server.Status) bool { return s.User != query.Get("user") })
	}
	slices.SortFunc(all, func(x, y server.Status) int {
		return cmp.Or(cmp.Compare(waits(y), waits(x)), cmp.Compare(x.User, y.User), cmp.Compare(x.Session, y.Session))
	})
	return all
}

// waits is how much waits for a session.
func waits(s server.Status) (n int64) {
	for _, sub := range s.Subscriptions {
		n += sub.Waiting
	}
	return n
}
