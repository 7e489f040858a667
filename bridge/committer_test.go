package bridge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/audience"
)

// The newest entry is kept per conversation or channel, over both queues of channels, and for each audience apart.
func TestNewestByAudience(t *testing.T) {
	const channel, conversation = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22", "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
	ada := audience.Of([]string{audience.User("ada")})
	support := func() audience.Audience {
		return audience.Of([]string{audience.User("ada"), audience.Group("support")})
	}
	output := func(queue, key, body string, who audience.Audience) mapping.Output {
		return mapping.Output{Queue: queue, Key: key, Audience: who, Body: []byte(body)}
	}
	log := journal.NewMemory(journal.MemoryOptions{})
	defer log.Close()
	var b journal.Batch
	for _, o := range []mapping.Output{
		output(mapping.QueueUnreadCount, conversation, "1", nil),
		output(mapping.QueueUnreadCount, conversation, "2", ada),
		output(mapping.QueueUnreadCount, conversation, "3", support()),
		output(mapping.QueueUnreadCount, conversation, "4", ada),
		output(mapping.QueueMessage, "", "5", ada),
		output(mapping.QueueChannelConnected, channel, "6", nil),
		output(mapping.QueueChannelConnected, channel, "7", ada),
		output(mapping.QueueChannelDisconnected, channel, "8", nil),
		output(mapping.QueueUnreadCount, conversation, "9", support()),
		output(mapping.QueueUnreadCount, channel, "10", nil), // one id of two things
	} {
		b.Entries = append(b.Entries, entryOf(o, time.Now(), ""))
	}
	if err := log.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{} // queue -> bodies of the newest, with their audiences
	for _, q := range mapping.Queues() {
		page, err := log.Latest(q, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			got[q] = append(got[q], string(e.Body)+" for "+audience.Audience(e.Audience).String())
		}
	}
	want := map[string][]string{
		mapping.QueueUnreadCount:         {"1 for everybody", "4 for user ada", "9 for group support, user ada", "10 for everybody"},
		mapping.QueueChannelConnected:    {"7 for user ada"},
		mapping.QueueChannelDisconnected: {"8 for everybody"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
