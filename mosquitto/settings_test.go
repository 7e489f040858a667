package mosquitto_test

import (
	"regexp"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

// Every variable that compose.yaml and the image set is one of a setting; the bridge would not start with another.
func TestVariablesAreSettings(t *testing.T) {
	known := map[string]bool{}
	for _, k := range config.Keys() {
		known[k.Env()] = true
	}
	for _, file := range []string{"compose.yaml", "../Dockerfile"} {
		names := regexp.MustCompile(`BRIDGE_[A-Z_]+`).FindAllString(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s sets no variable", file)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: no setting has the variable %s", file, name)
			}
		}
	}
}

// What the README advises is what mosquitto.conf says.
func TestAdviceIsConfigured(t *testing.T) {
	readme := read(t, "README.md")
	for line := range strings.Lines(read(t, "mosquitto.conf")) {
		setting, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		advice := setting == "persistence" || strings.HasPrefix(setting, "max_") || strings.HasPrefix(setting, "autosave_") || strings.HasPrefix(setting, "set_")
		if advice && !strings.Contains(readme, "| `"+setting+"` | `"+value+"`") {
			t.Errorf("the README does not advise %s %s", setting, value)
		}
	}
}
