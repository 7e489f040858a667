package ops

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/explain"
)

// explanations answers what became of events.
type explanations struct {
	bridge Bridge
	show   func() bool // whether bodies and audiences may be shown; nil: no
}

func (e explanations) answer(w http.ResponseWriter, r *http.Request) {
	q, err := questionOf(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q.Payloads = e.show != nil && e.show()
	a, err := e.bridge.Explain(r.Context(), q)
	switch {
	case errors.Is(err, bridge.ErrNoTrail):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		writeJSON(w, a)
	}
}

// questionOf returns what is asked.
func questionOf(query url.Values) (q explain.Query, err error) {
	q = explain.Query{MessageID: query.Get("id"), Topic: query.Get("topic"), User: query.Get("user"), Session: query.Get("session")}
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := query.Get(name); text != "" {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return q, fmt.Errorf("%s is a time as in 2026-05-01T12:00:00Z, not %q", name, text)
			}
		}
	}
	if text := query.Get("number"); text != "" {
		if q.Number, err = strconv.ParseUint(text, 10, 64); err != nil || q.Number == 0 {
			return q, fmt.Errorf("number is the number of an event, from 1 on, not %q", text)
		}
	}
	return q, q.Validate()
}
