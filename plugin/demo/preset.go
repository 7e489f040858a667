package demo

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A preset is an event for visitors to change and to send.
type preset struct {
	Title string
	About string // what becomes of it
	topic string
	make  func(id string, now time.Time) any // the payload; id is that of a message
}

// A sample is an event made from a preset.
type sample struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	// What is new in each sample of a preset, in their order, so that a payload that was edited can
	// be made a new one too.
	Fresh []string `json:"fresh"`
}

// newPresets returns the presets, about one conversation with a customer and the channels of the
// story.
func newPresets() []preset {
	conversation := "chat/" + site.id + "/" + uuid.NewString()
	message := func(event, text, status string) func(string, time.Time) any {
		return func(id string, now time.Time) any {
			return messageEvent{Event: event, ID: id, From: person{"Kim Park", "customer"}, Text: text, Status: status, TS: now.UnixMilli()}
		}
	}
	return []preset{
		{
			Title: "A customer writes", About: "becomes a message in the inbox",
			topic: conversation + "/message", make: message("message.created", "Do you have oat milk?", "sent"),
		}, {
			Title: "Unread count", About: "becomes the number beside the conversation",
			topic: conversation + "/unread", make: func(_ string, now time.Time) any { return unreadEvent{Count: 3, TS: now.UnixMilli()} },
		}, {
			Title: "Channel offline", About: "becomes the state of a channel",
			topic: facebook.stateTopic(), make: func(string, time.Time) any { return facebook.state("offline") },
		}, {
			Title: "A bad event", About: "no rule can map its time: it becomes a dead letter, with the reason",
			topic: conversation + "/message", make: func(id string, _ time.Time) any {
				return map[string]any{"event": "message.created", "id": id, "from": person{"Kim Park", "customer"}, "text": "When was that?",
					"status": "sent", "ts": "yesterday"}
			},
		}, {
			Title: "Filtered out", About: "the rule’s condition does not want it",
			topic: conversation + "/message", make: message("message.typing", "", ""),
		}, {
			Title: "Markup", About: "stays text on every page",
			topic: conversation + "/message", make: message("message.created", `<img src=x onerror=alert(1)> & <b>bold</b>`, "sent"),
		},
	}
}

// event returns a new sample.
func (p preset) event() sample {
	id, now := uuid.NewString(), time.Now()
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it is for people to read
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(p.make(id, now)); err != nil {
		panic("demo: " + err.Error()) // the events are ours
	}
	ts, err := json.Marshal(now.UnixMilli())
	if err != nil {
		panic("demo: " + err.Error()) // it is a number
	}
	return sample{Topic: p.topic, Payload: strings.TrimSpace(b.String()), Fresh: []string{id, string(ts)}}
}
