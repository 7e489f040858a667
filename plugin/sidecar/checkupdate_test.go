package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// check --update writes what comes into the tests of all files, and leaves those that fail for
// another reason than a payload.
func TestCheckUpdate(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/cli/failing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const include = "include: more.yaml\n"
	config, more := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "more.yaml")
	write(t, config, include+string(text))
	write(t, filepath.Join(dir, "real.yaml"), "# further ones\ntests:\n"+
		`  - {topic: chat/7/unread, payload: {count: 4, at: '2021-01-27T10:00:00Z'}, expect: {/queue/unread-count: {unread_message_count: 0}}} # new`+"\n")
	if err := os.Symlink("real.yaml", more); err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		p := program{stdout: &out, stderr: &errs}
		code = p.run(t.Context(), append([]string{"check", "-c", config}, args...))
		return code, out.String(), errs.String()
	}
	code, stdout, stderr := check("--update")
	if code != exitFailure || stdout != "2 tests updated\n" || !strings.Contains(stderr, `test "no count" fails`) || !strings.HasSuffix(stderr, "1 of 5 tests failed\n") {
		t.Errorf("code %d, %s%s", code, stdout, stderr)
	}
	want := include + strings.Replace(string(text), "unread_message_count: 2", "unread_message_count: 1", 1)
	got, err := os.ReadFile(config)
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v, the file (-want +got):\n%s", err, diff)
	}
	got, err = os.ReadFile(more)
	if err != nil || !strings.HasPrefix(string(got), "# further ones\n") || !strings.Contains(string(got), "unread_message_count: 4,") || !strings.HasSuffix(string(got), "}} # new\n") {
		t.Errorf("%v, the included file:\n%s", err, got)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(files)+len(hidden) != 3 {
		t.Errorf("%v, files are left: %q", err, append(files, hidden...))
	}
	if info, err := os.Lstat(more); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	before := string(got)
	if code, stdout, _ := check("--update"); code != exitFailure || stdout != "" {
		t.Errorf("again: code %d, %s", code, stdout)
	}
	if got, _ := os.ReadFile(more); string(got) != before {
		t.Errorf("again it changes:\n%s", got)
	}
}

// A configuration with a mistake stays as it is.
func TestCheckUpdateWithMistake(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "rulse: []\ntests: [{topic: a, expect: {/queue/message: {id: x}}}]\n"
	write(t, config, text)
	var stdout, stderr bytes.Buffer
	p := program{stdout: &stdout, stderr: &stderr}
	if code := p.run(t.Context(), []string{"check", "-c", config, "--update"}); code != exitFailure {
		t.Errorf("code %d, %s", code, &stdout)
	}
	if got, err := os.ReadFile(config); err != nil || string(got) != text {
		t.Errorf("%v, %s", err, got)
	}
}
