// Package systemd_test checks the unit that this directory ships.
package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

const (
	unit          = "mqtt-stomp-bridge.service"
	installed     = "/usr/local/bin/mqtt-stomp-bridge"
	configuration = "/etc/mqtt-stomp-bridge/config.yaml"
)

// directives are the unit's values of a name, with continued lines joined.
func directives(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", "")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// A place is where a test puts what the unit names.
type place struct {
	binary, config, state, credentials string
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{bridgetest.BuildFor(t), filepath.Join(t.TempDir(), "config.yaml"), t.TempDir(), t.TempDir()}
	config, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{p.config: config, filepath.Join(p.credentials, "jwt_secret"): bytes.Repeat([]byte("s"), 64)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// command is an Exec line as systemd would run it, in p.
func (p place) command(t *testing.T, line string, environ ...string) *exec.Cmd {
	t.Helper()
	words := strings.Fields(strings.NewReplacer(installed, p.binary, configuration, p.config).Replace(line))
	c := exec.Command(words[0], words[1:]...)
	c.Env = environ
	for _, e := range directives(t, "Environment") {
		c.Env = append(c.Env, strings.Fields(strings.NewReplacer("%S/mqtt-stomp-bridge", p.state, "%d", p.credentials).Replace(e))...)
	}
	return c
}

// The command lines and the environment of the unit are a bridge that serves, reloads and ends.
func TestUnitServes(t *testing.T) {
	p := newPlace(t)
	ops := mosquittotest.FreeAddr(t)
	environ := []string{"BRIDGE_OPS_LISTEN=" + ops, "BRIDGE_SERVER_LISTEN=" + mosquittotest.FreeAddr(t), "BRIDGE_BROKER_URL=mqtt://" + mosquittotest.FreeAddr(t)}
	start := directives(t, "ExecStart")
	if len(start) != 1 {
		t.Fatalf("ExecStart: %q", start)
	}
	serve := p.command(t, start[0], environ...)
	running := bridgetest.Start(t, serve, ops)
	bridgetest.Eventually(t, "the bridge to come to life", func() bool {
		return p.command(t, installed+" healthcheck --live -c "+configuration, environ...).Run() == nil
	})
	running.Stop()
	if journal, _ := filepath.Glob(filepath.Join(p.state, "*")); len(journal) == 0 {
		t.Error("there is no journal in the state directory")
	}
}

// A reload takes a good configuration and refuses a bad one, both without the credentials, which
// systemd shows to ExecStart alone.
func TestUnitReloads(t *testing.T) {
	p := newPlace(t)
	reload := directives(t, "ExecReload")
	if len(reload) != 2 || reload[1] != `/bin/sh -c "kill -HUP $MAINPID"` {
		t.Fatalf("ExecReload: %q", reload)
	}
	p.credentials = filepath.Join(p.credentials, "absent")
	if out, err := p.command(t, reload[0]).CombinedOutput(); err != nil {
		t.Errorf("a good configuration: %v\n%s", err, out)
	}
	if err := os.WriteFile(p.config, []byte("rulez: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := p.command(t, reload[0]).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `unknown key "rulez"`) || strings.Contains(string(out), "BRIDGE_") {
		t.Errorf("a bad configuration: %v\n%s", err, out)
	}
}

// systemd takes the unit, without a word, and finds little that it leaves open.
func TestUnitVerifies(t *testing.T) {
	analyze := mosquittotest.Look(t, "systemd-analyze")
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	withPassword := strings.NewReplacer("#LoadCredential", "LoadCredential", "#Environment", "Environment", installed, bridgetest.BuildFor(t))
	file := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(file, []byte(withPassword.Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", file},
		{"security", "--offline=true", "--no-pager", "--threshold=15", file}, // tenths
	} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
