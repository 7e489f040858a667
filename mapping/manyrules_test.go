package mapping_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkManyRules maps an event that one of so many rules with topics of their own matches.
func BenchmarkManyRules(b *testing.B) {
	for _, bench := range []struct{ name, topic string }{
		{"last level", "chat/{channel_id}/{conversation_id}/other%d"},
		{"first level", "other%d/{channel_id}/{conversation_id}/message"},
		{"behind several", "chat/{channel_id}/{conversation_id...}/other%d"},
	} {
		for _, n := range []int{10, 5000} {
			m := mapper(b, chatRules[:strings.Index(chatRules, chatRule)]+rulesWith(n-1, bench.topic)+chatRule)
			b.Run(fmt.Sprintf("%s/%d", bench.name, n), func(b *testing.B) {
				b.ReportAllocs()
				e := event(chatTopic, chatPayload)
				for b.Loop() {
					if r := m.Map(e); len(r.Outputs) != 1 {
						b.Fatalf("%+v", r)
					}
				}
			})
		}
	}
}

// rulesWith are small rules with topics of their own, each with its number in it.
func rulesWith(n int, topic string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {name: other %d, topic: '"+topic+"', queue: /queue/channel/connected, fields: %s}\n", i, i, channelFields)
	}
	return b.String()
}
