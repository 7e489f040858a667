package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/workbench"
)

// A device is a file of some kind that keeps what is written to it.
type device struct {
	bytes.Buffer
	mode fs.FileMode
}

func (d *device) Stat() (fs.FileInfo, error) { return deviceInfo{mode: d.mode}, nil }

type deviceInfo struct {
	fs.FileInfo
	mode fs.FileMode
}

func (i deviceInfo) Mode() fs.FileMode { return i.mode }

const (
	regular  = fs.FileMode(0)
	pipe     = fs.ModeNamedPipe
	terminal = fs.ModeDevice | fs.ModeCharDevice
)

func TestIsTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, test := range map[string]struct {
		v    any
		want bool
	}{
		"a buffer":   {&bytes.Buffer{}, false},
		"a file":     {&device{mode: regular}, false},
		"a pipe":     {&device{mode: pipe}, false},
		"a terminal": {&device{mode: terminal}, true},
		"nothing":    {null, false},
	} {
		if got := isTerminal(test.v); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}

// A line comes every five seconds at most, with the rate since the one before.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		for _, step := range []struct {
			after time.Duration
			n     int
		}{{4 * time.Second, 3}, {time.Second, 4}, {time.Second, 900}, {5 * time.Second, 1804}, {100 * time.Second, 1805}} {
			time.Sleep(step.after)
			p.step(step.n, func() string { return fmt.Sprintf("%d done", step.n) })
		}
		const want = "mqtt-stomp-bridge: 4 done, 0.8/s\nmqtt-stomp-bridge: 1804 done, 300/s\nmqtt-stomp-bridge: 1805 done, 0.0/s\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// try over a file of events shows how far it is where the work is long and its output does not show
// it already.
func TestTryEventsProgress(t *testing.T) {
	tests := []struct {
		name   string
		stdout fs.FileMode
		pause  time.Duration // before each event
		want   string
	}{
		{"short", pipe, time.Second, ""},
		{"long", pipe, 3 * time.Second, "mqtt-stomp-bridge: 2 events, 1 rejected, 0.3/s\n"},
		{"to a terminal", terminal, 3 * time.Second, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stdout, stderr := &device{mode: test.stdout}, &bytes.Buffer{}
				if code := trySlowly(t.Context(), test.pause, stdout, stderr); code != exitFailure {
					t.Errorf("code %d, want %d", code, exitFailure)
				}
				if diff := cmp.Diff(test.want, stderr.String()); diff != "" {
					t.Errorf("standard error (-want +got):\n%s", diff)
				}
				const end = "\n3 events: 1 mapped, 1 filtered, 1 rejected\n  mapped filtered rejected  rule\n       1        0        1  unread\n       0        0        0  channel\n"
				if !strings.HasSuffix(stdout.String(), end) {
					t.Errorf("the output ends otherwise than with %q:\n%s", end, stdout)
				}
			})
		})
	}
}

// The share of a file is known.
func TestEventFileShare(t *testing.T) {
	f := eventFile{input: &flushingReader{n: 300}}
	for size, want := range map[int64]string{0: "", 1000: "30%, ", 299: "100%, "} {
		f.size = size
		if got := f.share(); got != want {
			t.Errorf("300 bytes of %d: got %q, want %q", size, got, want)
		}
	}
}

// A tardy context takes its time to say that it is not done.
type tardy struct {
	context.Context
	time time.Duration
}

func (c tardy) Err() error {
	time.Sleep(c.time)
	return c.Context.Err()
}

// check shows how many of the tests have run.
func TestCheckProgress(t *testing.T) {
	for name, test := range map[string]struct {
		each time.Duration // what a test takes
		want string
	}{
		"short": {time.Second, ""},
		"long": {6 * time.Second, "mqtt-stomp-bridge: 2 of 4 tests, 2 failed, 0.3/s\n" +
			"mqtt-stomp-bridge: 3 of 4 tests, 2 failed, 0.2/s\nmqtt-stomp-bridge: 4 of 4 tests, 2 failed, 0.2/s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stderr bytes.Buffer
				p := program{stderr: &stderr}
				c, err := p.load("testdata/cli/failing.yaml")
				if err != nil {
					t.Fatal(err)
				}
				p.runTests(tardy{t.Context(), test.each}, c.Mapper, new(workbench.Report))
				if diff := cmp.Diff(test.want, stderr.String()); diff != "" {
					t.Errorf("standard error (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// listen shows on a terminal how many messages it has printed elsewhere; otherwise it is silent.
func TestListenProgress(t *testing.T) {
	tests := []struct {
		name           string
		stdout, stderr fs.FileMode
		all            int
		want           string
	}{
		{"a file and a terminal", regular, terminal, 0, "mqtt-stomp-bridge: 6 messages, 1.0/s\n"},
		{"so many", regular, terminal, 50, "mqtt-stomp-bridge: 6 of 50 messages, 1.0/s\n"},
		{"one terminal", terminal, terminal, 50, ""},
		{"no terminal", pipe, pipe, 50, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stdout, stderr := &device{mode: test.stdout}, &device{mode: test.stderr}
				p := program{stdout: stdout, stderr: stderr}
				messages := p.messages(test.all)
				for range 6 {
					io.WriteString(messages, "message\n")
					time.Sleep(1200 * time.Millisecond)
				}
				if diff := cmp.Diff(test.want, stderr.String()); diff != "" {
					t.Errorf("standard error (-want +got):\n%s", diff)
				}
				if want := strings.Repeat("message\n", 6); stdout.String() != want {
					t.Errorf("standard output has %q, want %q", stdout, want)
				}
			})
		})
	}
}
