package workbench

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/topic"
)

// An Event is one to be tried. It has its payload in one of three ways.
type Event struct {
	Topic       string            `json:"topic"`
	Payload     json.RawMessage   `json:"payload,omitempty"` // JSON
	Text        *string           `json:"text,omitempty"`    // text
	Base64      *[]byte           `json:"base64,omitempty"`  // anything else
	QoS         *byte             `json:"qos,omitempty"`     // absent: 1
	Retained    bool              `json:"retained,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	User        map[string]string `json:"user,omitempty"`
	Received    time.Time         `json:"received,omitzero"` // absent: now
}

// EventOf returns the document of an event.
func EventOf(e mapping.Event) Event {
	d := Event{Topic: e.Topic, QoS: &e.QoS, Retained: e.Retained, ContentType: e.ContentType, User: e.User, Received: e.Received.UTC()}
	if text := string(e.Payload); writable(text) {
		d.Text = &text
	} else {
		d.Base64 = &e.Payload
	}
	return d
}

// event returns the event that the document is of.
func (d Event) event() (mapping.Event, error) {
	e := mapping.Event{Topic: d.Topic, QoS: 1, Retained: d.Retained, ContentType: d.ContentType, User: d.User, Received: d.Received}
	if d.QoS != nil {
		e.QoS = *d.QoS
	}
	if e.Received.IsZero() {
		e.Received = time.Now()
	}
	given := 0
	if d.Payload != nil {
		given, e.Payload = given+1, d.Payload
	}
	if d.Text != nil {
		given, e.Payload = given+1, []byte(*d.Text)
	}
	if d.Base64 != nil {
		given, e.Payload = given+1, *d.Base64
	}
	switch m := topic.CheckText(e.Topic); {
	case e.Topic == "":
		return e, errors.New("an event needs a topic")
	case strings.ContainsAny(e.Topic, "+#"):
		return e, errors.New("an event's topic holds no + and no #, which are for filters")
	case m != nil:
		return e, fmt.Errorf("the topic %s", m.Message)
	case e.QoS > 2:
		return e, fmt.Errorf("qos is 0, 1 or 2, not %d", e.QoS)
	case given != 1:
		return e, errors.New("an event needs payload, text or base64, one of them")
	}
	return e, nil
}
