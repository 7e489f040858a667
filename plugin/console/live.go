package console

import (
	"cmp"
	"fmt"
	"strconv"

	"bytes"
	"encoding/json"
	"mqtt-stomp-bridge/bridge/commit"
	"net/http"
	"sync/atomic"
	"time"
)

// Bounds of the streams of live data.
const (
	maxStreams  = 8
	streamPause = time.Second
	streamWrite = 10 * time.Second // for one message, or the browser is gone
)

// streams counts those that are open.
type streams struct{ open atomic.Int32 }

// maxNew is how many events one message has: the newest.
const maxNew = 100

// A Live is one message of a stream.
type Live struct {
	State   State                  `json:"state"`
	History []Rates                `json:"history,omitempty"` // of the last minutes, in the first message
	Events  []commit.NumberedEvent `json:"events,omitempty"`  // those that have come since the message before, the oldest first
	Newest  uint64                 `json:"newest,omitempty"`  // the number of the newest event there is
	Skipped int                    `json:"skipped,omitempty"` // events that were not looked at, since there were too many
}

// live is a stream of server-sent events: a Live each second, until the browser goes. With ?after= it
// has the events after the one with that number, those that the Filter of the query chooses.
func (c *console) live(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	filter, err := filterOf(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	last, err := strconv.ParseUint(cmp.Or(query.Get("after"), "0"), 10, 64)
	if err != nil {
		http.Error(w, fmt.Sprintf("after is the number of an event, not %q", query.Get("after")), http.StatusBadRequest)
		return
	}
	if c.streams.open.Add(1) > maxStreams {
		c.streams.open.Add(-1)
		http.Error(w, "eight pages are being shown live, which is as many as there may be; close one of them", http.StatusServiceUnavailable)
		return
	}
	defer c.streams.open.Add(-1)
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // the endpoint has one for requests, which would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	events := query.Has("after")
	if events && c.payloads() {
		defer c.tap.use()()
	}
	message := Live{History: c.sampler.past()}
	next := time.NewTicker(streamPause)
	defer next.Stop()
	for {
		message.State = c.sampler.state()
		if events {
			message.Events, message.Newest, message.Skipped = c.bridge.Events(last, maxNew, filter.match)
			last = message.Newest
		}
		if !send(w, out, message) {
			return
		}
		message.History = nil
		select {
		case <-r.Context().Done():
			return
		case <-next.C:
		}
	}
}

// send reports whether the browser is still there.
func send(w http.ResponseWriter, out *http.ResponseController, message any) bool {
	var b bytes.Buffer
	b.WriteString("data: ")
	if err := json.NewEncoder(&b).Encode(message); err != nil {
		panic("console: " + err.Error()) // it has figures and texts only
	}
	b.WriteByte('\n')
	out.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := w.Write(b.Bytes())
	return err == nil && out.Flush() == nil
}
