package topic_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/topic"
)

func TestCheck(t *testing.T) {
	for _, filter := range []string{"a", "/", "a//b", "+", "#", "+/#", "a/+/b", "a/#", "$SYS/#", " ", strings.Repeat("a", 65535), "ä/\u00a0"} {
		if err := topic.Check(filter); err != nil {
			t.Errorf("%.20q: %v", filter, err)
		}
	}
	const level, text = "+ and # must be a whole level, # the last", "must be 1 to 65535 bytes of UTF-8 without control characters"
	for filter, want := range map[string]string{
		"a+": level, "+a": level, "a/#b": level, "#/a": level, "a/#/b": level, "##": level, "#/": level, "a/++": level,
		"": text, "a\x00": text, "a\n": text, "\x7f": text, "\u0085": text, "\ufdd0": text, "\ufffe": text, "\U0001ffff": text, "\xff": text,
		strings.Repeat("a", 65536): text,
	} {
		if err := topic.Check(filter); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", filter, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		filter  string
		yes, no []string
	}{
		{"a/b", []string{"a/b"}, []string{"a", "a/b/c", "a/b/", "/a/b", "A/b"}},
		{"a/+", []string{"a/b", "a/"}, []string{"a", "a/b/c", "b/a"}},
		{"+", []string{"a", ""}, []string{"/", "$SYS"}},
		{"+/+", []string{"/a", "a/", "/", "a/b"}, []string{"a", "$SYS/a"}},
		{"a/#", []string{"a", "a/", "a/b", "a/b/c"}, []string{"b", "ab", ""}},
		{"#", []string{"a", "/", "a/b/c"}, []string{"$SYS", "$SYS/broker"}},
		{"+/b/#", []string{"a/b", "a/b/c"}, []string{"a", "$SYS/b"}},
		{"$SYS/#", []string{"$SYS", "$SYS/a/b"}, []string{"SYS", "a"}},
	}
	for _, tt := range tests {
		p, mistakes := topic.ParsePattern(tt.filter)
		if mistakes != nil {
			t.Fatalf("%q: %v", tt.filter, mistakes)
		}
		check := func(name string, want bool) {
			t.Helper()
			var index topic.Index
			index.Add(p, 7)
			matched := slices.Equal(index.Match(nil, topic.AppendLevels(nil, name)), []int{7})
			if got := topic.Match(tt.filter, name); got != want || matched != want || topic.Covers(tt.filter, name) != want {
				t.Errorf("%q matches %q: %t, as a pattern %t, want %t", tt.filter, name, got, matched, want)
			}
		}
		for _, name := range tt.yes {
			check(name, true)
		}
		for _, name := range tt.no {
			check(name, false)
		}
	}
}

// filters are all of up to three levels of a few kinds, topics what they can tell apart.
func filters() (filters, topics []string) {
	levels := []string{"a", "b", "+", "$x"}
	for _, one := range levels {
		filters = append(filters, one, one+"/#")
		for _, two := range levels {
			filters = append(filters, one+"/"+two, one+"/"+two+"/#", one+"/"+two+"/a")
		}
	}
	filters = append(filters, "#")
	for _, f := range filters {
		if !strings.ContainsAny(f, "+#") {
			topics = append(topics, f, f+"/c")
		}
	}
	return filters, append(topics, "c", "c/c", "c/c/c", "$y", "$y/c")
}

// What the algebra says of two filters is true of every topic.
func TestAlgebra(t *testing.T) {
	all, topics := filters()
	for _, a := range all {
		for _, b := range all {
			covers, intersects := true, false
			for _, name := range topics {
				inA, inB := topic.Match(a, name), topic.Match(b, name)
				covers = covers && (inA || !inB)
				intersects = intersects || inA && inB
			}
			if got := topic.Covers(a, b); got != covers {
				t.Errorf("%q covers %q: %t, want %t", a, b, got, covers)
			}
			if got := topic.Intersects(a, b); got != intersects {
				t.Errorf("%q intersects %q: %t, want %t", a, b, got, intersects)
			}
			if joined := topic.Join(a, b); intersects && !(topic.Covers(joined, a) && topic.Covers(joined, b)) {
				t.Errorf("%q does not cover both %q and %q", joined, a, b)
			}
		}
	}
}

func TestDisjoint(t *testing.T) {
	all, topics := filters()
	for i, a := range all {
		for j, b := range all {
			given := []string{a, b, all[(i*7+j*3)%len(all)]}
			set := topic.Disjoint(given)
			for _, name := range topics {
				match := func(f string) bool { return topic.Match(f, name) }
				matching := 0
				for _, f := range set {
					if match(f) {
						matching++
					}
				}
				if matching > 1 || matching == 0 && slices.ContainsFunc(given, match) {
					t.Errorf("topic %q, filters %q: %d of %q match", name, given, matching, set)
				}
			}
		}
	}
}

func TestComparingDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if !topic.Match("a/+/#", "a/b/c") || !topic.Covers("a/#", "a/b/c") || !topic.Intersects("a/+", "+/b") {
			t.Fatal("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPattern(t *testing.T) {
	p, mistakes := topic.ParsePattern("chat/{id}/+/{rest...}")
	if mistakes != nil || p.Filter() != "chat/+/+/#" || p.String() != "chat/{id}/+/{rest...}" {
		t.Fatalf("%+v %v", p, mistakes)
	}
	if diff := cmp.Diff([]string{"id", "rest"}, p.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestCaptures(t *testing.T) {
	for _, tt := range []struct{ pattern, topic, want string }{
		{"chat/{id}/+/{rest...}", "chat/7/x/y/z", "id=7 rest=y/z"},
		{"chat/{id}/+/{rest...}", "chat/7/x", "id=7 rest="},
		{"chat/{id}/+/{rest...}", "chat//x/", "id= rest="},
		{"a/{x...}/b", "a/1/b", "x=1"},
		{"a/{x...}/b", "a/1/2/3/b", "x=1/2/3"},
		{"a/{x...}/b", "a//b", "x="},
		{"a/{x...}/b", "a///b", "x=/"},
		{"a/{x...}/b", "a/b/b/b", "x=b/b"},
		{"{x...}/b", "ü/b", "x=ü"},
		{"{y}/{x...}/{z}/+", "1/2/3/4/5", "x=2/3 y=1 z=4"},
	} {
		p, mistakes := topic.ParsePattern(tt.pattern)
		if mistakes != nil {
			t.Fatalf("%q: %v", tt.pattern, mistakes)
		}
		names := slices.Sorted(slices.Values(p.Names())) // another order than that of the levels
		var got []string
		for i, text := range p.Captures([]string{"left", "over"}, names, tt.topic, topic.AppendLevels(nil, tt.topic)) {
			got = append(got, names[i]+"="+text)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("captures of %s from %s (-want +got):\n%s", tt.pattern, tt.topic, diff)
		}
	}
}

func TestPatternMistakes(t *testing.T) {
	for text, want := range map[string]topic.Mistake{
		"":                         {0, 1, "the topic is empty", "write a topic filter, such as chat/{channel_id}/message"},
		"a/{x":                     {2, 2, "a brace is missing", "write {x}"},
		"a/{x}-b":                  {2, 5, "a {name} takes a whole topic level", `split it in the expression: split(topic.x, "-")`},
		"ä/#/b":                    {2, 1, "# must be the last level", "write + for one level here, or {name...} for one or more"},
		"a+/b":                     {0, 2, "+ and # take a whole topic level", "match the whole level, and test its text in when"},
		"{a b}":                    {0, 5, "{a b} is not a name", "a name is made of letters, digits and _, such as {device_id}"},
		"{x...}/b/{y...}":          {9, 6, "the topic has {x...} already, and only one of its levels may stand for several", "{name} and + stand for one level"},
		"a/{x...}/#":               {9, 1, "the topic has {x...} already, and only one of its levels may stand for several", "{name} and + stand for one level"},
		"{x...}/{x}":               {7, 3, "{x} appears twice in the topic", "give the two levels different names"},
		"{x}/{x}":                  {4, 3, "{x} appears twice in the topic", "give the two levels different names"},
		"ä/\n":                     {2, 1, "the topic has a line end", "write it on one line, without | or > before it"},
		"a/\r\nb":                  {2, 1, "the topic has a line end", "write it on one line, without | or > before it"},
		"a\x00":                    {1, 1, "the topic has the control character U+0000", "remove it"},
		"{x}/\x7f":                 {4, 1, "the topic has the control character U+007F", "remove it"},
		"\u0085":                   {0, 1, "the topic has the control character U+0085", "remove it"},
		"a\ufffe":                  {1, 1, "the topic has U+FFFE, which is not a character", "remove it"},
		"\ufdd0":                   {0, 1, "the topic has U+FDD0, which is not a character", "remove it"},
		"a\xed\xa0\x80":            {1, 1, "the topic has a byte that is not UTF-8", "write it in UTF-8"}, // a lone surrogate
		strings.Repeat("ä", 32768): {0, 1, "the topic has 65536 bytes, and MQTT takes at most 65535", "write a shorter one"},
	} {
		_, got := topic.ParsePattern(text)
		if diff := cmp.Diff([]topic.Mistake{want}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// A rule whose topic is taken can be subscribed: the client refuses filters by Check.
func TestPatternIsAFilter(t *testing.T) {
	texts := []string{strings.Repeat("ä", 32767) + "a", "\ufffd", "a b", "a\tb", "{x}\n", "a/{x...}\x01", "+/#"}
	for r := rune(0); r < 0x300; r++ {
		texts = append(texts, "a/"+string(r)+"/{x}")
	}
	for b := range 256 {
		texts = append(texts, "{x}/"+string([]byte{byte(b)}))
	}
	for _, text := range texts {
		p, mistakes := topic.ParsePattern(text)
		if mistakes != nil {
			continue
		}
		if err := topic.Check(p.Filter()); err != nil {
			t.Errorf("%.20q is taken, but %v", text, err)
		}
	}
}

func TestBlank(t *testing.T) {
	for text, want := range map[string]int{"a b": -1, "a/b ": 2, " a": 0, "ä/\u00a0b/c": 2, "a/ /b": 2, "/": -1} {
		if m := topic.Blank(text); (m == nil) != (want < 0) || m != nil && m.Offset != want {
			t.Errorf("%q: %+v, want one at %d", text, m, want)
		}
	}
}
