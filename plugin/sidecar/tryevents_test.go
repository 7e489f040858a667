package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

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

// trySlowly tries an event that is mapped, one that is rejected and one that no rule takes.
func trySlowly(ctx context.Context, pause time.Duration, stdout, stderr io.Writer) int {
	p := program{stdin: &slowly{pause: pause, lines: []string{
		`{"topic": "chat/42/unread", "payload": {"count": 1, "at": "2021-01-27T10:00:00Z"}}`,
		`{"topic": "chat/42/unread", "payload": {"count": -1}}`,
		`{"topic": "chat/42/read", "payload": {}}`,
	}}, stdout: stdout, stderr: stderr}
	return p.run(ctx, []string{"try", "-c", "testdata/cli/good.yaml", "--events", "-"})
}

// What has come out of an event is printed before try waits for the next one, and what was tried is
// summed up when it is interrupted.
func TestTryEventsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr bridgetest.Buffer
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
func TestTryEventsOutputFails(t *testing.T) {
	event := `{"topic": "chat/42/unread", "payload": {"count": 1, "at": "2021-01-27T10:00:00Z"}}` + "\n"
	endless := &slowly{}
	for range 1 << 20 {
		endless.lines = append(endless.lines, event)
	}
	var stderr bytes.Buffer
	p := program{stdin: endless, stdout: full{}, stderr: &stderr}
	code := p.run(t.Context(), []string{"try", "-c", "testdata/cli/good.yaml", "--events", "-"})
	if want := "mqtt-stomp-bridge: printing: full\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("code %d, stderr %q, want %d, %q", code, stderr.String(), exitFailure, want)
	}
	if tried := 1<<20 - len(endless.lines); tried > 2 {
		t.Errorf("it went on for %d events", tried)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

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

// The payload of an event in a file is JSON, text, base64 or another file.
func TestParseEvent(t *testing.T) {
	directory := t.TempDir()
	write(t, filepath.Join(directory, "frame.bin"), "\x00\xff")
	const ways = "an event needs payload, text, base64 or file, one of them"
	for _, tt := range []struct{ members, want, mistake string }{
		{`"payload": {"a": 1}`, `{"a": 1}`, ""},
		{`"text": ""`, "", ""},
		{`"base64": "AP8="`, "\x00\xff", ""},
		{`"base64": ""`, "", ""},
		{`"file": "frame.bin"`, "\x00\xff", ""},
		{`"file": "` + directory + `/frame.bin"`, "\x00\xff", ""},
		{`"qos": 1`, "", ways},
		{`"text": "a", "base64": "AP8="`, "", ways},
		{`"payload": 1, "file": "frame.bin"`, "", ways},
		{`"base64": "AP8"`, "", "illegal base64 data at input byte 0; an event is a JSON object with topic, payload or text or base64 or file, and maybe qos, retained, content_type, user, received, after"},
		{`"file": "none"`, "", "open " + directory + "/none: no such file or directory"},
	} {
		e, _, err := (&eventFile{directory: directory}).parse([]byte(`{"topic": "a", ` + tt.members + `}`))
		mistake := ""
		if err != nil {
			mistake = err.Error()
		}
		if mistake != tt.mistake || err == nil && string(e.Payload) != tt.want {
			t.Errorf("%s: %q, %s, want %q, %s", tt.members, e.Payload, mistake, tt.want, tt.mistake)
		}
	}
}
