package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

func unreadShape() *Shape {
	return &Shape{Name: "unread count", end: "}", key: conversationOf, Fields: []Field{
		{Name: "conversation_id", Target: uuidTarget, before: `{"conversation_id":`},
		{Name: "unread_message_count", Target: countTarget, before: `,"unread_message_count":`},
		{Name: "timestamp", Target: timeTarget, Received: true, Stamped: true, before: `,"timestamp":`},
	}}
}

// ParseUnread returns the conversation id and the timestamp of an unread count's body, as
// its shape has it.
func ParseUnread(body []byte) (conversation string, timestamp time.Time, err error) {
	var count struct {
		Conversation string    `json:"conversation_id"`
		Timestamp    time.Time `json:"timestamp"`
	}
	switch err := json.Unmarshal(body, &count); {
	case err != nil:
		return "", time.Time{}, fmt.Errorf("unread count: %w", err)
	case count.Conversation == "" || count.Timestamp.IsZero():
		return "", time.Time{}, errors.New("unread count: no conversation_id or no timestamp")
	}
	return count.Conversation, count.Timestamp, nil
}
