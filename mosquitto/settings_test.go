package mosquitto_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

// Every variable that compose.yaml and the image set is one of a setting; the bridge would not
// start with another.
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

// What the README takes of mosquitto.conf for Debian's packages says nothing again that Debian's
// own file says, and nothing of the image's paths.
func TestDebianPackages(t *testing.T) {
	command, _, ok := strings.Cut(read(t, "README.md"), " |\n  sudo tee /etc/mosquitto/conf.d/")
	if !ok {
		t.Fatal("the README has no command for conf.d")
	}
	out, err := exec.Command("sh", "-c", command[strings.LastIndex(command, "```sh\n")+len("```sh\n"):]).Output()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(out)) {
		setting, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		// /etc/mosquitto/mosquitto.conf of 2.0.11-1.2+deb12u2
		if slices.Contains([]string{"pid_file", "persistence", "persistence_location", "log_dest", "include_dir"}, setting) || strings.Contains(line, "/mosquitto/config") {
			t.Errorf("line %q", line)
		}
		if setting != "" && setting != "#" {
			left = append(left, strings.TrimSpace(line))
		}
	}
	for line := range strings.Lines(read(t, "mosquitto.conf")) {
		line = strings.TrimSpace(line)
		if slices.Contains(shipped, line) || strings.HasPrefix(line, "persistence") || strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		if !slices.Contains(left, line) {
			t.Errorf("%q is left out", line)
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
