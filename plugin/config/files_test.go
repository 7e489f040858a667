package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

// What check takes for a secret is what the bridge reads later, and where there is none both say
// so.
func TestSecretFiles(t *testing.T) {
	for content, want := range map[string]string{
		"secret":        "secret",
		"secret\n":      "secret",
		"secret\r\n":    "secret",
		"secret\n\n":    "secret\n",
		"\nsecret\n":    "\nsecret",
		"two\nlines\n":  "two\nlines",
		" with spaces ": " with spaces ",
		"":              "",
		"\n":            "",
		"\n\n":          "",
		"\r\n\r\n":      "",
	} {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.ReadSecretFile(file)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: read %q, %v, want %q", content, got, err, want)
		}
		if err != nil && !strings.HasSuffix(err.Error(), "is empty") {
			t.Errorf("%q: %v", content, err)
		}
		c, problems := config.Load(write(t, "config.yaml", ""), []string{"BRIDGE_BROKER_PASSWORD_FILE=" + file})
		if (c != nil) != (want != "") {
			t.Errorf("%q: check has the problems %v", content, problems)
		}
	}
	if _, err := config.ReadSecretFile(filepath.Join(t.TempDir(), "absent")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
