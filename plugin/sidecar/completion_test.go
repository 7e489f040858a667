package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The completions are scripts that their shells take, where these are installed.
func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			p := program{stdout: &stdout, stderr: &stderr}
			if code := p.run(t.Context(), []string{"completion", shell}); code != exitOK || !strings.Contains(stdout.String(), "mqtt-stomp-bridge") {
				t.Fatalf("code %d, %s", code, &stderr)
			}
			if _, err := exec.LookPath(shell); err != nil {
				return
			}
			c := exec.Command(shell, "-n")
			c.Stdin = &stdout
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
