package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A container often has HTTP_PROXY set, for the way out. The bridge beside is asked directly
// whatever address it listens on: through the proxy a healthy one would be restarted.
func TestHealthcheckUsesNoProxy(t *testing.T) {
	transport := http.DefaultTransport.(*http.Transport)
	before := transport.Proxy
	t.Cleanup(func() { transport.Proxy = before })
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }

	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	if err := ask(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
}

// The file says where a bridge listens that will be started, not where the running one does; and a
// mistake hides what the file says.
func TestHealthcheckFindsTheRunningBridge(t *testing.T) {
	for name, test := range map[string]struct {
		edit    func(text, address string) string
		journal bool // on disk
	}{
		"another ops.listen":               {edit: func(text, address string) string { return strings.Replace(text, address, "127.0.0.1:1", 1) }},
		"another ops.listen and a journal": {edit: func(text, address string) string { return strings.Replace(text, address, "127.0.0.1:1", 1) }, journal: true},
		"ops.listen is gone":               {edit: func(text, address string) string { return strings.Replace(text, address, "''", 1) }},
		"not YAML":                         {edit: func(text, _ string) string { return text + "a: [\n" }},
		"not YAML, above":                  {edit: func(text, _ string) string { return "broker: {url: [\n" + text }},
		"the file is empty":                {edit: func(string, string) string { return "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			s := prepareSidecar(t, "", "BRIDGE_BROKER_URL=mqtt://"+startDemoBroker(t).Addr().String())
			s.withoutVariable("BRIDGE_OPS_LISTEN")
			text := "ops:\n  listen: " + s.ops + "\n" + sourceRule("a/{n}", "first")
			if test.journal {
				t.Setenv("TMPDIR", "/nowhere") // as in a container that is read-only
				text = "journal: {dir: " + t.TempDir() + "}\n" + text
			}
			write(t, s.config, text)
			s.start()
			s.waitReady()
			replace(t, s.config, test.edit(text, s.ops))
			if code, stdout, stderr := s.command("healthcheck"); code != exitOK {
				t.Errorf("code %d, %s%s", code, stdout, stderr)
			}
			code, stdout, stderr := s.command("healthcheck", "--format", "json")
			if want := "http://" + s.ops + "/readyz"; code != exitOK || !strings.Contains(stdout, want) {
				t.Errorf("JSON: code %d, no %s in %s%s", code, want, stdout, stderr)
			}
			s.stop()
			if code, stdout, _ := s.command("healthcheck"); code != exitFailure {
				t.Errorf("after its end: code %d, %s", code, stdout)
			}
		})
	}
}

// A variable says which of two bridges with one file is meant.
func TestHealthcheckOfAnotherBridge(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := startSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+startDemoBroker(t).Addr().String())
	s.withoutVariable("BRIDGE_OPS_LISTEN")
	s.environ = append(s.environ, "BRIDGE_OPS_LISTEN=127.0.0.1:1")
	if code, stdout, _ := s.command("healthcheck"); code != exitFailure {
		t.Errorf("code %d, %s", code, stdout)
	}
}

// Others can write to a directory for temporary files: nothing is believed that they put there.
func TestOpsAddressOfOthers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	remove := writeOpsAddress("", "config.yaml", "127.0.0.1:9464")
	if got := opsAddresses("", "config.yaml"); len(got) != 1 {
		t.Fatalf("got %q", got)
	}
	own, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(own) != 1 {
		t.Fatalf("got %q, %v", own, err)
	}
	if err := os.Chmod(own[0], 0o777); err != nil {
		t.Fatal(err)
	}
	if got := opsAddresses("", "config.yaml"); len(got) != 0 {
		t.Errorf("from a directory that is open to everybody: %q", got)
	}
	if err := os.Chmod(own[0], 0o700); err != nil {
		t.Fatal(err)
	}
	remove()
	if _, err := os.Stat(own[0]); !os.IsNotExist(err) {
		t.Errorf("after the end something is left: %v", err)
	}
}
