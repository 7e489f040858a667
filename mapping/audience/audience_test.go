package audience_test

import (
	"slices"
	"testing"

	"mqtt-stomp-bridge/mapping/audience"
)

func TestOf(t *testing.T) {
	a := audience.Of([]string{audience.User("bob"), audience.Group("support"), audience.User("alice"), audience.User("bob")})
	if want := (audience.Audience{"g:support", "u:alice", "u:bob"}); !slices.Equal(want, a) {
		t.Errorf("got %q, want %q", []string(a), []string(want))
	}
	defer func() {
		if recover() == nil {
			t.Error("an audience of nobody was made")
		}
	}()
	audience.Of(nil)
}

// Equal audiences have equal keys, in whatever order they were named; others have others.
func TestKey(t *testing.T) {
	if key := audience.Audience(nil).Key(); key != "" {
		t.Errorf("everybody has the key %q", key)
	}
	seen := map[string]int{}
	for i, tokens := range [][]string{
		{"u:a"}, {"g:a"}, {"u:b"}, {"u:a", "u:b"}, {"u:a,u:b"}, {"u:au:b"}, {"u:a\n", "u:b"}, {"u:a", "g:b"}, {"g:a", "u:b"}, {"u:"}, {"u:", "g:"},
		{"u:a3:u:b"}, {"u:a", "u:b", "u:c"},
	} {
		reversed := slices.Clone(tokens)
		slices.Reverse(reversed)
		key := audience.Of(tokens).Key()
		if other := audience.Of(reversed).Key(); other != key || len(key) != 43 {
			t.Errorf("%q: %q, the other way round %q", tokens, key, other)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%d and %d have the same key", i, other)
		}
		seen[key] = i
	}
}

func TestString(t *testing.T) {
	for want, a := range map[string]audience.Audience{
		"everybody":                nil,
		"user alice":               {"u:alice"},
		"group support, user émil": {"g:support", "u:émil"},
		`user "a b", user "a,b"`:   {"u:a b", "u:a,b"},
		`user "g:x\"", user g:x`:   {`u:g:x"`, "u:g:x"},
		`user "\u202e", user a@b`:  {"u:\u202e", "u:a@b"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%q: got %s, want %s", []string(a), got, want)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	a := audience.Of([]string{audience.User("alice"), audience.Group("supervisors")})
	b.ReportAllocs()
	for b.Loop() {
		a.Key()
	}
}
