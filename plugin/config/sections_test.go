package config_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/config"
)

// Of a file that is not YAML, the settings are those of the sections that are.
func TestSettingsOfBrokenFile(t *testing.T) {
	const ops = "ops:\n  # where healthcheck asks\n  listen: 127.0.0.1:9999\n"
	for name, test := range map[string]struct{ text, want string }{
		"broken below":        {ops + "rules:\n  - name: [\n", "127.0.0.1:9999"},
		"broken above":        {"broker: {url: [\n" + ops, "127.0.0.1:9999"},
		"an open quote":       {"log: {level: \"debug}\n" + ops + "include: []\n", "127.0.0.1:9999"},
		"a tab":               {"log:\n\tlevel: debug\n" + ops, "127.0.0.1:9999"},
		"a merge that failed": {"<<<<<<< mine\nlog: {level: debug}\n=======\nlog: {level: warn}\n>>>>>>> theirs\n" + ops, "127.0.0.1:9999"},
		"the section itself":  {"ops:\n  listen: [\n", "127.0.0.1:9464"},
		"a variable":          {"rules: [\nops: {listen: '${WHERE}'}\n", "127.0.0.1:7777"},
		"nothing that is one": {"]", "127.0.0.1:9464"},
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		putFile(t, path, test.text)
		c := config.Settings(path, []string{"WHERE=127.0.0.1:7777"})
		if diff := cmp.Diff(test.want, c.Ops.Listen); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
