package topic_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/topic"
)

// matches is what an Index should find, said in the plainest way: each level by itself, the one
// that stands for several as long as it has to be.
func matches(pattern, name string) bool {
	p, levels := strings.Split(pattern, "/"), strings.Split(name, "/")
	if strings.HasPrefix(name, "$") && strings.ContainsAny(p[0], "+#{") {
		return false
	}
	rest := slices.IndexFunc(p, func(l string) bool { return l == "#" || strings.HasSuffix(l, "...}") })
	if rest >= 0 {
		several := len(levels) - (len(p) - 1)
		if several < 0 || several == 0 && rest < len(p)-1 {
			return false
		}
		p = slices.Replace(slices.Clone(p), rest, rest+1, slices.Repeat([]string{"+"}, several)...)
	}
	if len(p) != len(levels) {
		return false
	}
	for i, l := range p {
		if l != levels[i] && !strings.ContainsAny(l, "+{") {
			return false
		}
	}
	return true
}

// randomPattern is one of few levels of few kinds, so that many match and many nearly match.
func randomPattern(r *rand.Rand) string {
	levels := []string{"a", "b", "", "+", "$x"}
	parts := make([]string, 1+r.IntN(4))
	for i := range parts {
		parts[i] = levels[r.IntN(len(levels))]
	}
	switch i := r.IntN(len(parts)); r.IntN(3) {
	case 0:
		parts[i] = "{several...}"
	case 1:
		parts[len(parts)-1] = "#"
	}
	if text := strings.Join(parts, "/"); text != "" {
		return text
	}
	return "a"
}

func randomTopic(r *rand.Rand) string {
	levels := []string{"a", "b", "", "c", "$x"}
	parts := make([]string, 1+r.IntN(5))
	for i := range parts {
		parts[i] = levels[r.IntN(len(levels))]
	}
	return strings.Join(parts, "/")
}

func parse(t testing.TB, text string) *topic.Pattern {
	p, mistakes := topic.ParsePattern(text)
	if mistakes != nil {
		t.Fatalf("%q: %v", text, mistakes)
	}
	return p
}

// Many patterns in one tree match what each of them matches alone.
func TestIndexMatchesAsEachPattern(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var index topic.Index
		patterns := make([]string, 1+r.IntN(40))
		for i := range patterns {
			patterns[i] = randomPattern(r)
			index.Add(parse(t, patterns[i]), i)
		}
		for range 100 {
			name := randomTopic(r)
			var want []int
			for i, p := range patterns {
				if matches(p, name) {
					want = append(want, i)
				}
			}
			got := index.Match(nil, topic.AppendLevels(nil, name))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("patterns %q, topic %q (-want +got):\n%s", patterns, name, diff)
			}
		}
	}
}

// What a pattern is subscribed as covers it, and patterns are compared by what they match.
func TestPatternsCompared(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := make([]string, 200)
	for i := range names {
		names[i] = randomTopic(r)
	}
	for range 1000 {
		a, b := randomPattern(r), randomPattern(r)
		p, q := parse(t, a), parse(t, b)
		covers := true
		for _, name := range names {
			inA, inB := matches(a, name), matches(b, name)
			covers = covers && (inA || !inB)
			if inA && !topic.Match(p.Filter(), name) {
				t.Fatalf("%q matches %q, and its filter %q does not", a, name, p.Filter())
			}
			if p.Shape() == q.Shape() && inA != inB {
				t.Fatalf("%q and %q have the same shape, and only one matches %q", a, b, name)
			}
		}
		if got := p.Covers(q); got && !covers {
			t.Fatalf("%q is said to cover %q", a, b)
		}
	}
}

func TestPatternCovers(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a/{x...}/b", "a/+/b", true},
		{"a/+/b", "a/{x...}/b", false},
		{"a/{x...}/b", "a/{y...}/b", true},
		{"a/{x...}/b", "a/{y...}/c/b", true},
		{"a/{x...}/c/b", "a/{y...}/b", false},
		{"a/{x...}/b", "a/b", false},
		{"a/#", "a/{x...}/b", true},
		{"a/{x...}/b", "a/#", false},
		{"{x...}/b", "$x/b", false},
		{"{x...}/b", "a/b", true},
		{"#", "{x...}/b", true},
		{"+/#", "#", true},
		{"#", "+/#", true},
		{"a/#", "a", true},
		{"a/b", "a/b/c", false},
		{"+/{x...}/+", "{x}/{y...}/a", true},
	} {
		if got := parse(t, tt.a).Covers(parse(t, tt.b)); got != tt.want {
			t.Errorf("%q covers %q: %t", tt.a, tt.b, got)
		}
	}
}

func TestIntersecting(t *testing.T) {
	all, _ := filters()
	var index topic.Index
	for i, f := range all {
		index.AddFilter(f, i)
	}
	for _, f := range all {
		var want []int
		for i, g := range all {
			if topic.Intersects(f, g) {
				want = append(want, i)
			}
		}
		if diff := cmp.Diff(want, index.Intersecting(nil, f)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", f, diff)
		}
	}
}

func TestIndexDoesNotAllocate(t *testing.T) {
	var index topic.Index
	for i, p := range []string{"a/{x...}/c", "a/+/c", "#", "a/b/c", "$x/#"} {
		index.Add(parse(t, p), i)
	}
	levels, ids := topic.AppendLevels(nil, "a/b/c"), make([]int, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		if ids = index.Match(ids[:0], levels); len(ids) != 4 {
			t.Fatalf("got %v", ids)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzIndex holds the tree to what each pattern matches alone.
func FuzzIndex(f *testing.F) {
	f.Add("a/{x...}/b\na/+/b\n#\n$x/+", "a/1/2/b")
	f.Add("{x...}/a/a\n{x...}/+/a\n+/#", "a/a/a")
	f.Add("/\n//#\n{a}//{b...}/", "///")
	f.Fuzz(func(t *testing.T, texts, name string) {
		var index topic.Index
		var want []int
		for i, text := range strings.Split(texts, "\n") {
			p, mistakes := topic.ParsePattern(text)
			if mistakes != nil {
				continue
			}
			index.Add(p, i)
			if matches(text, name) {
				want = append(want, i)
				if !topic.Match(p.Filter(), name) {
					t.Errorf("%q matches %q, and its filter %q does not", text, name, p.Filter())
				}
				captures := p.Captures(nil, p.Names(), name, topic.AppendLevels(nil, name))
				if got := filled(text, captures); !strings.ContainsAny(text, "+#") && got != name && got != name+"/" {
					t.Errorf("%q with its captures %q is %q, want %q", text, captures, got, name)
				}
			}
		}
		if diff := cmp.Diff(want, index.Match(nil, topic.AppendLevels(nil, name))); diff != "" {
			t.Errorf("patterns %q, topic %q (-want +got):\n%s", texts, name, diff)
		}
	})
}

// filled puts the captures into the pattern.
func filled(pattern string, captures []string) string {
	levels := strings.Split(pattern, "/")
	for i, l := range levels {
		if strings.HasPrefix(l, "{") {
			levels[i], captures = captures[0], captures[1:]
		}
	}
	return strings.Join(levels, "/")
}

// BenchmarkDisjoint finds the subscriptions of so many rules with topics of their own.
func BenchmarkDisjoint(b *testing.B) {
	for _, n := range []int{10, 1000, 20000} {
		filters := make([]string, n)
		for i := range filters {
			filters[i] = fmt.Sprintf("site/%d/+/state", i)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if got := len(topic.Disjoint(filters)); got != n {
					b.Fatal(got)
				}
			}
		})
	}
}
