package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ParseUnread returns the conversation id and the timestamp of an unread count's body, as mapping has written it.
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
