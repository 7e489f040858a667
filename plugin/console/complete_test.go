package console_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/workbench"
)

// aboveCaret stands above what each case of TestComplete writes.
const aboveCaret = `tables:
  delivery: {queued: PENDING}
  sender:
    a: b
memory:
  unread: {for: 1h}

rules:
  - name: message
    topic: chat/{channel}/{conversation...}/message
    let:
      sender: payload.from
    each: {it: payload.items}
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation
`

// TestComplete looks at what the editor offers at the caret, which stands at the |.
func TestComplete(t *testing.T) {
	mosquittotest.Look(t, "node")
	tests := []struct {
		text  string // below aboveCaret
		typed string
		want  []string // all that is offered; a last one of … stands for more
	}{
		{"ru|", "ru", []string{"memory", "rules", "tables", "tests"}},
		{"      c|", "c", []string{"conversation_id", "channel_id", "message"}},
		{"      message:\n        sen|", "sen", []string{"id", "content", "delivery_state", "sender_type", "sent_at"}},
		{"      message:\n        sender_type: |", "", []string{"source_contact", "source_user", "app_user"}},
		{"      message: {sender_type: s|", "s", []string{"source_contact", "source_user", "app_user"}},
		{"      x: =topic.|", "", []string{"channel", "conversation"}},
		{"      x: =table.|", "", []string{"delivery", "sender"}},
		{"      x: '=memory.u|", "u", []string{"unread"}},
		{"      x: =mqtt.|", "", []string{"topic", "qos", "retained", "content_type", "user"}},
		{"      x: =payload.|", "", []string{"from", "items"}},
		{"      x: =payload.from.|", "", []string{"name", "role"}},
		{"      x: =table.sender[payload.from.r|", "r", []string{"name", "role"}},
		{"      x: =sender.|", "", []string{"name", "role"}},
		{"      x: =it.|", "", []string{"id"}},
		{"      x: =s|", "s", []string{"it", "index", "sender", "payload", "topic", "mqtt", "table", "memory", "received", "uuid", "…"}},
		{"    when: p|", "p", []string{"it", "index", "sender", "payload", "…"}},
		{"    audience: {users: =payload.fr|", "fr", []string{"from", "items"}},
		{"    audience:\n      - =payload.|", "", []string{"from", "items"}},
		{"    dedupe:\n      k|", "k", []string{"key", "window"}},
		{"    remember:\n      u|", "u", []string{"unread"}},
		{"    payload: |", "", []string{"json", "text", "empty", "…"}},
		{"    retained: |", "", []string{"skip", "deliver"}},
		{"  - n|", "n", []string{"audience", "dedupe", "each", "fields", "…"}},
		{"  - name: b\n    forgotten: |", "", []string{"unread"}},
		{"  - name: b\n    forgotten: unread\n    when: v|", "v", []string{"key", "value", "table", "memory", "received", "…"}},
		{"  - name: b\n    queue:\n      /queue/c|", "/queue/c", []string{"/queue/channel/connected", "/queue/channel/disconnected", "/queue/message", "/queue/unread-count"}},
		{"  - name: b\n    queue: /queue/unread-count\n    fields:\n      un|", "un", []string{"conversation_id", "unread_message_count", "timestamp"}},
		{"tests:\n  - topic: a\n    expect: f|", "f", []string{"filtered", "remembered"}},
		// Nothing is in the way of what is no word.
		{"    when: sender.role == \"|", "", nil},
		{"    when: payload.no == 1|", "", nil},
		{"    # w|", "", nil},
		{"    |", "", nil},
	}
	var asked struct {
		Words   workbench.Words `json:"words"`
		Payload any             `json:"payload"`
		Cases   []string        `json:"cases"`
	}
	asked.Words = workbench.RuleWords()
	asked.Payload = anything{"from": anything{"name": "Ada", "role": "customer"}, "items": []any{anything{"id": 1}}}
	for _, test := range tests {
		asked.Cases = append(asked.Cases, aboveCaret+test.text)
	}
	text, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", "testdata/complete.mjs")
	c.Stdin = bytes.NewReader(text)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []*struct {
		Typed           string
		Labels, Applied []string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		g := got[i]
		if g == nil || test.want == nil {
			if g != nil || test.want != nil {
				t.Errorf("%q is offered %+v, want %q", test.text, g, test.want)
			}
			continue
		}
		labels := g.Labels
		if more := len(test.want) - 1; test.want[more] == "…" && len(labels) > more {
			labels = append(slices.Clone(labels[:more]), "…")
		}
		if diff := cmp.Diff(test.want, labels); diff != "" || g.Typed != test.typed {
			t.Errorf("%q, of which %q is typed, is offered (-want +got):\n%s", test.text, g.Typed, diff)
		}
		if i := slices.Index(g.Labels, "uuid"); i >= 0 && g.Applied[i] != "uuid(" {
			t.Errorf("%q becomes %q with uuid", strings.TrimSpace(test.text), g.Applied[i])
		}
	}
}
