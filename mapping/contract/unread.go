package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/value"
)

// An unreadCount is the payload of QueueUnreadCount.
type unreadCount struct {
	conversationID uuid.UUID
	count          int64
	timestamp      time.Time
}

func unreadShape() *Shape {
	return &Shape{Name: "unread count", Make: func() Payload { return new(unreadCount) }, Fields: []Field{
		{Name: "conversation_id", Target: uuidTarget, set: setter(toUUID, func(u *unreadCount) *uuid.UUID { return &u.conversationID })},
		{Name: "unread_message_count", Target: countTarget, set: setter(toCount, func(u *unreadCount) *int64 { return &u.count })},
		{Name: "timestamp", Target: timeTarget, Received: true, Stamped: true,
			set: setter(toTime, func(u *unreadCount) *time.Time { return &u.timestamp })},
	}}
}

func (u *unreadCount) Key() string { return u.conversationID.String() }

func (u *unreadCount) AppendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"conversation_id":`...), u.conversationID)
	b = strconv.AppendInt(append(b, `,"unread_message_count":`...), u.count, 10)
	b = value.AppendTime(append(b, `,"timestamp":`...), u.timestamp)
	return append(b, '}')
}

// ParseUnread returns the conversation id and the timestamp of an unread count's body, as
// AppendJSON has written it.
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
