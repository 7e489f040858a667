package console

import (
	"bytes"
	"encoding/json"
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

// A Live is one message of a stream.
type Live struct {
	State   State   `json:"state"`
	History []Rates `json:"history,omitempty"` // of the last minutes, in the first message
}

// live is a stream of server-sent events: a Live each second, until the browser goes.
func (c *console) live(w http.ResponseWriter, r *http.Request) {
	if c.streams.open.Add(1) > maxStreams {
		c.streams.open.Add(-1)
		http.Error(w, "eight pages are being shown live, which is as many as there may be; close one of them", http.StatusServiceUnavailable)
		return
	}
	defer c.streams.open.Add(-1)
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // the endpoint has one for requests, which would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	message := Live{History: c.sampler.past()}
	next := time.NewTicker(streamPause)
	defer next.Stop()
	for {
		message.State = c.sampler.state()
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
