package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

const editedRules = `rules:
  - {name: a, topic: a, payload: text, queue: /queue/channel/connected, fields: {id: '=uuid("a", payload)', name: =payload, source: x, source_channel_id: y}}
`

// TestCheckEdited checks other texts than the files hold, which stay as they are.
func TestCheckEdited(t *testing.T) {
	dir := t.TempDir()
	main, included := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "a.inc")
	const settings = "log: {level: loud}\ninclude: [a.inc]\naccess: [{queue: '*', allow: 'table.users[user] == \"yes\"'}]\n"
	for name, text := range map[string]string{main: settings + "tables: {users: {u: 'yes'}}\n", included: "rules: [}\n", filepath.Join(dir, "s.txt"): canary} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		texts    map[string]string
		good     bool
		problems []string
		others   []string
	}{
		"as it is": {map[string]string{}, false, nil, []string{
			"a.inc:1:9: YAML: did not find expected node content", `config.yaml:1:14: log.level: "loud" is not one of debug, info, warn, error`}},
		"mended": {map[string]string{main: "tables: {users: {u: 'yes'}}\n", included: editedRules}, true, nil, []string{
			`config.yaml:1:14: log.level: "loud" is not one of debug, info, warn, error`}},
		"a table that access needs": {map[string]string{main: "", included: editedRules}, true, nil, []string{
			"config.yaml:3:37: unknown field users", `config.yaml:1:14: log.level: "loud" is not one of debug, info, warn, error`}},
		"a setting": {map[string]string{main: "include: [x]\naccess: []\nlog: {}\n"}, false, []string{
			`config.yaml:1:1: only tables, memory, rules and tests can be edited here, not "include"`,
			`config.yaml:2:1: only tables, memory, rules and tests can be edited here, not "access"`,
			`config.yaml:3:1: only tables, memory, rules and tests can be edited here, not "log"`}, nil},
		"a file that nobody names": {map[string]string{main: "tables: {users: {u: 'yes'}}\ntests:\n - {topic: a, file: s.txt, expect: filtered}\n", included: editedRules}, false, []string{
			`config.yaml:3:21: file: "s.txt": is not among the files that the configuration names so far, which are all that can be read here`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := config.CheckEdited(main, nil, c.texts)
			if (e.Mapper != nil) != c.good {
				t.Errorf("got a mapper: %t, want %t", e.Mapper != nil, c.good)
			}
			if diff := cmp.Diff(c.problems, shortProblems(dir, e.Problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.others, shortProblems(dir, e.Others)); c.others != nil && diff != "" {
				t.Errorf("others (-want +got):\n%s", diff)
			}
		})
	}
}

func shortProblems(dir string, problems []source.Problem) (texts []string) {
	for _, p := range problems {
		texts = append(texts, strings.TrimPrefix(p.Error(), dir+"/"))
	}
	return texts
}

// TestEditedTakesUpNoSetting tries to have the settings that a file holds shown by what is written
// around them.
func TestEditedTakesUpNoSetting(t *testing.T) {
	main := write(t, "config.yaml", "auth: {jwt: {secret: &s "+canary+"}}\nbroker: {url: 'mqtt://u:"+canary+"@host', password: "+canary+"}\n"+
		"tests: [{name: "+canary+"}]\n")
	for _, text := range []string{
		editedRules + "tests:\n  - topic: a\n    expect: filtered\n    text: \"\n",
		editedRules + "tests:\n  - topic: a\n    expect: filtered\n    text: |\n",
		editedRules + "tests:\n  - topic: a\n    expect: filtered\n    text: *s\n",
		editedRules + "tests:\n  - topic: a\n    expect: filtered\n    file: config.yaml\n",
		editedRules + "tests:\n  - topic: a\n    expect: filtered\n    text: '${BRIDGE_AUTH_JWT_SECRET}'\n",
		"rules: [\n", "auth: {jwt: {secret: x}}\n", "include: config.yaml\n" + editedRules,
	} {
		e := config.CheckEdited(main, []string{"BRIDGE_AUTH_JWT_SECRET=" + canary}, map[string]string{main: text})
		said := strings.Join(shortProblems("", e.Problems), "\n")
		for _, p := range e.Problems {
			said += p.String()
		}
		for _, p := range e.Others {
			said += config.Kind(p)
		}
		if e.Mapper != nil {
			for r := range e.Mapper.TestSeq() {
				said += r.Name + r.Diff
			}
		}
		if strings.Contains(said, canary) {
			t.Errorf("%q shows the secret: %s", text, said)
		}
	}
}
