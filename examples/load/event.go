//go:build linux

package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The topic of all events: one topic, since order is promised for each.
const (
	channelID      = "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
	conversationID = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22"
	topic          = "chat/" + channelID + "/" + conversationID + "/message"
)

// rules map the events as the README's rule does.
const rules = `
tables:
  sender: {customer: source_contact, agent: app_user}
rules:
  - name: chat message
    topic: chat/{channel_id}/{conversation_id}/message
    when: payload.event == "message.created"
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.channel_id
      message:
        id: =uuid("message", payload.id)
        content: =payload.content
        delivery_state: =payload.status ?? "PENDING"
        sender_type: =table.sender[payload.from]
        sent_at: =payload.ts
`

// marker stands before the ten digits of an event's number, once in the event and in everything
// that becomes of it.
const marker = "event#"

const digits = 10

// Bounds of a run.
const (
	maxEvents = 10_000_000
	maxSize   = 16 << 10 // of the content of an event
)

// content returns the text of event n, size bytes or as long as the number needs: words, that it
// may be compressed as messages of people are, and others in each event.
func content(n, size int) string {
	s := fmt.Sprintf("%s%0*d ", marker, digits, n)
	rest := max(0, size-len(s))
	start := n * 37 % len(prose)
	return s + strings.Repeat(prose, 2+rest/len(prose))[start:start+rest]
}

// prose is what people write; it needs no escapes in JSON.
const prose = "Hello, I ordered a lamp last week and it has not come yet. Could you look where it is? " +
	"Of course, one moment please. The parcel left our house on Tuesday, it should be with you tomorrow. " +
	"Thank you! If nobody is at home, may the driver leave it at the bakery next door? " +
	"I have written that down for him. Is there anything else we can do for you today? " +
	"Yes: the bill has my old address on it, we moved in March. Please send a new one to Mill Lane 14, second floor. " +
	"Done, you will find it in your inbox. Have a good evening and enjoy the lamp. "

// event returns what is published as event n.
func event(n, size int) []byte {
	return fmt.Appendf(nil, `{"event":"message.created","id":"wamid.%d","from":"customer","status":"delivered","content":"%s","ts":1611741600000}`,
		n, content(n, size))
}

// number returns the number of the event that a payload carries; ok is false where it carries none.
func number(payload []byte) (n int, ok bool) {
	i := bytes.Index(payload, []byte(marker))
	if i < 0 || len(payload) < i+len(marker)+digits {
		return 0, false
	}
	for _, c := range payload[i+len(marker):][:digits] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// messageID returns the message-id of a MESSAGE frame; ok is false where there is none.
func messageID(payload []byte) (id []byte, ok bool) {
	_, rest, _ := bytes.Cut(payload, []byte("\nmessage-id:"))
	id, _, ok = bytes.Cut(rest, []byte("\n"))
	return id, ok
}

// subscriptionID returns the id under which session i subscribes: always as long as any other.
func subscriptionID(i int, distinct bool) string {
	if !distinct {
		i = 0
	}
	return fmt.Sprintf("sub-%06d", i)
}

// mapped returns what the rules make of event n.
func mapped(n, size int) []byte {
	return fmt.Appendf(nil, `{"conversation_id":"%s","channel_id":"%s","message":{"id":"%s","content":"%s",`+
		`"delivery_state":"DELIVERED","sender_type":"source_contact","sent_at":"2021-01-27T10:00:00.000Z"}}`,
		conversationID, channelID, messageUUID(n), content(n, size))
}

// messageUUID returns one in the form of those that the rules make, another for each event.
func messageUUID(n int) string {
	sum := sha1.Sum(strconv.AppendInt(nil, int64(n), 10))
	return fmt.Sprintf("%x-%x-5%03x-9%03x-%x", sum[:4], sum[4:6], binary.BigEndian.Uint16(sum[6:])&0xFFF, binary.BigEndian.Uint16(sum[8:])&0xFFF, sum[10:16])
}

// delivery returns the WebSocket frame that the bridge sends for event n: what the loops write.
func delivery(n, size int) []byte {
	body := mapped(n, size)
	return appendFrame(nil, opText, fmt.Appendf(nil,
		"MESSAGE\ndestination:/queue/message\nmessage-id:abcdefgh2345-%d\nsubscription:%s\ncontent-type:application/json\ncontent-length:%d\n\n%s\x00",
		n+1, subscriptionID(0, false), len(body), body))
}
