package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A device is a file of some kind that keeps what is written to it.
type device struct {
	lockedBuffer
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

// readable returns the text with names for the sequences: < and > are around a line that does not wrap.
func readable(text string) string {
	return strings.NewReplacer(eraseLine, "{erase}", wrapOff, "<", wrapOn, ">").Replace(text)
}

// screen returns the lines that a terminal shows at the end.
func screen(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = line[strings.LastIndex(line, eraseLine)+1:]
		b.WriteString(strings.TrimPrefix(line, eraseLine[1:]))
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("sequences are left over in %q", b.String())
	}
	return b.String()
}

// The line is drawn when it has changed, stays below what is written, and keeps away from a line that has not ended.
func TestProgressOnTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tty := &device{mode: terminal}
		p := program{stdout: tty, stderr: tty}
		shown := p.newProgress()
		out := shown.over(p.stdout)
		var written int
		write := func(text string) {
			n, err := io.WriteString(out, text)
			if n != len(text) || err != nil {
				t.Errorf("Write(%q) = %d, %v", text, n, err)
			}
			written += n
			time.Sleep(3 * redrawEvery)
		}
		start := time.Now()
		shown.start(func() string {
			return fmt.Sprintf("%.1f s", time.Since(start).Truncate(200*time.Millisecond).Seconds())
		}, 0)
		time.Sleep(redrawEvery / 2)
		write("before the first\n")
		write("one\n")
		write("half ")
		write("done, ")
		write("ended\n")
		shown.end()
		shown.end()
		const want = "before the first\n" +
			"{erase}<0.0 s>{erase}<0.2 s>" +
			"{erase}one\n<0.2 s>{erase}<0.4 s>{erase}<0.6 s>" +
			"{erase}half done, ended\n" +
			"{erase}<1.2 s>{erase}<1.4 s>{erase}"
		if diff := cmp.Diff(want, readable(tty.String())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got, want := screen(t, tty.String()), "before the first\none\nhalf done, ended\n"; got != want {
			t.Errorf("at the end the screen shows %q, want %q", got, want)
		}
	})
}

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

// The rate is that of the last seconds, and says so at once and for few.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRate()
		var got []string
		for _, step := range []struct {
			after time.Duration
			n     int
		}{
			{0, 0}, {0, 1}, {100 * time.Millisecond, 200}, {900 * time.Millisecond, 1500}, {time.Second, 1501}, {3 * time.Second, 1501},
			{time.Second, 1502}, {time.Second, 1502}, {5 * time.Second, 1502}, {time.Second, 2_000_000},
		} {
			time.Sleep(step.after)
			got = append(got, r.text(step.n))
		}
		want := []string{"0/s", "10/s", "2,000/s", "1,500/s", "750/s", "300/s", "0.4/s", "0.2/s", "0/s", "333,083/s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// slowly gives a line at each Read, so long after the one before.
type slowly struct {
	lines []string
	pause time.Duration
}

func (s *slowly) Read(b []byte) (int, error) {
	time.Sleep(s.pause)
	if len(s.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.lines[0]+"\n")
	s.lines = s.lines[1:]
	return n, nil
}

// What try --file shows beside the same output: nothing where the work is short, plain lines where there is no terminal or where
// what reads the output may print on it, and a line on the terminal.
func TestTryFileProgress(t *testing.T) {
	const plain = "mqtt-stomp-bridge: 2 events  1 rejected  0.3/s\n"
	tests := []struct {
		name           string
		stdout, stderr fs.FileMode
		pause          time.Duration
		want           string
	}{
		{"pipes, short", pipe, pipe, 240 * time.Millisecond, ""},
		{"pipes, long", pipe, pipe, 3 * time.Second, plain},
		{"a pipe and a terminal", pipe, terminal, 3 * time.Second, plain},
		{"a terminal, short", regular, terminal, 24 * time.Millisecond, ""},
		{
			"a file and a terminal", regular, terminal, 240 * time.Millisecond,
			"{erase}<0 events  0 rejected  0/s>{erase}<1 event  0 rejected  3.3/s>{erase}<1 event  0 rejected  2.5/s>" +
				"{erase}<2 events  1 rejected  4.0/s>{erase}<2 events  1 rejected  3.3/s>{erase}<2 events  1 rejected  2.9/s>" +
				"{erase}<3 events  1 rejected  3.8/s>{erase}<3 events  1 rejected  3.3/s>{erase}",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stdout, stderr := &device{mode: test.stdout}, &device{mode: test.stderr}
				if code := trySlowly(t.Context(), test.pause, stdout, stderr); code != exitFailure {
					t.Errorf("code %d, want %d", code, exitFailure)
				}
				if diff := cmp.Diff(test.want, readable(stderr.String())); diff != "" {
					t.Errorf("standard error (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tried(t), stdout.String()); diff != "" {
					t.Errorf("standard output (-want +got):\n%s", diff)
				}
			})
		})
	}
	t.Run("one terminal for all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tty := &device{mode: terminal}
			trySlowly(t.Context(), 240*time.Millisecond, tty, tty)
			if !strings.Contains(tty.String(), "  -> nothing\n"+wrapOff+"2 events  1 rejected  2.9/s"+wrapOn) {
				t.Errorf("no line below the output in\n%q", tty.String())
			}
			if diff := cmp.Diff(tried(t), screen(t, tty.String())); diff != "" {
				t.Errorf("the screen at the end (-want +got):\n%s", diff)
			}
		})
	})
}

// trySlowly tries an event that is mapped, one that is rejected and one that no rule takes.
func trySlowly(ctx context.Context, pause time.Duration, stdout, stderr io.Writer) int {
	p := program{stdin: &slowly{pause: pause, lines: []string{
		`{"topic": "chat/42/unread", "payload": {"count": 1, "at": "2021-01-27T10:00:00Z"}}`,
		`{"topic": "chat/42/unread", "payload": {"count": -1}}`,
		`{"topic": "chat/42/read", "payload": {}}`,
	}}, stdout: stdout, stderr: stderr}
	return p.run(ctx, []string{"try", "-c", "testdata/cli/good.yaml", "--file", "-"})
}

// tried is what trySlowly prints where there is no progress.
func tried(t *testing.T) string {
	t.Helper()
	var stdout bytes.Buffer
	trySlowly(t.Context(), 0, &stdout, io.Discard)
	const end = "\n3 events: 1 mapped, 1 filtered, 1 rejected\n  mapped filtered rejected  rule\n       1        0        1  unread\n       0        0        0  channel\n"
	if !strings.HasSuffix(stdout.String(), end) {
		t.Errorf("the output ends otherwise than with %q:\n%s", end, &stdout)
	}
	return stdout.String()
}

// The share of a file is known.
func TestTryFileShare(t *testing.T) {
	f := eventFile{input: &flushingReader{}}
	f.input.n.Store(300)
	for size, want := range map[int64]string{0: "", 1000: "30%  ", 299: "100%  "} {
		f.size = size
		if got := f.share(); got != want {
			t.Errorf("300 bytes of %d: got %q, want %q", size, got, want)
		}
	}
}

// What has come out of an event is printed before try waits for the next one, and what was tried is summed up when it is
// interrupted.
func TestTryFileInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr lockedBuffer
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2500*time.Millisecond, func() {
			if n := strings.Count(stdout.String(), "retained=false\n"); n != 2 {
				t.Errorf("while try waits for the third event, %d events are printed:\n%s", n, stdout.String())
			}
			cancel()
		})
		code := trySlowly(ctx, time.Second, &stdout, &stderr)
		if want := "mqtt-stomp-bridge: standard input: interrupted after line 3\n"; code != exitFailure || stderr.String() != want {
			t.Errorf("code %d, stderr %q, want %d, %q", code, stderr.String(), exitFailure, want)
		}
		if want := "\n3 events: "; !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	})
}

// An output that takes no more ends try at once.
func TestTryFileOutputFails(t *testing.T) {
	event := `{"topic": "chat/42/unread", "payload": {"count": 1, "at": "2021-01-27T10:00:00Z"}}` + "\n"
	endless := &slowly{}
	for range 1 << 20 {
		endless.lines = append(endless.lines, event)
	}
	var stderr bytes.Buffer
	p := program{stdin: endless, stdout: full{}, stderr: &stderr}
	code := p.run(t.Context(), []string{"try", "-c", "testdata/cli/good.yaml", "--file", "-"})
	if want := "mqtt-stomp-bridge: printing: full\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("code %d, stderr %q, want %d, %q", code, stderr.String(), exitFailure, want)
	}
	if tried := 1<<20 - len(endless.lines); tried > 2 {
		t.Errorf("it went on for %d events", tried)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

// A tardy context takes its time to say that it is not done.
type tardy struct {
	context.Context
	time time.Duration
}

func (c tardy) Err() error {
	time.Sleep(c.time)
	return c.Context.Err()
}

// check tells how many of the tests have run.
func TestCheckProgress(t *testing.T) {
	tests := []struct {
		name   string
		stderr fs.FileMode
		test   time.Duration // what each test takes
		want   string
	}{
		{"a pipe, short", pipe, time.Second, ""},
		{"a pipe, long", pipe, 6 * time.Second, "mqtt-stomp-bridge: 50%  2 of 4 tests  2 failed  0.3/s\n" +
			"mqtt-stomp-bridge: 75%  3 of 4 tests  2 failed  0.2/s\nmqtt-stomp-bridge: 100%  4 of 4 tests  2 failed  0.2/s\n"},
		{
			"a terminal", terminal, 90 * time.Millisecond,
			"{erase}<50%  2 of 4 tests  2 failed  20/s>{erase}<75%  3 of 4 tests  2 failed  15/s>{erase}<100%  4 of 4 tests  2 failed  13/s>{erase}",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stderr := &device{mode: test.stderr}
				p := program{stderr: stderr}
				m := p.load("testdata/cli/failing.yaml").Mapper
				p.runTests(tardy{t.Context(), test.test}, m)
				if diff := cmp.Diff(test.want, readable(stderr.String())); diff != "" {
					t.Errorf("standard error (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// check, too, ends when it is interrupted, and tells that it has.
func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	p := program{stdout: &stdout, stderr: &stderr}
	code := p.run(ctx, []string{"check", "-c", "testdata/cli/failing.yaml"})
	if want := "mqtt-stomp-bridge: interrupted after 1 of 4 tests\n"; code != exitFailure || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("code %d, stderr %q, stdout %q, want %d, %q", code, stderr.String(), stdout.String(), exitFailure, want)
	}
}

// listen, where its output goes into a file, tells on the terminal how many messages there were; it is silent otherwise.
func TestListenProgress(t *testing.T) {
	needCommand(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, liveRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	listen := func(stderr *device, args ...string) (stdout *device, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		stdout = &device{}
		code := make(chan int)
		p := program{stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, environ: s.environ}
		go func() { code <- p.run(ctx, append([]string{"listen", "-c", s.config, "-u", "ada"}, args...)) }()
		return stdout, func() {
			cancel()
			if code := <-code; code != exitOK {
				t.Errorf("listen ends with code %d: %s", code, stderr)
			}
		}
	}
	tty, file := &device{mode: terminal}, &device{}
	_, end := listen(tty)
	limited := &device{mode: terminal}
	_, endLimited := listen(limited, "-C", "2000")
	stdout, endSilent := listen(file)
	eventually(t, "the lines to stand there", func() bool {
		return strings.Contains(tty.String(), eraseLine+wrapOff+"0 messages  0/s"+wrapOn) &&
			strings.Contains(limited.String(), "0 of 2,000 messages  0/s")
	})
	eventually(t, "all to be subscribed", func() bool { return strings.Count(s.log.String(), "msg=subscribed") == 12 })
	publish(t, broker.Addr, "-t", "a/1", "-m", `{"name": "one"}`)
	eventually(t, "the message", func() bool {
		return strings.Contains(tty.String(), wrapOff+"1 message  ") && strings.Contains(limited.String(), wrapOff+"1 of 2,000 messages  ") &&
			stdout.String() != ""
	})
	end()
	endLimited()
	endSilent()
	if file.String() != "" {
		t.Errorf("on no terminal it says %q", file)
	}
	if got := screen(t, tty.String()); got != "" {
		t.Errorf("at the end the screen shows %q", got)
	}
}
