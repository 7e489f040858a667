package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
)

// targetRules put payload.v into one field of each type, by rules whose topics are the names of the
// types.
const targetRules = `
rules:
  - {name: uuid, topic: uuid, queue: /queue/channel/connected, fields: {id: =payload.v, name: n, source: s, source_channel_id: c}}
  - {name: text, topic: text, queue: /queue/channel/connected, fields: {id: ` + idA + `, name: =payload.v, source: s, source_channel_id: c}}
  - {name: optional, topic: optional, queue: /queue/channel/connected, fields: {id: ` + idA + `, name: n, source: s, source_channel_id: c, image_url: =payload.v}}
  - {name: count, topic: count, queue: /queue/unread-count, fields: {conversation_id: ` + idA + `, unread_message_count: =payload.v}}
  - {name: time, topic: time, queue: /queue/unread-count, fields: {conversation_id: ` + idA + `, unread_message_count: 1, timestamp: =payload.v}}
  - {name: content, topic: content, queue: /queue/message, fields: {conversation_id: ` + idA + `, channel_id: ` + idB + `,
     message: {id: ` + idC + `, content: =payload.v, delivery_state: pending, sender_type: App_User}}}
  - {name: built, topic: built, queue: /queue/message, fields: {conversation_id: ` + idA + `, channel_id: ` + idB + `,
     message: {id: ` + idC + `, content: '=payload.v ?? payload.w', delivery_state: PENDING, sender_type: app_user}}}
  - {name: state, topic: state, queue: /queue/message, fields: {conversation_id: ` + idA + `, channel_id: ` + idB + `,
     message: {id: ` + idC + `, content: x, delivery_state: =payload.v, sender_type: app_user}}}
  - {name: sender, topic: sender, queue: /queue/message, fields: {conversation_id: ` + idA + `, channel_id: ` + idB + `,
     message: {id: ` + idC + `, content: x, delivery_state: PENDING, sender_type: =payload.v}}}
`

// sent returns the field of the only output's body as JSON; "rejected: " with the reason, when
// there is none.
func sent(r mapping.Result, path string) string {
	if len(r.Outputs) != 1 {
		if len(r.Rejections) != 1 {
			return "nothing"
		}
		return "rejected: " + r.Rejections[0].Reason
	}
	value := json.RawMessage(r.Outputs[0].Body)
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil {
			return "no object"
		}
		value = object[name]
	}
	return string(value)
}

func TestTargets(t *testing.T) {
	m := mapper(t, targetRules)
	field := map[string]string{
		"uuid": "id", "text": "name", "optional": "image_url", "count": "unread_message_count", "time": "timestamp",
		"content": "message.content", "built": "message.content", "state": "message.delivery_state", "sender": "message.sender_type",
	}
	const noUUID = `; derive one with uuid("a name for this kind of id", …)`
	tests := []struct{ target, value, want string }{
		{"uuid", `"` + idA + `"`, `"` + idA + `"`},
		{"uuid", `"8B4A5E2C-3F0E-4A57-9F2E-0D8A3C1B7E11"`, `"` + idA + `"`},
		{"uuid", `"urn:uuid:8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"`, `"` + idA + `"`},
		{"uuid", `"{8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11}"`, `"` + idA + `"`},
		{"uuid", `"8b4a5e2c3f0e4a579f2e0d8a3c1b7e11"`, `"` + idA + `"`},
		{"uuid", `"x8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11y"`, `rejected: "x8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11y" is not a UUID` + noUUID},
		{"uuid", `"wamid.1"`, `rejected: "wamid.1" is not a UUID` + noUUID},
		{"uuid", `""`, `rejected: "" is not a UUID` + noUUID},
		{"uuid", `7`, `rejected: a number is not a UUID` + noUUID},
		{"uuid", `null`, `rejected: no value: payload.v is null`},

		{"text", `"Grüße & \"quotes\" <b> \u2028"`, `"Grüße & \"quotes\" <b> \u2028"`},
		{"text", `""`, `""`},
		{"text", `7263548190273645123`, `"7263548190273645123"`},
		{"text", `123456789012345678901234567890`, `"123456789012345678901234567890"`},
		{"text", `-0`, `"0"`},
		{"text", `1.5`, `rejected: 1.5 has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant`},
		{"text", `1e3`, `"1000"`},
		{"text", `1.0`, `"1"`},
		{"text", `1e300`, `rejected: 1e300 has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant`},
		{"count", `1.0`, `1`},
		{"text", `true`, `rejected: true or false is not text`},
		{"text", `{}`, `rejected: an object is not text`},
		{"text", `["a"]`, `rejected: a list is not text`},

		{"optional", `"http://example.org/a.jpeg"`, `"http://example.org/a.jpeg"`},
		{"optional", `""`, ``},
		{"optional", `null`, ``},
		{"optional", `{}`, `rejected: an object is not text`},

		{"count", `0`, `0`},
		{"count", `42`, `42`},
		{"count", `42.0`, `42`},
		{"count", `4.2e1`, `42`},
		{"count", `"42"`, `42`},
		{"count", `9223372036854775807`, `9223372036854775807`},
		{"count", `42.9`, `rejected: 42.9 is not a whole number of 0 or more`},
		{"count", `-1`, `rejected: -1 is not a whole number of 0 or more`},
		{"count", `1e300`, `rejected: 1e+300 is not a whole number of 0 or more`},
		{"count", `1e400`, `rejected: +Inf is not a whole number of 0 or more`},
		{"count", `9223372036854775808`, `rejected: 9.223372036854776e+18 is not a whole number of 0 or more`},
		{"count", `"-1"`, `rejected: "-1" is not a whole number of 0 or more`},
		{"count", `"+1"`, `rejected: "+1" is not a whole number of 0 or more`},
		{"count", `" 1"`, `rejected: " 1" is not a whole number of 0 or more`},
		{"count", `true`, `rejected: true or false is not a whole number`},
		{"count", `null`, `rejected: no value: payload.v is null`},

		{"time", `"2021-01-27T10:00:00Z"`, `"2021-01-27T10:00:00.000Z"`},
		{"time", `"2021-01-27T11:00:00.1239+01:00"`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `"2021-01-27T11:00:00.123+0100"`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1611741600`, `"2021-01-27T10:00:00.000Z"`},
		{"time", `1611741600123`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1611741600123456`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1611741600123456789`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1611741600.123`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1611741600123.9`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `1.6117416e9`, `"2021-01-27T10:00:00.000Z"`},
		{"time", `"1611741600123"`, `"2021-01-27T10:00:00.123Z"`},
		{"time", `"1355517523.000005"`, `"2012-12-14T20:38:43.000Z"`},
		{"time", `946684800`, `"2000-01-01T00:00:00.000Z"`},
		{"time", `4102444799`, `"2099-12-31T23:59:59.000Z"`},
		{"time", `946684799`, `rejected: a number (946684799) is not a time between 2000 and 2100 in s, ms, µs or ns`},
		{"time", `4102444800`, `rejected: a number (4102444800) is not a time between 2000 and 2100 in s, ms, µs or ns`},
		{"time", `12345`, `rejected: a number (12345) is not a time between 2000 and 2100 in s, ms, µs or ns`},
		{"time", `"9999-12-31T23:59:59-01:00"`, `rejected: the year 10000 does not have four digits`},
		{"time", `"2021-01-27 10:00:00"`, `rejected: "2021-01-27 10:00:00" has no time zone; give the layout and the zone: time(…, "2006-01-02 15:04:05", "Europe/Berlin")`},
		{"time", `"27.01.2021 10:00"`, `rejected: "27.01.2021 10:00" has no time zone; give the layout and the zone: time(…, "02.01.2006 15:04", "Europe/Berlin")`},
		{"time", `"2021-01-27T10:00:00.5"`, `rejected: "2021-01-27T10:00:00.5" has no time zone; give the layout and the zone: time(…, "2006-01-02T15:04:05", "Europe/Berlin")`},
		{"time", `"Wed, 14 Jul 2021 08:32:07 GMT"`, `rejected: "Wed, 14 Jul 2021 08:32:07 GMT" is not an ISO 8601 time; give the layout: time(…, "Mon, 02 Jan 2006 15:04:05 MST")`},
		{"time", `"Wed, 14 Jul 2021 08:32:07 EDT"`, `rejected: "Wed, 14 Jul 2021 08:32:07 EDT": EDT means different offsets in different places; name the place: time(…, "Mon, 02 Jan 2006 15:04:05 MST", "America/New_York")`},
		{"time", `"2021-07-14 08:32:07 CEST"`, `rejected: "2021-07-14 08:32:07 CEST": CEST means different offsets in different places; name the place: time(…, "2006-01-02 15:04:05 MST", "Europe/Berlin")`},
		{"time", `"Wed Jul 14 08:32:07 UTC 2021"`, `rejected: "Wed Jul 14 08:32:07 UTC 2021" is not an ISO 8601 time; give the layout: time(…, "Mon Jan _2 15:04:05 MST 2006")`},
		{"time", `"1.2.3"`, `rejected: "1.2.3" is not an ISO 8601 time; give the layout, which is how 2 January 2006, 15:04:05, would look: time(…, "2006-01-02 15:04:05")`},
		{"time", `[]`, `rejected: a list is not a time`},
		{"time", `null`, `rejected: no value: payload.v is null`},

		{"content", `"plain text"`, `"plain text"`},
		{"content", `""`, `""`},
		{"content", `{"z": 1.50, "a" :[ 9007199254740993,"<&>" ]}`, `"{\"z\": 1.50, \"a\" :[ 9007199254740993,\"<&>\" ]}"`},
		{"content", `[1, 2]`, `"[1, 2]"`},
		{"content", `1.50`, `"1.50"`},
		{"content", `1e400`, `"1e400"`},
		{"content", `true`, `"true"`},
		{"content", `null`, `rejected: no value: payload.v is null`},
		{"built", `{"z": 1.50, "a" :[ 9007199254740993,"<&>" ]}`, `"{\"z\": 1.50, \"a\" :[ 9007199254740993,\"<&>\" ]}"`},
		{"built", `123456789012345678901234567890`, `"123456789012345678901234567890"`},
		{"built", `1e400`, `"1e400"`},
		{"built", `[1e21, -0.5, null, false]`, `"[1e21, -0.5, null, false]"`},

		{"state", `"delivered"`, `"DELIVERED"`},
		{"state", `"DELIVERD"`, `rejected: "DELIVERD" is not one of PENDING, FAILED, DELIVERED; did you mean DELIVERED?`},
		{"state", `"x"`, `rejected: "x" is not one of PENDING, FAILED, DELIVERED`},
		{"state", `1`, `rejected: a number is not one of PENDING, FAILED, DELIVERED`},
		{"sender", `"SOURCE_CONTACT"`, `"source_contact"`},
		{"sender", `"Source_User"`, `"source_user"`},
		{"sender", `"bot"`, `rejected: "bot" is not one of source_contact, source_user, app_user`},
	}
	for _, tt := range tests {
		r := m.Map(event(tt.target, `{"v": `+tt.value+`}`))
		if got := sent(r, field[tt.target]); got != tt.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", tt.target, tt.value, got, tt.want)
		}
		for _, o := range r.Outputs {
			if !json.Valid(o.Body) {
				t.Errorf("%s of %s: the body is no JSON: %s", tt.target, tt.value, o.Body)
			}
		}
	}
}

// A content that is a path keeps the bytes of its value, wherever it stands; a path that ends at
// nothing has none.
func TestContentKeepsBytes(t *testing.T) {
	payload := `{"o": { "\u0061b" : [ 1.0, {"deep": 1.50 }, "text" ] }, "n": 1e2 }`
	for expression, want := range map[string]string{
		"payload":                payload,
		"payload.o.ab[1]":        `{"deep": 1.50 }`,
		"payload.o.ab[1].deep":   `1.50`,
		"payload.o.ab[0]":        `1.0`,
		"payload.o.ab[2]":        `text`,
		`payload["o"]["ab"]`:     `[ 1.0, {"deep": 1.50 }, "text" ]`,
		"payload?.o?.ab[1]":      `{"deep": 1.50 }`,
		"payload.n":              `1e2`,
		"payload.o.ab[-2]":       `{"deep": 1.50 }`, // not fixed
		"payload.o.ab[3 - 2]":    `{"deep": 1.50 }`,
		"payload.o.x ?? payload": payload,
	} {
		m := mapper(t, `
rules:
  - name: r
    topic: t
    queue: /queue/message
    fields: {conversation_id: `+idA+`, channel_id: `+idA+`, message: {id: `+idA+`, content: '=`+expression+`', delivery_state: PENDING, sender_type: app_user}}
`)
		var got string
		if err := json.Unmarshal([]byte(sent(m.Map(event("t", " "+payload+"\n")), "message.content")), &got); err != nil || got != want {
			t.Errorf("%s gives %s (%v), want %s", expression, got, err, want)
		}
	}
}

// The bodies are byte for byte those of the document: its field order, no space, no HTML escapes.
func TestBodies(t *testing.T) {
	m := mapper(t, `
rules:
  - name: message
    topic: m
    queue: /queue/message
    fields:
      message: {sent_at: =payload.t, sender_type: =payload.from, delivery_state: =payload.state, content: =payload.content, id: =payload.id}
      channel_id: =payload.channel
      conversation_id: =payload.conversation
  - name: unread
    topic: u
    queue: /queue/unread-count
    fields: {timestamp: =payload.t, unread_message_count: 42, conversation_id: =payload.conversation}
  - name: channel
    topic: c/{what}
    queue: {/queue/channel/connected: topic.what == "on", /queue/channel/disconnected: topic.what == "off"}
    fields: {image_url: =payload.url, source_channel_id: fb-page-id-1, source: facebook, name: my page 1, id: =payload.channel}
`)
	payload := `{"conversation":"` + idA + `","channel":"` + idB + `","id":"` + idC + `","content":{"text":"<Hello> World"},` +
		`"state":"DELIVERED","from":"source_contact","t":"2021-01-27T10:00:00Z","url":"http://example.org/avatar.jpeg"}`
	channel := `{"id":"` + idB + `","name":"my page 1","source":"facebook","source_channel_id":"fb-page-id-1","image_url":"http://example.org/avatar.jpeg"}`
	tests := []struct{ topic, queue, key, body string }{
		{"m", contract.QueueMessage, "", `{"conversation_id":"` + idA + `","channel_id":"` + idB + `","message":{"id":"` + idC +
			`","content":"{\"text\":\"<Hello> World\"}","delivery_state":"DELIVERED","sender_type":"source_contact","sent_at":"2021-01-27T10:00:00.000Z"}}`},
		{"u", contract.QueueUnreadCount, idA, `{"conversation_id":"` + idA + `","unread_message_count":42,"timestamp":"2021-01-27T10:00:00.000Z"}`},
		{"c/on", contract.QueueChannelConnected, idB, channel},
		{"c/off", contract.QueueChannelDisconnected, idB, channel},
	}
	for _, tt := range tests {
		r := m.Map(event(tt.topic, payload))
		if len(r.Outputs) != 1 {
			t.Fatalf("%s: %+v", tt.topic, r)
		}
		o := r.Outputs[0]
		if o.Queue != tt.queue || o.Key != tt.key || string(o.Body) != tt.body {
			t.Errorf("%s: %s, key %q\n got %s\nwant %s", tt.topic, o.Queue, o.Key, o.Body, tt.body)
		}
	}
}
