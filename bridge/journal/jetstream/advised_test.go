package jetstream_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge/journal/jetstream"
)

// TestAdvisedRights holds the permissions that examples/replicas/nats.conf gives the bridges to what
// a replica needs, no more and no less.
func TestAdvisedRights(t *testing.T) {
	conf, err := os.ReadFile("../../../examples/replicas/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	publish, subscribe := jetstream.Config{Name: jetstream.DefaultName}.Rights()
	for action, want := range map[string][]string{"publish": publish, "subscribe": subscribe} {
		list := regexp.MustCompile(`(?s)\s` + action + `: \[(.*?)\]`).FindSubmatch(conf)
		if list == nil {
			t.Fatalf("nats.conf does not say what may be done: %s", action)
		}
		var got []string
		for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllSubmatch(list[1], -1) {
			got = append(got, string(m[1]))
		}
		if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
			t.Errorf("%s (-needed +nats.conf):\n%s", action, diff)
		}
	}
}
