package mapping_test

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// fuzzRules look at an event in every way that there is.
const fuzzRules = `
tables:
  state: {a: PENDING, b: FAILED}
memory: {last: {max_keys: 3}, count: {for: 1h}}
rules:
  - name: message
    topic: '{a}/{b...}'
    retained: deliver
    each: payload.items
    queue: /queue/message
    fields:
      conversation_id: =item.id ?? uuid("c", item.n)
      channel_id: =uuid(topic.a, topic.b)
      message:
        id: =uuid("m", mqtt.topic + string(index))
        content: =item.content
        delivery_state: =table.state[item.state] ?? "DELIVERED"
        sender_type: =item.sender ?? "app_user"
        sent_at: =item.at ?? received
  - name: built
    topic: '#'
    queue: /queue/message
    when: 'payload.x == payload.y or payload.z in payload.list or any(payload.list, # == payload.x)'
    fields:
      conversation_id: =uuid("c", string(payload.n))
      channel_id: =uuid("c", toJSON(payload))
      message:
        id: =uuid("m", join(split(upper(payload.text), "/"), "-"))
        content: {all: =payload, list: '=payload.list[1:]', text: '=payload.text[:3]', sum: =payload.n + payload.m * 2 - 1, json: =json(payload.json)}
        delivery_state: PENDING
        sender_type: app_user
  - name: count
    topic: +/#
    queue: {/queue/unread-count: payload.n > 0}
    fields: {conversation_id: =payload.id, unread_message_count: =len(payload.list), timestamp: =payload.at}
  - name: text
    topic: +/b
    payload: text
    queue: /queue/channel/connected
    fields: {id: '=uuid("t", payload)', name: '=payload[2:]', source: =trim(payload), source_channel_id: =mqtt.user.id, image_url: =payload}
  - name: levels
    topic: '#'
    let:
      m: payload.x ?? payload
      ids: 'map(b, .id)'
      n: string(index) + toJSON(c)
      deep: n + (first(ids) ?? string(payload.n))
    each: {a: payload.items ?? payload.list, b: a.content ?? payload.list, c: b, d: '[c, m, ids]'}
    when: d != nil and index < 7
    queue: /queue/message
    dedupe: {key: =deep, window: 1m}
    fields:
      conversation_id: =uuid("c", n)
      channel_id: =uuid("c", deep)
      message: {id: '=uuid("m", index)', content: {d: =d, m: =m, 'o?': =payload.o}, delivery_state: PENDING, sender_type: app_user}
  - name: bytes
    topic: '#'
    let: {m: payload.x ?? payload}
    queue: /queue/message
    fields:
      conversation_id: =uuid("c", toJSON(m))
      channel_id: =uuid("c", toJSON(first(payload.list) ?? m))
      message: {id: '=uuid("m", toJSON(fromJSON(payload.json) ?? m))', content: =m.a ?? m, delivery_state: PENDING, sender_type: app_user}
  - name: remembers
    topic: '#'
    each: payload.items ?? [payload]
    let: {topicOf: mqtt.topic, before: 'memory.last[payload.id ?? item.id]', n: '(memory.count[topicOf] ?? 0) + 1'}
    when: before == nil or before != item
    dedupe: {key: item.n, window: 1h}
    remember:
      last: [{key: =payload.id ?? item.id, value: =item}, {key: k, value: {item: =item, before?: =before, 'list': [=payload.list]}}]
      count: {key: =topicOf, value: =n}
    forget: {count: =item.state}
  - name: forgotten
    forgotten: last
    remember: {count: {key: =key, value: =value.item ?? value}}
    forget: {last: =string(value.id ?? key)}
  - name: private
    topic: '#'
    queue: /queue/channel/connected
    audience: {users: =payload.list, groups: [=payload.text, '=payload.x ?? []']}
    fields: {id: '=uuid("c", mqtt.topic)', name: a, source: b, source_channel_id: c}
`

// FuzzMap runs events through rules that look at them in every way. Nothing may panic, every rule
// must end, what comes out must be JSON, and the same in both ways.
func FuzzMap(f *testing.F) {
	for _, payload := range []string{
		``, `{}`, `null`, `[]`, `5`, `1e400`, `"text"`, `not json`, "\xff", `{"a":1,"a":2}`, `[[[[[[[[[[]]]]]]]]]]`,
		`{"items":[{"id":"` + idA + `","content":{"z":1.50},"state":"a","at":1611741600},{"n":7},{},null,5]}`,
		`{"x":{"a":[1]},"y":{"a":[1]},"list":[1,"a",{}],"n":5,"m":2.5,"text":"ä/b/c","json":"[1,2]","id":"` + idB + `","at":"2021-01-27T10:00:00Z"}`,
		`{"list":["ada","bob"],"text":"support","x":["a",7]}`,
		`{"items":[{"content":[[{"id":"a"},{"id":1.0}],[]]},{"content":[[1e2]]},{"content":{}},{}],"x":{"a": [ ]}}`,
		`{"list":[[[[1]]]],"n":0.0,"x":[ ]}`,
		`{"z":1,"list":[1.0,2],"n":-9223372036854775808,"m":9223372036854775807,"text":"\ud83d\u0000\u2028","json":"{"}`,
		" { \"items\" : [ { \"content\" : [ 1 , \"]\\\"}\" ] , \"n\" : 1e3 } ] , \"\" : { } } ",
	} {
		f.Add("a/b", []byte(payload), "id")
	}
	f.Add("$SYS/b", []byte("{}"), "")
	f.Add("mqtt-stomp-bridge/x", []byte("{}"), "x")
	f.Add("", []byte(chatPayload), "")
	f.Add("", []byte(pathPayload(2)), "")
	m, engine := twoWays(f, fuzzRules)
	chat, chatEngine := twoWays(f, chatRules)
	paths, pathsEngine := twoWays(f, pathRules)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, user string) {
		e := mapping.Event{Topic: topic, Payload: payload, User: map[string]string{"id": user}, ContentType: user, Received: received}
		r := m.Map(e)
		if len(r.Outcomes) < len(r.Rejections) || len(r.Outcomes) < len(r.Outputs) {
			t.Errorf("%d outputs, %d rejections, %d outcomes", len(r.Outputs), len(r.Rejections), len(r.Outcomes))
		}
		for _, o := range r.Outputs {
			if !json.Valid(o.Body) || !utf8.Valid(o.Body) {
				t.Errorf("rule %s gives no JSON: %q", o.Rule, o.Body)
			}
			if (o.Audience != nil) != (o.Rule == "private") || o.Audience != nil && len(o.Audience) == 0 {
				t.Errorf("rule %s: audience %q", o.Rule, o.Audience)
			}
		}
		for _, j := range r.Rejections {
			if j.Stage == "panic" || j.Kind == "" || j.Reason == "" {
				t.Errorf("rejection %+v", j)
			}
		}
		remembers(t, m, e)
		sameResults(t, m, engine, e)
		sameResults(t, chat, chatEngine, mapping.Event{Topic: chatTopic, Payload: payload, Received: received})
		sameResults(t, paths, pathsEngine, mapping.Event{Topic: "t/" + topic, Payload: payload, Received: received})
		if again := m.Explain(e); len(again.Result.Outcomes) != len(r.Outcomes) {
			t.Errorf("explained: %s; mapped: %s", outcomes(again.Result), outcomes(r))
		}
	})
}

// remembers runs the event twice in a row, and then the keys whose time is up: whatever rules
// remember can be read again.
func remembers(t *testing.T, m *mapping.Mapper, e mapping.Event) {
	trial := m.NewTrial()
	traces := []mapping.Trace{trial.Explain(e), trial.Explain(e)}
	traces = append(traces, trial.Forgotten(e.Received.Add(721*time.Hour))...)
	for _, trace := range traces {
		for _, c := range trace.Result.Changes {
			if !c.Forget && (!json.Valid([]byte(c.After)) || len(c.After) > memory.MaxValue || len(c.Key) > memory.MaxKey) {
				t.Errorf("change %+v", c)
			}
		}
		for _, r := range trace.Result.Rejections {
			if r.Stage == "panic" || r.Rule == "forgotten" && r.Stage == "decode" {
				t.Errorf("rejection %+v", r)
			}
		}
	}
}
