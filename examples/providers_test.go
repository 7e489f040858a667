package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

// The lines for each identity provider are without a mistake.
func TestProvidersPage(t *testing.T) {
	page, err := os.ReadFile("providers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 6 {
		t.Errorf("%d blocks, want 6", len(blocks))
	}
	for _, block := range blocks {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(file, []string{"SERVICES_SECRET=a secret for tests of 32 bytes.."})
		for _, p := range problems {
			if !p.Warning {
				t.Errorf("%s\n%s", block[1], p.String())
			}
		}
		if c != nil && len(c.Auth.Providers) == 0 {
			t.Errorf("no provider in\n%s", block[1])
		}
	}
}
