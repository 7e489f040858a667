package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const dedupeRule = `
rules:
  - name: channel
    topic: channel/{id}
    dedupe: {key: payload.key, window: 10m}
    queue: /queue/channel/connected
    fields: {id: =topic.id, name: x, source: y, source_channel_id: z}
`

func TestDedupeKey(t *testing.T) {
	m := mapper(t, dedupeRule)
	type key struct {
		Key    string
		Window time.Duration
	}
	for _, test := range []struct {
		name, payload string
		want          []key
		rejected      string
	}{
		{"text", `{"key":"a"}`, []key{{"a", 10 * time.Minute}}, ""},
		{"a whole number is exact", `{"key":9007199254740993}`, []key{{"9007199254740993", 10 * time.Minute}}, ""},
		{"no value: the event is not told from others", `{}`, []key{{"", 10 * time.Minute}}, ""},
		{"what is not text", `{"key":{}}`, nil, "dedupe"},
	} {
		r := m.Map(event("channel/"+idA, test.payload))
		var got []key
		for _, o := range r.Outputs {
			got = append(got, key{o.DedupeKey, o.DedupeWindow})
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if test.rejected != "" && (len(r.Rejections) != 1 || r.Rejections[0].Stage != test.rejected || r.Rejections[0].Line != 5) {
			t.Errorf("%s: %+v", test.name, r.Rejections)
		}
	}
	if o := mapper(t, strings.Replace(dedupeRule, "    dedupe: {key: payload.key, window: 10m}\n", "", 1)).Map(event("channel/"+idA, `{"key":"a"}`)).Outputs; len(o) != 1 || o[0].DedupeKey != "" {
		t.Errorf("without dedupe: %+v", o)
	}
}

// A long key costs what it takes to hash it, for each element.
func TestLongDedupeKeys(t *testing.T) {
	m := mapper(t, strings.Replace(dedupeRule, "    queue:", "    each: payload.items\n    queue:", 1))
	r := m.Map(event("channel/"+idA, `{"key":"`+strings.Repeat("a", 500_000)+`","items":[1`+strings.Repeat(",1", 999)+"]}"))
	if n := len(r.Outputs); n == 0 || n > 40 {
		t.Errorf("%d outputs", n)
	}
}

// What Explain tells of an event names the key: it takes each event by itself, and drops none as a
// duplicate.
func TestDedupeExplained(t *testing.T) {
	m := mapper(t, dedupeRule)
	for payload, want := range map[string]string{
		`{"key":"a"}`: "\n  -> /queue/channel/connected  once in 10m0s for key \"a\"\n",
		`{}`:          "\n  -> /queue/channel/connected\n",
	} {
		var got strings.Builder
		if err := m.Explain(event("channel/"+idA, payload)).Format(&got); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.String(), want) {
			t.Errorf("%s:\n%s\nwant %q in it", payload, &got, want)
		}
	}
}

func TestDedupeMistakes(t *testing.T) {
	for _, test := range []struct{ dedupe, want string }{
		{"payload.id", "dedupe takes keys, not \"payload.id\""},
		{"{key: payload.id}", "dedupe lacks window"},
		{"{key: payload.id, window: soon}", `window is a duration from 1s to 24h, not "soon"`},
		{"{key: payload.id, window: 48h}", `window is a duration from 1s to 24h, not "48h"`},
		{"{key: payload.id, window: 30}", `window is a duration from 1s to 24h, not "30"`},
		{"{key: payload.id, windwo: 1m}", `unknown field "windwo"`},
		{"{key: mqtt.retained, window: 1m}", "key takes text or a whole number, but this always gives true or false"},
		{"{key: payloda.id, window: 1m}", "unknown name payloda"},
	} {
		_, report := compile("rules.yaml", strings.Replace(dedupeRule, "{key: payload.key, window: 10m}", test.dedupe, 1))
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("dedupe: %s: got %v, want %s", test.dedupe, err, test.want)
		}
	}
}
