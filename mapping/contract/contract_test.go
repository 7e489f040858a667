package contract_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/contract"
)

func TestQueues(t *testing.T) {
	want := []contract.Queue{
		{Name: "/queue/message"},
		{Name: "/queue/unread-count", Keyed: true, Conflated: true},
		{Name: "/queue/channel/connected", Keyed: true},
		{Name: "/queue/channel/disconnected", Keyed: true},
	}
	if diff := cmp.Diff(want, contract.Queues()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, name := range contract.QueueNames() {
		if name != want[i].Name {
			t.Errorf("name %d is %s, want %s", i, name, want[i].Name)
		}
	}
}

func TestParseUnread(t *testing.T) {
	const body = `{"conversation_id":"8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11","unread_message_count":3,"timestamp":"2021-01-27T10:00:00.123Z"}`
	conversation, at, err := contract.ParseUnread([]byte(body))
	if err != nil || conversation != "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11" || !at.Equal(time.Date(2021, 1, 27, 10, 0, 0, 123e6, time.UTC)) {
		t.Errorf("%s %s %v", conversation, at, err)
	}
	for _, body := range []string{"", "{}", body[1:], strings.Replace(body, "2021", "x", 1), strings.Replace(body, "timestamp", "t", 1)} {
		if _, _, err := contract.ParseUnread([]byte(body)); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}
