package demo

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// A step is one event of the story.
type step struct {
	pause time.Duration // after the step before
	topic string
	event func(now time.Time) any // becomes the payload
}

func (s step) publish(publish func(topic string, payload []byte) error) error {
	payload, err := json.Marshal(s.event(time.Now()))
	if err != nil {
		panic("demo: " + err.Error()) // the events are ours
	}
	return publish(s.topic, payload)
}

// The events of the chat backend.
type (
	messageEvent struct {
		Event  string `json:"event"`
		ID     string `json:"id"`
		From   person `json:"from"`
		Text   string `json:"text"`
		Status string `json:"status"`
		TS     int64  `json:"ts"` // epoch milliseconds
	}
	person struct {
		Name string `json:"name"`
		Role string `json:"role"`
	}
	unreadEvent struct {
		Count int   `json:"count"`
		TS    int64 `json:"ts"` // epoch milliseconds
	}
	stateEvent struct {
		State   string `json:"state"`
		Name    string `json:"name"`
		Source  string `json:"source"`
		Account string `json:"account"`
		Picture string `json:"picture,omitempty"`
	}
)

// A channel is where customers write to.
type channel struct {
	id, name, source, account, picture string
}

func (c channel) stateTopic() string { return "chat/" + c.id + "/state" }

func (c channel) state(state string) stateEvent {
	return stateEvent{State: state, Name: c.name, Source: c.source, Account: c.account, Picture: c.picture}
}

// A round collects the steps of one round of the story.
type round struct {
	steps []step
}

func (r *round) add(pause time.Duration, topic string, event func(now time.Time) any) {
	r.steps = append(r.steps, step{pause, topic, event})
}

func (r *round) online(pause time.Duration, c channel)  { r.state(pause, c, "online") }
func (r *round) offline(pause time.Duration, c channel) { r.state(pause, c, "offline") }

func (r *round) state(pause time.Duration, c channel, state string) {
	r.add(pause, c.stateTopic(), func(time.Time) any { return c.state(state) })
}

func (r *round) conversation(c channel, customer string) *conversation {
	return &conversation{round: r, customer: customer, topic: "chat/" + c.id + "/" + uuid.NewString()}
}

// A conversation is one customer's with the agents.
type conversation struct {
	round    *round
	customer string
	topic    string
	unread   int
}

const (
	untilCounted   = 250 * time.Millisecond
	untilDelivered = 900 * time.Millisecond
	untilFailed    = 1500 * time.Millisecond
)

func (c *conversation) writes(pause time.Duration, text string) {
	c.creates(pause, person{c.customer, "customer"}, text, "sent")
	c.unread++
	c.count(untilCounted)
}

func (c *conversation) isRead(pause time.Duration) {
	c.unread = 0
	c.count(pause)
}

// isAnswered has a message of an agent queued and then delivered.
func (c *conversation) isAnswered(pause time.Duration, agent, text string) {
	m := c.creates(pause, person{agent, "agent"}, text, "queued")
	c.updates(untilDelivered, m, "sent")
}

// isNotReached has a message of an agent queued and then fail. It returns the message.
func (c *conversation) isNotReached(pause time.Duration, agent, text string) *messageEvent {
	m := c.creates(pause, person{agent, "agent"}, text, "queued")
	c.updates(untilFailed, m, "error")
	return m
}

// isSentAgain has a message that failed queued once more and then delivered.
func (c *conversation) isSentAgain(pause time.Duration, m *messageEvent) {
	c.updates(pause, m, "queued")
	c.updates(untilDelivered, m, "sent")
}

func (c *conversation) creates(pause time.Duration, from person, text, status string) *messageEvent {
	m := &messageEvent{Event: "message.created", ID: uuid.NewString(), From: from, Text: text, Status: status}
	c.round.add(pause, c.topic+"/message", func(now time.Time) any {
		m.TS = now.UnixMilli()
		return m
	})
	return m
}

// updates publishes m, which was created by an earlier step, with another status.
func (c *conversation) updates(pause time.Duration, m *messageEvent, status string) {
	c.round.add(pause, c.topic+"/message", func(time.Time) any {
		updated := *m
		updated.Event, updated.Status = "message.updated", status
		return updated
	})
}

func (c *conversation) count(pause time.Duration) {
	unread := c.unread
	c.round.add(pause, c.topic+"/unread", func(now time.Time) any {
		return unreadEvent{Count: unread, TS: now.UnixMilli()}
	})
}
