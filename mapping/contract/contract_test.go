package contract_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/value"
)

func TestQueues(t *testing.T) {
	want := []contract.Queue{
		{Name: "/queue/message"},
		{Name: "/queue/unread-count", Keyed: true, Conflated: true},
		{Name: "/queue/channel/connected", Keyed: true},
		{Name: "/queue/channel/disconnected", Keyed: true},
	}
	if diff := cmp.Diff(want, contract.Queues(), cmpopts.IgnoreFields(contract.Queue{}, "Filters")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, name := range contract.QueueNames() {
		if name != want[i].Name {
			t.Errorf("name %d is %s, want %s", i, name, want[i].Name)
		}
	}
}

// What a client may select by is found in the bodies as they are written, and in no others.
func TestFilters(t *testing.T) {
	ids := map[string]string{
		contract.FilterConversation: "11111111-3f0e-4a57-9f2e-0d8a3c1b7e11",
		contract.FilterChannel:      "22222222-3f0e-4a57-9f2e-0d8a3c1b7e11",
	}
	names := map[string]string{"conversation_id": contract.FilterConversation, "channel_id": contract.FilterChannel, "id": contract.FilterChannel}
	for _, q := range contract.Queues() {
		s := contract.ShapeOf(q.Name)
		want := map[string]string{}
		var body []byte
		for _, f := range s.Fields {
			if name, ok := names[f.Name]; ok {
				var err error
				if body, err = f.Append(body, ids[name]); err != nil {
					t.Fatal(err)
				}
				want[name] = ids[name]
			}
		}
		got := map[string]string{}
		for name, find := range q.Filters {
			got[name] = string(find(body))
			for _, other := range []string{"", "{}", `{"id":"x"}`, `{"conversation_id":"", "channel_id":""}`, string(body[:30])} {
				if id := find([]byte(other)); id != nil {
					t.Errorf("%s of %s in %q: %q, want none", name, q.Name, other, id)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: ids in %s (-want +got):\n%s", q.Name, body, diff)
		}
	}
}

func TestFields(t *testing.T) {
	for _, q := range contract.Queues() {
		s := contract.ShapeOf(q.Name)
		if s == nil || len(s.Fields) == 0 {
			t.Fatalf("no fields of %s", q.Name)
		}
		body, err := s.Fields[0].Append(nil, idA)
		if err != nil {
			t.Fatal(err)
		}
		if keyed := s.Key(body) == idA; keyed != q.Keyed || !keyed && s.Key(body) != "" {
			t.Errorf("a payload of %s has the key %q, want one: %t", q.Name, s.Key(body), q.Keyed)
		}
	}
	want := "conversation_id channel_id message.id message.content message.delivery_state message.sender_type message.sent_at"
	if got := strings.Join(contract.ShapeOf(contract.QueueMessage).Names(), " "); got != want {
		t.Errorf("fields of a message: %s", got)
	}
	if s := contract.ShapeOf("/queue/x"); s != nil {
		t.Errorf("an unknown queue: %+v", s)
	}
}

// A payload that is built by its fields prints as the document has it, and an unread count is read
// back.
func TestPayload(t *testing.T) {
	s := contract.ShapeOf(contract.QueueUnreadCount)
	body := []byte("before")[:0]
	for i, v := range []any{"8B4A5E2C-3F0E-4A57-9F2E-0D8A3C1B7E11", int64(3), "1611741600123"} {
		var err error
		if body, err = s.Fields[i].Append(body, v); err != nil {
			t.Fatal(err)
		}
	}
	var refusal *value.Refusal
	if same, err := s.Fields[1].Append(body, 1.5); !errors.As(err, &refusal) || refusal.Kind != "not a count" || len(same) != len(body) {
		t.Errorf("a count of 1.5: %s, %v", same, err)
	}
	body = s.End(body)
	const want = `{"conversation_id":"` + idA + `","unread_message_count":3,"timestamp":"2021-01-27T10:00:00.123Z"}`
	if got := string(body); got != want || s.Key(body) != idA {
		t.Errorf("got %s, key %s, want %s", got, s.Key(body), want)
	}
	conversation, at, err := contract.ParseUnread(body)
	if err != nil || conversation != idA || at.UnixMilli() != 1611741600123 {
		t.Errorf("read back: %s, %s, %v", conversation, at, err)
	}
}

// An optional field is absent where its text is empty.
func TestEmpty(t *testing.T) {
	f := &contract.ShapeOf(contract.QueueChannelConnected).Fields[4]
	for v, want := range map[string]string{"": "x", "u": `x,"image_url":"u"`} {
		if got, err := f.Append([]byte("x"), v); err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", v, got, err, want)
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
