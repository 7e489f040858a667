package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/config"
)

var update = flag.Bool("update", false, "rewrite the generated files and the expected texts")

const (
	sample = "../../config.yaml"

	// rulesBegin is where the generated part of config.yaml ends.
	rulesBegin = "# ---- Rules "
)

// generated compares the file with what it should be, or rewrites it.
func generated(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale, run go test ./plugin/config -update (-want +got):\n%s", file, diff)
	}
}

// TestSample keeps the settings in config.yaml what the table of keys says. The rules below them
// are written by hand.
func TestSample(t *testing.T) {
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	_, rules, ok := strings.Cut(string(data), "\n"+rulesBegin)
	if !ok {
		t.Fatalf("%s has no line that begins with %q", sample, rulesBegin)
	}
	generated(t, sample, sampleSettings()+"\n"+rulesBegin+rules)
}

const sampleHead = `# yaml-language-server: $schema=config.schema.json
#
# The line above is for editors; mqtt-stomp-bridge schema > config.schema.json writes the schema beside this file.
#
# The configuration of mqtt-stomp-bridge. Every setting is here with its default; a setting that is left out or empty
# has its default too. The file works with a Mosquitto on this machine; only auth.jwt needs a secret (32 bytes or more):
#
#   BRIDGE_AUTH_JWT_SECRET=... mqtt-stomp-bridge serve -c config.yaml
#
# A setting may contain ${VAR} for an environment variable, ${VAR:-default} if the variable may be missing, and
# ${VAR:?message} if it must not be empty. Write $${ for a literal ${. Nothing is replaced in access, tables, memory,
# rules and tests. An environment variable BRIDGE_<PATH> overrides a setting: BRIDGE_BROKER_URL for broker.url. Separate list items
# with commas. Relative paths start at this file. SIGHUP reloads the configuration, and so does a change of any file that
# was read.
# Durations: 15s, 5m, 1h30m. Sizes: 64KiB, 256MiB, 1GB, or a number of bytes.
`

func sampleSettings() string {
	var b strings.Builder
	b.WriteString(sampleHead)
	begun := map[string]bool{}
	for _, k := range config.Keys() {
		i := strings.LastIndexByte(k.Path, '.')
		depth := strings.Count(k.Path, ".")
		if !sampleSection(&b, k.Path[:max(i, 0)], begun) {
			b.WriteString("\n")
		}
		comment(&b, depth, k.Meaning)
		comment(&b, depth, sampleFacts(k))
		value := k.Default()
		if k.List && value == "" && !k.Secret && !strings.HasPrefix(k.Path, "auth.") {
			value = "[]"
		}
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), strings.TrimSpace(k.Path[i+1:]+": "+value))
	}
	return b.String()
}

// sampleSection begins the section at path, and the one around it, where they have not begun; it
// reports whether it did.
func sampleSection(b *strings.Builder, path string, begun map[string]bool) bool {
	known := len(begun)
	for _, s := range config.Sections() {
		if begun[s.Path] || path != s.Path && !strings.HasPrefix(path, s.Path+".") {
			continue
		}
		begun[s.Path] = true
		depth := strings.Count(s.Path, ".")
		b.WriteString("\n")
		comment(b, depth, s.Meaning)
		fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", depth), s.Path[strings.LastIndexByte(s.Path, '.')+1:])
	}
	return len(begun) > known
}

// sampleFacts says what a key takes, its default, and when a change takes effect.
func sampleFacts(k config.Key) string {
	facts := "(" + k.Type()
	if d := k.Default(); d != "" {
		facts += "; default " + d
	}
	if k.Reloaded {
		return facts + "; reloaded)"
	}
	return facts + "; needs a restart)"
}

const columns = 120

// comment writes text as comment lines of limited width, without its Markdown.
func comment(b *strings.Builder, depth int, text string) {
	indent := strings.Repeat("  ", depth) + "#"
	line := indent
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "`", "")) {
		if len(line)+1+len(word) > columns {
			b.WriteString(line + "\n")
			line = indent
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

const referenceHead = `# Configuration reference

This page is generated from the table of keys in keys.go. [config.yaml](../../config.yaml) shows every setting in its place.

- A setting that is left out or empty has its default.
- A setting may contain ` + "`${VAR}`" + ` for an environment variable; it is a mistake if the variable is not set.
  ` + "`${VAR:-default}`" + ` uses the default if the variable is not set or empty. ` + "`${VAR:?message}`" + ` reports this message in that case.
  ` + "`$${`" + ` stands for a literal ` + "`${`" + `. Nothing is replaced in access, tables, memory, rules and tests.
- The environment variable in the table overrides the setting. The variable of ` + "`password`" + ` also overrides ` + "`password_file`" + `
  and the other way round; likewise ` + "`secret`" + ` and ` + "`secret_file`" + `. If ` + "`auth.jwt`" + ` is a list, variables override nothing in it:
  write ` + "`${NAME}`" + ` there. Separate list items with commas; a secret is never
  split. An empty variable counts as not set. Any other variable that begins with ` + "`BRIDGE_`" + ` is a mistake, except
  ` + "`BRIDGE_TEST_`" + ` and the variables that Kubernetes sets for its services.
- A relative path starts at the directory of the file that contains it; in an environment variable, at the working directory.
- Durations: ` + "`15s`, `5m`, `24h`, `1h30m`" + `. Sizes: ` + "`64KiB`, `256MiB`, `1GB`" + `, or a number of bytes.
- Reports of mistakes show ` + "`***`" + ` for every value of ` + "`broker` and `auth`" + `, for that of an unknown key, and for a path in these
  sections that leads nowhere: each may be a secret in the wrong place.
- SIGHUP reloads the configuration, and so does a change of any file that was read. A reload applies the settings marked *yes*, and
  ` + "`access`, `tables`, `memory`, `rules` and `tests`" + `. The log names changed settings that need a restart.
- Besides the settings, the file holds ` + "`access`" + `, which says who may subscribe to what, and ` + "`tables`, `memory`, `rules` and `tests`" + `.
  Included files hold only the last three. The [rules' reference](../../examples/README.md) describes all four.
`

// TestReference keeps REFERENCE.md what the table of keys says.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	section := ""
	for _, k := range config.Keys() {
		if s, _, _ := strings.Cut(k.Path, "."); s != section {
			section = s
			fmt.Fprintf(&b, "\n## %s\n\n", s)
			for _, meaning := range config.Sections() {
				if meaning.Path == s || strings.HasPrefix(meaning.Path, s+".") {
					fmt.Fprintf(&b, "- `%s`: %s\n", meaning.Path, meaning.Meaning)
				}
			}
			b.WriteString("\n| Key | Takes | Default | Reloaded | Variable |\n| --- | --- | --- | --- | --- |\n")
			for _, k := range config.Keys() {
				if k.Path == s || strings.HasPrefix(k.Path, s+".") {
					b.WriteString(referenceRow(k))
				}
			}
		}
	}
	generated(t, "REFERENCE.md", strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"))
}

func referenceRow(k config.Key) string {
	value, reloaded := "none", "restart"
	if d := k.Default(); d != "" {
		value = "`" + d + "`"
	}
	if k.Reloaded {
		reloaded = "yes"
	}
	return fmt.Sprintf("| `%s`<br>%s | %s | %s | %s | `%s` |\n", k.Path, k.Meaning, k.Type(), value, reloaded, k.Env())
}

// TestSchema keeps schema.json what the table of keys says.
func TestSchema(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema()); err != nil {
		t.Fatal(err)
	}
	generated(t, "schema.json", b.String())
	if got := string(config.Schema()); got != b.String() && !*update {
		t.Error("Schema() is another schema")
	}
}
