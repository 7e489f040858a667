package commit_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/memory"
)

// counting are rules that count what comes, and say at a time when a key of theirs ends.
const counting = `
memory:
  n: {for: 1h}
  seen: {for: 10m}
rules:
  - name: count
    topic: t
    payload: text
    when: payload != "" && payload != "gone"
    let:
      n: (memory.n["all"] ?? 0) + 1
    remember: {n: {key: all, value: =n}}
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =n}
  - name: see
    topic: seen
    payload: text
    remember: {seen: {key: =payload, value: {at: =received}}}
  - name: unsee
    topic: unseen
    payload: text
    forget: {seen: =payload}
  - name: gone
    forgotten: seen
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", key)', unread_message_count: '=key == "bad" ? nil : 100 + len(key)', timestamp: =received}
`

// publish has the broker send one event to the topic.
func (h *house) publish(topic, payload string) {
	h.packetID++
	h.events <- &mqtt.Event{Topic: topic, Payload: []byte(payload), QoS: 1, PacketID: h.packetID, SessionPresent: true, Connection: 1,
		Received: time.Now()}
}

// remembered returns what is remembered in the memory.
func (h *house) remembered(name string) map[string]string { return texts(h.committer.Memory(), name) }

// hush waits until nothing more happens, and returns what has happened since heard was called last.
func (h *house) hush() (said []string) {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	said, h.said = h.said, nil
	return said
}

// An event that only remembers is committed before it is acknowledged, as one that becomes entries;
// what it changes is seen by the next, in the same batch and later.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting), "counting")
		h.send("a", "", "b")
		h.run(t.Context())
		h.heard("append 1 2", "ack a", "ack ", "ack b")
		h.send("c")
		h.heard("append 3", "ack c")
		h.publish("seen", "x")
		h.heard("append ", "ack x")
		h.publish("unseen", "y") // nothing to forget
		h.heard("ack y")
		if diff := cmp.Diff(map[string]string{"all": "3"}, h.remembered("n")); diff != "" {
			t.Errorf("remembered (-want +got):\n%s", diff)
		}
		close(h.events)
		<-h.ended
		n := h.committer.Counts()
		if n.Rules["see"].Mapped != 1 || n.Rules["unsee"].Mapped != 1 || n.Rules["count"].Mapped != 3 {
			t.Errorf("counts %+v", n.Rules)
		}
		if diff := cmp.Diff([]memory.Counts{{Memory: "n", Keys: 1, Bytes: 4}, {Memory: "seen", Keys: 1, Bytes: 34}}, n.Memory); diff != "" {
			t.Errorf("counts of memories (-want +got):\n%s", diff)
		}
	})
}

// What is rejected, does not fit into a transaction, or is in the journal already changes nothing.
func TestNotRemembered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(h *house, e *mqtt.Event)
	}{
		{"redelivered", func(h *house, e *mqtt.Event) { e.PacketID, e.Dup, e.Payload = 1, true, []byte("first") }},
		{"too much", func(h *house, e *mqtt.Event) { h.maxBatch = 100 }},
		{"filtered", func(_ *house, e *mqtt.Event) { e.Payload = nil }},
		{"retained", func(_ *house, e *mqtt.Event) { e.Retained = true }},
		{"too long", func(h *house, _ *mqtt.Event) {
			h.committer.UseRules(compileWith(t, counting, mapping.Options{MaxMessage: 1100}), "long")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.committer.UseRules(compile(t, counting), "counting")
				h.run(t.Context())
				h.heard("append ") // how long the keys of the memories have
				h.send("first")
				h.heard("append 1", "ack first")
				h.packetID++
				e := mqtt.Event{Topic: "t", Payload: []byte("second"), QoS: 1, PacketID: h.packetID, SessionPresent: true, Connection: 1,
					Received: time.Now()}
				tt.change(h, &e)
				h.events <- &e
				synctest.Wait()
				if diff := cmp.Diff(map[string]string{"all": "1"}, h.remembered("n")); diff != "" {
					t.Errorf("remembered (-want +got):\n%s", diff)
				}
				close(h.events)
				<-h.ended
			})
		})
	}
}

// A key whose time is up is noticed at once when nothing else happens, fires once, and is gone with
// what it becomes.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting), "counting")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		h.publish("seen", "x")
		h.heard("append ", "ack x")
		time.Sleep(5 * time.Minute)
		h.publish("seen", "x") // again: its time begins anew
		h.publish("seen", "yy")
		h.publish("seen", "zzz")
		h.hush()
		h.publish("unseen", "yy")
		h.heard("append ", "ack yy")
		time.Sleep(10*time.Minute - 1)
		h.heard()
		time.Sleep(time.Nanosecond)
		h.heard("append 101 103")
		time.Sleep(time.Hour)
		h.heard()
		close(h.events)
		<-h.ended
		if n := h.committer.Counts(); n.Rules["gone"].Mapped != 2 || n.Events != 5 || n.Memory[1].Expired != 2 || n.Memory[1].Keys != 0 {
			t.Errorf("counts %+v", n)
		}
	})
}

// What could not be made of a key whose time was up is a dead letter that says so.
func TestDeadLetterOfAForgottenKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting), "counting")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		h.publish("seen", "bad")
		begun := time.Now()
		h.hush()
		time.Sleep(10 * time.Minute)
		value := `{"at":"` + begun.UTC().Format("2006-01-02T15:04:05.000Z") + `"}`
		h.heard("dead letter "+value, "append ")
		close(h.events)
		<-h.ended
		got := map[string]string{}
		for _, p := range h.letters[0].User {
			got[p.Name] = p.Value
		}
		want := map[string]string{
			"mqtt-stomp-bridge": got["mqtt-stomp-bridge"], "rule": "gone", "stage": "fields", "field": "unread_message_count",
			"reason": got["reason"], "line": "rules.yaml:26", "memory": "seen", "key": "bad",
			"time": begun.Add(10 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("properties (-want +got):\n%s", diff)
		}
		if h.letters[0].ContentType != "application/json" || h.letters[0].Topic != "base/dead-letter/gone" {
			t.Errorf("letter %+v", h.letters[0])
		}
	})
}

// Keys whose time came while no bridge ran fire before anything else, in the order of their times.
func TestForgottenWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting), "counting")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		for _, key := range []string{"xxx", "yy", "z"} {
			h.publish("seen", key)
			time.Sleep(time.Second)
		}
		close(h.events)
		<-h.ended
		h.hush()
		time.Sleep(time.Hour)

		h.again(counting)
		h.publish("seen", "yy")
		h.send("a")
		h.run(t.Context())
		h.heard("append 103 102 101 1", "ack yy", "ack a")
		time.Sleep(9 * time.Minute)
		close(h.events)
		<-h.ended
		h.hush()
		time.Sleep(2 * time.Minute)
		h.again(counting)
		h.run(t.Context())
		h.heard("append 102") // without an event too
		close(h.events)
		<-h.ended
	})
}

// Over a bound keys go, the log says so once in a while, and no rule fires for them.
func TestEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, strings.Replace(counting, "{for: 10m}", "{for: 10m, max_keys: 2}", 1)), "bounded")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			h.publish("seen", key)
			time.Sleep(time.Second)
		}
		h.heard("append ", "ack a", "append ", "ack b", "append ", "ack c", "append ", "ack d", "append ", "ack e")
		if got := h.remembered("seen"); len(got) != 2 || got["d"] == "" || got["e"] == "" {
			t.Errorf("remembered %v", got)
		}
		time.Sleep(time.Minute)
		h.publish("seen", "f")
		synctest.Wait()
		const line = `level=WARN msg="a memory is full, and those of its keys that were written longest ago are forgotten" ` +
			`memory=seen evicted=%s keys=2 bytes=68 hint="raise max_keys or max_bytes of the memory, or shorten its for"`
		for _, n := range []string{"1", "3"} { // the second says how many went since the first
			if strings.Count(h.log.String(), strings.Replace(line, "%s", n, 1)) != 1 {
				t.Errorf("log %q, want one line for %s", &h.log, n)
			}
		}
		h.hush()
		time.Sleep(20 * time.Minute)
		h.heard("append 101", "append 101") // e and f
		close(h.events)
		<-h.ended
	})
}

// A reload applies to what is there without an event, and a memory that is no longer named keeps
// its keys, in the journal too, until their time is up.
func TestMemoryAfterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting), "counting")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		h.send("a", "b")
		for _, key := range []string{"a", "b", "c"} {
			h.publish("seen", key)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		h.committer.UseRules(compile(t, strings.Replace(counting, "{for: 10m}", "{for: 20m, max_keys: 2}", 1)), "bounded")
		time.Sleep(2 * time.Second)
		if got := h.remembered("seen"); len(got) != 2 {
			t.Errorf("remembered %v", got)
		}
		time.Sleep(15 * time.Minute)
		if got := h.remembered("seen"); len(got) != 2 {
			t.Errorf("remembered %v, before the new time was up", got)
		}
		h.committer.UseRules(compile(t, rules), "none")
		h.send("7")
		synctest.Wait()
		close(h.events)
		<-h.ended

		h.again(rules)
		h.run(t.Context())
		h.hush()
		time.Sleep(10 * time.Minute) // the time of both is up, and no rule is there for them
		if n := len(h.remembered("seen")); n != 0 {
			t.Errorf("%d keys are kept for ever", n)
		}
		h.committer.UseRules(compile(t, counting), "counting")
		h.hush()
		h.send("d")
		h.heard("append 3", "ack d")
		time.Sleep(time.Hour + time.Second)
		if diff := cmp.Diff(map[string]string{}, h.remembered("n")); diff != "" {
			t.Errorf("remembered (-want +got):\n%s", diff)
		}
		close(h.events)
		<-h.ended
		if err := h.Store.Records("memory", func(r journal.Record) bool {
			if !strings.HasPrefix(r.Name, "memories/") {
				t.Errorf("the journal keeps %s", r.Name)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// With thousands of keys whose time is up at once, events go on between the batches that they take.
func TestManyForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, counting+`
  - name: many
    topic: many/{part}
    each: payload
    remember: {seen: {key: '=topic.part + string(index)', value: 1}}
`), "many")
		h.run(t.Context())
		h.heard("append ") // how long the keys of the memories have
		for _, part := range []string{"a", "b", "c"} {
			h.publish("many/"+part, "[0"+strings.Repeat(",0", 999)+"]")
		}
		h.hush()
		time.Sleep(11 * time.Minute)
		appended := 0
		for _, line := range h.hush() {
			n := strings.Count(line, " 10")
			if n > 1000 {
				t.Errorf("a batch of %d", n)
			}
			appended += n
		}
		if appended != 3000 {
			t.Errorf("%d keys have fired, want 3000", appended)
		}
		close(h.events)
		<-h.ended
	})
}

// A count that a key's end sends is later than the last of its conversation, and earlier than the
// next: clients drop one that is not more recent.
func TestCountsOfForgottenKeysRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, `
memory: {seen: {for: 10m}}
rules:
  - name: see
    topic: seen
    payload: text
    remember: {seen: {key: =payload, value: x}}
  - name: count
    topic: t
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", "x")', unread_message_count: =payload}
  - name: gone
    forgotten: seen
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", key)', unread_message_count: 9}
`), "rising")
		h.run(t.Context())
		h.publish("seen", "x")
		h.hush()
		time.Sleep(10*time.Minute - 1)
		h.send("1", "2")
		time.Sleep(time.Nanosecond)
		h.hush()
		h.send("3")
		h.hush()
		close(h.events)
		<-h.ended
		page, err := h.snapshot.(journal.Log).Read(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var last time.Time
		for _, e := range page {
			_, at, err := contract.ParseUnread(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !at.After(last) {
				t.Errorf("%s comes after a count of %v", e.Body, last)
			}
			last = at
		}
		if len(page) != 4 {
			t.Errorf("%d entries, want 4", len(page))
		}
	})
}
