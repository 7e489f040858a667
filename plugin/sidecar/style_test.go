package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/doctor"
)

// Terminals get colours, unless NO_COLOR is set or they show none; files and pipes never do.
func TestColoursAreForTerminals(t *testing.T) {
	for name, test := range map[string]struct {
		out     *device
		environ []string
		want    bool
	}{
		"a terminal":             {&device{mode: terminal}, nil, true},
		"a terminal, NO_COLOR":   {&device{mode: terminal}, []string{"NO_COLOR=1"}, false},
		"a terminal, NO_COLOR=":  {&device{mode: terminal}, []string{"NO_COLOR="}, true},
		"a terminal of no kind":  {&device{mode: terminal}, []string{"TERM=dumb"}, false},
		"a terminal of any kind": {&device{mode: terminal}, []string{"TERM=xterm"}, true},
		"a pipe":                 {&device{mode: pipe}, nil, false},
		"a file":                 {&device{mode: regular}, nil, false},
	} {
		for _, args := range [][]string{
			{"try", "-c", "testdata/cli/good.yaml", "-t", "chat/42/unread", "-m", "{}"},
			{"check", "-c", "testdata/cli/good.yaml"},
			{"check", "-c", "testdata/cli/failing.yaml"},
		} {
			test.out.Reset()
			p := program{stdout: test.out, stderr: test.out, environ: test.environ}
			p.run(t.Context(), args)
			if got := strings.Contains(test.out.String(), "\x1b["); got != test.want {
				t.Errorf("%s, %v: coloured is %t, want %t:\n%q", name, args, got, test.want, test.out)
			}
		}
	}
}

func TestStyles(t *testing.T) {
	s := style{coloured: true}
	problem := source.Problem{File: "f", Line: 1, Column: 2, Width: 2, Message: "wrong", Hint: "| ^", Text: "x| ^"}
	warning := source.Problem{File: "f", Line: 1, Column: 1, Message: "doubtful", Warning: true}
	for name, test := range map[string]struct{ got, want string }{
		"problem": {s.problem(problem), "<31>f:1:2: wrong<0>\n     1 | x| ^\n<31>       |  ^^<0>\n       = | ^\n"},
		"warning": {s.problem(warning), "<33>f:1:1: warning: doubtful<0>\n"},
		"diff":    {s.diff("  queue\n    - n: 1\n    + n: 2\n"), "  queue\n<31>    - n: 1<0>\n<32>    + n: 2<0>\n"},
		"finding": {s.finding(doctor.Finding{Level: doctor.Warn, Check: "c", Seen: "s", Set: "x"}), "<33>warn<0>  c: s\n      set:   x\n"},
		"ok":      {s.finding(doctor.Finding{Check: "c", Seen: "s"}), "<32>ok<0>    c: s\n"},
		"plain":   {style{}.problem(warning), warning.String()},
	} {
		got := regexp.MustCompile("\x1b\\[(\\d+)m").ReplaceAllString(test.got, "<$1>")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
