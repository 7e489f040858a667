package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping"
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

const chatPayload = `{"event":"message.created","id":"` + idC + `","from":{"id":"4915112345678","name":"Grace Hopper","role":"customer",` +
	`"locale":"en-GB"},"status":"sent","content":{"text":"Where is my order #42? It was to arrive yesterday, and nobody has called me. Thank you!",` +
	`"attachments":[{"type":"image","url":"https://example.org/a.jpeg"}]},"ts":1611741600000,"unread":3,"v":12}`

var _ = fmt.Sprint
var _ = strings.Repeat
var _ = time.Now
var _ = uuid.Nil
var _ = json.Valid
var _ = mapping.Mapped
var _ testing.TB
