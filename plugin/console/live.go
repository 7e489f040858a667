package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
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
	Run     string                 `json:"run"`               // of the process that counts the events
	History []Rates                `json:"history,omitempty"` // of the last minutes, in the first message
	Events  []commit.NumberedEvent `json:"events,omitempty"`  // those that have come since the message before, the oldest first. Long topics are cut
	Newest  uint64                 `json:"newest,omitempty"`  // the number of the newest event there is
	Skipped int                    `json:"skipped,omitempty"` // events that were not looked at, since there were too many
}

// A wish is what a stream is asked for.
type wish struct {
	events bool   // those after the one with the number
	after  uint64 // that number
	filter Filter
}

// wishOf reads a request for a stream. A browser that has lost one says which event was its last,
// and may say of what run that one is.
func wishOf(r *http.Request, run string) (x wish, err error) {
	query := r.URL.Query()
	if x.filter, err = filterOf(query); err != nil {
		return x, err
	}
	x.events = query.Has("after")
	after := cmp.Or(r.Header.Get("Last-Event-ID"), query.Get("after"), "0")
	if x.after, err = strconv.ParseUint(after, 10, 64); err != nil {
		return x, fmt.Errorf("after is the number of an event, not %q", after)
	}
	if query.Has("run") && query.Get("run") != run { // it has another number here, or comes later
		x.after = 0
	}
	return x, nil
}

// live is a stream of server-sent events: a Live each second, until the browser goes. With ?after= it
// has the events after the one with that number, those that the Filter of the query chooses.
func (c *console) live(w http.ResponseWriter, r *http.Request) {
	x, err := wishOf(r, c.run)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if c.streams.open.Add(1) > maxStreams {
		c.streams.open.Add(-1)
		http.Error(w, "eight pages are being shown live, which is as many as there may be; close one of them", http.StatusServiceUnavailable)
		return
	}
	defer c.streams.open.Add(-1)
	if x.events && c.payloads() {
		defer c.tap.use()()
	}
	c.stream(w, r, x)
}

func (c *console) stream(w http.ResponseWriter, r *http.Request, x wish) {
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // the endpoint has one for requests, which would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	next := time.NewTicker(streamPause)
	defer next.Stop()
	message := Live{Run: c.run, History: c.sampler.past()}
	for {
		message.State = c.sampler.state()
		if x.events {
			message.Events, message.Newest, message.Skipped = c.bridge.Events(x.after, maxNew, x.filter.match)
			x.after = message.Newest
			for i := range message.Events {
				message.Events[i].Topic = brief(message.Events[i].Topic)
			}
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
func send(w http.ResponseWriter, out *http.ResponseController, message Live) bool {
	var b bytes.Buffer
	if message.Newest > 0 {
		fmt.Fprintf(&b, "id: %d\n", message.Newest)
	}
	b.WriteString("data: ")
	if err := json.NewEncoder(&b).Encode(message); err != nil {
		panic("console: " + err.Error()) // it has figures and texts only
	}
	b.WriteByte('\n')
	out.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := w.Write(b.Bytes())
	return err == nil && out.Flush() == nil
}
