package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/plugin/console"
)

// follow opens a stream for that long and returns its messages.
func follow(t *testing.T, h http.Handler, target string, long time.Duration) (messages []console.Live) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", target, nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s answers %d %s: %s", target, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	for text := range strings.SplitSeq(strings.TrimSpace(w.Body.String()), "\n\n") {
		var m console.Live
		_, data, _ := strings.Cut(text, "data: ")
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatalf("message %q: %v", text, err)
		}
		messages = append(messages, m)
	}
	return messages
}

// numbers of the events of a message.
func numbers(m console.Live) (all []uint64) {
	for _, e := range m.Events {
		all = append(all, e.Number)
	}
	return all
}

func (f *fake) add(topic string, outcomes ...commit.TracedOutcome) {
	f.events = append(f.events, commit.NumberedEvent{Number: uint64(len(f.events) + 1),
		TracedEvent: commit.TracedEvent{Time: time.Now(), Topic: topic, Outcomes: outcomes}})
}

// A message a second with the state, rates out of two states, and the events that have come since.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, messageRule)
		f.counts.Queues = map[string]hub.Counts{"/queue/message": {}}
		f.sampled = func() {
			f.counts.Events += 20
			f.counts.Queues["/queue/message"] = hub.Counts{Delivered: f.counts.Events * 3}
			f.counts.Latency = hub.Latency{Count: uint64(f.counts.Events), Buckets: map[time.Duration]uint64{time.Millisecond: uint64(f.counts.Events) / 2, 3 * time.Millisecond: uint64(f.counts.Events)}}
			f.add("a")
			f.add("b")
		}
		h := console.Handler(f, console.Options{})
		messages := follow(t, h, "/console/api/live?after=0&topic=b", 3500*time.Millisecond)
		if len(messages) != 4 {
			t.Fatalf("%d messages in 3.5 s, want 4", len(messages))
		}
		for i, m := range messages {
			if want := int64(20 * (i + 1)); m.State.Events != want {
				t.Errorf("message %d has %d events, want %d", i, m.State.Events, want)
			}
			if diff := cmp.Diff([]uint64{uint64(2*i + 2)}, numbers(m)); diff != "" {
				t.Errorf("events of message %d (-want +got):\n%s", i, diff)
			}
			if i == 0 {
				continue
			}
			want := &console.Rates{Time: m.State.Time, Events: 20, Deliveries: 60, P50: 0.001, P99: 0.00296}
			if diff := cmp.Diff(want, m.State.Rates); diff != "" {
				t.Errorf("rates of message %d (-want +got):\n%s", i, diff)
			}
		}
		// Who comes next knows the last minutes.
		if history := follow(t, h, "/console/api/live", time.Second/2)[0].History; len(history) != 3 {
			t.Errorf("the history has %d rates, want 3", len(history))
		}
		time.Sleep(time.Hour)
		if rates := follow(t, h, "/console/api/live", time.Second/2)[0].State.Rates; rates != nil {
			t.Errorf("rates after an hour in which nobody looked: %+v", rates)
		}
	})
}

// Of too many events the newest are told, and how many were not looked at.
func TestLiveSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, messageRule)
		for range 250 {
			f.add("a")
		}
		m := follow(t, console.Handler(f, console.Options{}), "/console/api/live?after=10", time.Second/2)[0]
		if len(m.Events) != 100 || m.Events[0].Number != 151 || m.Newest != 250 || m.Skipped != 140 {
			t.Errorf("%d events, newest %d, %d skipped; want 100, 250 and 140", len(m.Events), m.Newest, m.Skipped)
		}
	})
}

// A browser that has lost the stream gets what it has not had.
func TestLiveGoesOn(t *testing.T) {
	f := newFake(t, messageRule)
	for range 5 {
		f.add("a")
	}
	h := console.Handler(f, console.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/console/api/live?after=1", nil)
	r.Header.Set("Last-Event-ID", "4")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if body := w.Body.String(); !strings.HasPrefix(body, "id: 5\ndata: ") || strings.Count(body, `"topic":"a"`) != 1 {
		t.Errorf("after event 4 of 5 it is sent:\n%s", body)
	}
}

// TestRestarted asks for what comes after an event of a bridge that has been restarted since: the new one
// counts events anew, and one that has come before the browser was back would be left out.
func TestRestarted(t *testing.T) {
	f := newFake(t, messageRule)
	for range 5 {
		f.add("a")
	}
	h := console.Handler(f, console.Options{})
	synctest.Test(t, func(t *testing.T) {
		before := follow(t, console.Handler(f, console.Options{}), "/console/api/live?after=0", time.Second/2)[0]
		m := follow(t, h, "/console/api/live?after=7&run="+before.Run, time.Second/2)[0]
		if m.Run == before.Run || len(m.Events) != 5 {
			t.Errorf("run %q after %q sends %d events, want all 5", m.Run, before.Run, len(m.Events))
		}
		if m := follow(t, h, "/console/api/live?after=3&run="+m.Run, time.Second/2)[0]; len(m.Events) != 2 {
			t.Errorf("the same run sends %d events after number 3, want 2", len(m.Events))
		}
		holds(t, ask(h, "GET", "/console/events").Body.String(), `data-run="`+m.Run+`"`)
	})
}

// Events are kept whole while a page shows them, and until the next page has come.
func TestWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := false
		f := newFake(t, messageRule)
		h := console.Handler(f, console.Options{Payloads: func() bool { return shown }})
		look := func(target string) (during int) {
			f.sampled = func() { during = int(f.watching.Load()) }
			follow(t, h, target, 2500*time.Millisecond)
			return during
		}
		if got := look("/console/api/live?after=0"); got != 0 {
			t.Error("events are kept though payloads may not be shown")
		}
		shown = true
		if got := look("/console/api/live"); got != 0 {
			t.Error("events are kept though the page shows none")
		}
		for range 2 {
			if got := look("/console/api/live?after=0"); got != 1 {
				t.Errorf("%d watch while a page shows events, want 1", got)
			}
			time.Sleep(50 * time.Second)
			if f.watching.Load() != 1 {
				t.Error("events are not kept until the next page")
			}
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if f.watching.Load() != 0 {
			t.Error("events are kept though nobody looks")
		}
	})
}

// Eight pages at most are live.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := console.Handler(newFake(t, messageRule), console.Options{})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			var streams sync.WaitGroup
			for range 8 {
				streams.Go(func() {
					h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/console/api/live", nil))
				})
			}
			synctest.Wait()
			if w := ask(h, "GET", "/console/api/live"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "close one of them") {
				t.Errorf("the ninth stream: %d %s", w.Code, w.Body)
			}
			cancel()
			streams.Wait()
		}
	})
}

// What cannot be asked for is refused with words.
func TestLiveRefuses(t *testing.T) {
	h := console.Handler(newFake(t, messageRule), console.Options{})
	for target, want := range map[string]string{
		"/console/api/live?topic=a%23":   `topic filter "a#": `,
		"/console/api/live?outcome=lost": "outcome is one of mapped, silent, filtered, rejected, duplicate, unmatched, not \"lost\"",
		"/console/api/live?after=x":      `after is the number of an event, not "x"`,
	} {
		if w := ask(h, "GET", target); w.Code != http.StatusBadRequest || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s answers %d %s, want 400 %s", target, w.Code, w.Body, want)
		}
	}
}
