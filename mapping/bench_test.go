package mapping_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/value"
)

// chatRules are the first example of the documentation: one event, two queues.
const chatRules = `
tables:
  delivery: {queued: PENDING, sent: DELIVERED, read: DELIVERED, error: FAILED}
  sender: {customer: source_contact, agent: app_user}
rules:
` + chatRule + `
  - name: chat unread
    topic: chat/{channel_id}/{conversation_id}/message
    when: payload.unread != nil
    queue: /queue/unread-count
    fields:
      conversation_id: =topic.conversation_id
      unread_message_count: =payload.unread
      timestamp: =payload.ts
`

const chatRule = `
  - name: chat message
    topic: chat/{channel_id}/{conversation_id}/message
    when: payload.event == "message.created" or payload.event == "message.updated"
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.channel_id
      message:
        id: =payload.id
        content: =payload.content
        delivery_state: =table.delivery[payload.status] ?? "PENDING"
        sender_type: =table.sender[payload.from.role]
        sent_at: =payload.ts
`

// chatPayload is 384 bytes, as a chat application might send them.
const chatPayload = `{"event":"message.created","id":"` + idC + `","from":{"id":"4915112345678","name":"Grace Hopper","role":"customer",` +
	`"locale":"en-GB"},"status":"sent","content":{"text":"Where is my order #42? It was to arrive yesterday, and nobody has called. Thank you!",` +
	`"attachments":[{"type":"image","url":"https://example.org/a.jpeg"}]},"ts":1611741600000,"unread":3,"v":1}`

const chatTopic = "chat/" + idA + "/" + idB + "/message"

// wantChat is the body of the message.
const wantChat = `{"conversation_id":"` + idB + `","channel_id":"` + idA + `","message":{"id":"` + idC + `","content":"{\"text\":\"Where is my order #42? ` +
	`It was to arrive yesterday, and nobody has called. Thank you!\",\"attachments\":[{\"type\":\"image\",\"url\":\"https://example.org/a.jpeg\"}]}",` +
	`"delivery_state":"DELIVERED","sender_type":"source_contact","sent_at":"2021-01-27T10:00:00.000Z"}}`

// handWritten does for the chat event, and nothing else, what the rule "chat message" does.
func handWritten(topic string, payload []byte) ([]byte, error) {
	levels := strings.Split(topic, "/")
	if len(levels) != 4 || levels[0] != "chat" || levels[3] != "message" {
		return nil, errors.New("another topic")
	}
	var event struct {
		Event, ID, Status string
		From              struct{ Role string }
		Content           json.RawMessage
		TS                int64
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	if event.Event != "message.created" && event.Event != "message.updated" {
		return nil, errors.New("another event")
	}
	var body handWrittenBody
	for _, id := range []struct {
		to   *string
		from string
	}{{&body.ConversationID, levels[2]}, {&body.ChannelID, levels[1]}, {&body.Message.ID, event.ID}} {
		u, err := uuid.Parse(id.from)
		if err != nil {
			return nil, err
		}
		*id.to = u.String()
	}
	body.Message.Content = string(event.Content)
	body.Message.DeliveryState = map[string]string{"queued": "PENDING", "sent": "DELIVERED", "read": "DELIVERED", "error": "FAILED"}[event.Status]
	body.Message.SenderType = map[string]string{"customer": "source_contact", "agent": "app_user"}[event.From.Role]
	body.Message.SentAt = time.UnixMilli(event.TS).UTC().Format("2006-01-02T15:04:05.000Z")
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

type handWrittenBody struct {
	ConversationID string `json:"conversation_id"`
	ChannelID      string `json:"channel_id"`
	Message        struct {
		ID            string `json:"id"`
		Content       string `json:"content"`
		DeliveryState string `json:"delivery_state"`
		SenderType    string `json:"sender_type"`
		SentAt        string `json:"sent_at"`
	} `json:"message"`
}

// TestChat holds both ways to the same body, so that the benchmark compares like with like.
func TestChat(t *testing.T) {
	if len(chatPayload) != 384 {
		t.Errorf("the payload is %d bytes", len(chatPayload))
	}
	body, err := handWritten(chatTopic, []byte(chatPayload))
	if err != nil {
		t.Fatal(err)
	}
	r := mapper(t, chatRules).Map(event(chatTopic, chatPayload))
	if len(r.Outputs) != 2 {
		t.Fatalf("%+v", r)
	}
	for name, got := range map[string][]byte{"by hand": body, "by rule": r.Outputs[0].Body} {
		if diff := cmp.Diff(wantChat, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// pathRules pass on what stands in an event, also in lists within lists and through lets.
const pathRules = `
rules:
  - name: r
    topic: t/{channel}
    each: {entry: payload.entry, change: entry.changes, msg: change.messages}
    let: {m: msg.message, at: m.at}
    when: m.kind == "text" and m.deleted == nil
    queue: /queue/message
    fields:
      conversation_id: =entry.id
      channel_id: =topic.channel
      message: {id: =m.id, content: {text: =m.text, of: =change.field}, delivery_state: DELIVERED, sender_type: source_contact, sent_at: =at}
`

// pathPayload has n messages.
func pathPayload(n int) string {
	const message = `{"message":{"id":"` + idC + `","kind":"text","text":{"body":"Where is my order?","lang":"en"},"at":1611741600}}`
	change := `{"field":"messages","messages":[` + message + `,` + message + `]}`
	entry := `{"id":"` + idB + `","changes":[` + change + `]}`
	return `{"entry":[` + entry + strings.Repeat(","+entry, n/2-1) + `]}`
}

// TestAllocations holds what only passes values on to the memory of what comes out: the body of each
// output, and the space for outputs and outcomes, which grows.
func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		name, rules string
		e           mapping.Event
		outputs     int
		most        float64
	}{
		{"chat", chatRules[:strings.Index(chatRules, chatRule)] + chatRule, event(chatTopic, chatPayload), 1, 3},
		{"lists within lists", pathRules, event("t/"+idA, pathPayload(64)), 64, 64 + 3 + 2*6},
	} {
		m := mapper(t, tt.rules)
		least := math.Inf(1) // the race detector has the pool drop some
		for range 20 {
			least = min(least, testing.AllocsPerRun(1, func() {
				if r := m.Map(tt.e); len(r.Outputs) != tt.outputs {
					t.Fatalf("%+v", r)
				}
			}))
		}
		if least > tt.most && os.Getenv(byEngine) == "" {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, least, tt.most)
		}
	}
}

// BenchmarkChat maps the chat event from its bytes to the body.
func BenchmarkChat(b *testing.B) {
	e := event(chatTopic, chatPayload)
	b.Run("hand-written", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := handWritten(e.Topic, e.Payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	header := chatRules[:strings.Index(chatRules, chatRule)]
	for _, bench := range []struct{ name, rules string }{
		{"one rule", header + chatRule},
		{"one rule, an audience of the rule", header + chatRule + "    audience: {groups: support}\n"},
		{"one rule, an audience of the event", header + chatRule + "    audience: {users: =payload.from.id, groups: support}\n"},
		{"two rules, two outputs", chatRules},
		{"one rule of a hundred", header + otherRules(99) + chatRule},
	} {
		m := mapper(b, bench.rules)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := m.Map(e); len(r.Outputs) == 0 {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// chatEncoded returns the chat event in the encoding.
func chatEncoded(t testing.TB, encoding string) string {
	t.Helper()
	d, err := value.DecodeJSON([]byte(chatPayload))
	if err != nil {
		t.Fatal(err)
	}
	switch encoding {
	case "json":
		return chatPayload
	case "cbor":
		data, err := cbor.Marshal(d.Value)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := e.Encode(d.Value); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// BenchmarkEncodings maps the chat event, as it comes in each encoding.
func BenchmarkEncodings(b *testing.B) {
	for _, encoding := range []string{"json", "cbor", "msgpack"} {
		m := mapper(b, strings.ReplaceAll(chatRules[:strings.Index(chatRules, chatRule)]+chatRule, "    when:", "    payload: "+encoding+"\n    when:"))
		e := event(chatTopic, chatEncoded(b, encoding))
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := m.Map(e); len(r.Outputs) != 1 {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// BenchmarkExpressions maps the chat event by a rule with a condition and a text that are more than
// paths.
func BenchmarkExpressions(b *testing.B) {
	rule := strings.Replace(chatRule, `when: payload.event == "message.created" or payload.event == "message.updated"`,
		`when: upper(payload.event) == "MESSAGE.CREATED"`, 1)
	rule = strings.Replace(rule, "content: =payload.content", `content: =payload.from.name + " (" + payload.from.role + ")"`, 1)
	m := mapper(b, chatRules[:strings.Index(chatRules, chatRule)]+rule)
	e := event(chatTopic, chatPayload)
	b.ReportAllocs()
	for b.Loop() {
		if r := m.Map(e); len(r.Outputs) != 1 {
			b.Fatalf("%+v", r)
		}
	}
}

// otherRules are rules whose topics do not match the chat event.
func otherRules(n int) string { return rulesWith(n, "chat/{channel_id}/{conversation_id}/other%d") }

// BenchmarkEach maps 100 messages that stand in one list, and in lists within lists as a messenger's
// webhook sends them.
func BenchmarkEach(b *testing.B) {
	const message = `{"id":7,"from":"4915112345678","text":{"body":"Where is my order?","lang":"en"},"at":1611741600}`
	list := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	rule := func(each, item string) string {
		return `
rules:
  - name: r
    topic: t/+
    each: ` + each + strings.ReplaceAll(`
    queue: /queue/message
    fields:
      conversation_id: =uuid("conversation", item.from)
      channel_id: `+idA+`
      message: {id: '=uuid("message", item.id)', content: =item.text, delivery_state: DELIVERED, sender_type: source_contact, sent_at: =item.at}
`, "item.", item+".")
	}
	for _, bench := range []struct{ name, rules, payload string }{
		{"flat", rule("payload.messages", "item"), `{"messages":` + list(100, message) + `}`},
		{"nested 4x5x5", rule("{entry: payload.entry, change: entry.changes, msg: change.value.messages}", "msg"),
			`{"entry":` + list(4, `{"id":"P1","changes":`+list(5, `{"field":"messages","value":{"messages":`+list(5, message)+`}}`)+`}`) + `}`},
		{"nested 100x1x1", rule("{entry: payload.entry, change: entry.changes, msg: change.messages}", "msg"),
			`{"entry":` + list(100, `{"changes":[{"messages":[`+message+`]}]}`) + `}`},
		{"paths 50x1x2", pathRules, pathPayload(100)},
	} {
		m := mapper(b, bench.rules)
		e := event("t/"+idA, bench.payload)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := m.Map(e); len(r.Outputs) != 100 {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// BenchmarkAudience maps an event whose audience are so many users.
func BenchmarkAudience(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		m := mapper(b, audienceRule("=payload.to"))
		users := make([]string, n)
		for i := range users {
			users[i] = fmt.Sprintf(`"user-%d"`, (i*7919)%n)
		}
		e := event("channel/"+idA, `{"to":[`+strings.Join(users, ",")+`]}`)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := m.Map(e); len(r.Outputs) != 1 || len(r.Outputs[0].Audience) != n {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// BenchmarkCompile loads the chat rules, YAML included.
func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, report := compile("rules.yaml", chatRules); report.Err() != nil {
			b.Fatal(report.Err())
		}
	}
}

// BenchmarkRemember maps an event of a counting rule, and of the same rule without memory.
func BenchmarkRemember(b *testing.B) {
	const without = `
rules:
  - name: unread
    topic: chat/{conv}/in
    let: {n: (payload.n ?? 0) + 1}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("conv", topic.conv)', unread_message_count: =n}
`
	counting := "memory: {unread: }\n" + strings.Replace(without, "let: {n: (payload.n ?? 0) + 1}",
		"let: {n: '(memory.unread[topic.conv] ?? 0) + 1'}\n    remember: {unread: {key: =topic.conv, value: =n}}", 1)
	for _, bench := range []struct{ name, rules string }{{"without memory", without}, {"counting", counting}} {
		m := mapper(b, bench.rules)
		store := memory.New()
		store.Configure(m.Memories())
		e := event("chat/42/in", `{"id":"m1","n":5,"text":"Where is my order?"}`)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tx := store.Begin(e.Received)
				e.State = tx
				if r := m.Map(e); len(r.Outputs) != 1 {
					b.Fatalf("%+v", r)
				}
				tx.Commit()
			}
		})
	}
}
