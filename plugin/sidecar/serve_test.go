package main

import (
	"bytes"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// With log.format: json each line is an object, also those of a start that fails.
func TestFatalErrorsAreJSON(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const format = "log: {format: json}\n"
	for name, test := range map[string]struct{ text, want string }{
		"an address in use": {format + "auth: {anonymous: true}\nserver: {listen: '" + taken.Addr().String() + "'}\n", "address already in use"},
		"nobody can log in": {format, "none could connect"},
		"a mistake":         {format + "brocker: {}\n", `unknown key "brocker"`},
		"not YAML":          {format + "rules: [\n", "YAML:"},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "config.yaml")
			write(t, config, test.text)
			var stderr bytes.Buffer
			p := program{stderr: &stderr}
			if code := p.run(t.Context(), []string{"serve", "-c", config}); code != exitFailure {
				t.Errorf("code %d, want %d", code, exitFailure)
			}
			said := false
			for line := range strings.Lines(stderr.String()) {
				var record struct{ Level, Error, Problem string }
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					t.Errorf("%v in %s", err, line)
				}
				said = said || record.Level == "ERROR" && strings.Contains(record.Error+record.Problem, test.want)
			}
			if !said {
				t.Errorf("no %q in\n%s", test.want, &stderr)
			}
		})
	}
}
