package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/config"
)

// TestRuleFiles shows what is for rules and keeps all else, line by line.
func TestRuleFiles(t *testing.T) {
	const above = "#~ not shown here: what is not for rules\n"
	for name, c := range map[string]struct{ text, want string }{
		"settings above": {"log:\n  level: info\n\n# What events become.\nrules:\n  - name: a # one\n", above + "#~\n\n# What events become.\nrules:\n  - name: a # one\n"},
		"settings below": {"rules: []\ntests: []\n\n# The broker.\nbroker:\n  url: x\n", "rules: []\ntests: []\n" + above + "#~\n#~\n#~\n"},
		"between":        {"tables:\n  a: {b: c}\naccess:\n - {}\nmemory: {}\n", "tables:\n  a: {b: c}\n" + above + "#~\nmemory: {}\n"},
		"no rules":       {"log: {}\n", above},
		"empty":          {"", ""},
		"a mark":         {"\uFEFFrules: []\r\n", "rules: []\n"},
		"a comment that may be a setting": {"# broker:\n#   url: x\nrules:\n# password: x\n# a comment\n  - {}\n",
			above + "#~\nrules:\n" + above + "# a comment\n  - {}\n"},
		"a line end of YAML": {"log: {} # \u2028rules: []\n", above + "rules: []\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := config.RuleFiles(write(t, "config.yaml", c.text), nil)
			if len(files) != 1 || files[0].Why != "" {
				t.Fatalf("got %+v", files)
			}
			if diff := cmp.Diff(c.want, files[0].Text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRuleFilesShowNoSecret looks at the files that are wrong around a secret, and at those where
// lines are not what they look like.
func TestRuleFilesShowNoSecret(t *testing.T) {
	texts := []string{
		"auth: {jwt: {secret: \"hunter22\nrules: hunter22\nhunter22\"}}\nrules: []\n",
		"auth:\n  jwt:\n    secret: \"a\n# hunter22\n\n# hunter22\"\nrules: []\n",
		"{auth: {jwt: {secret: hunter22}}, rules: []}\n",
		"{auth: {jwt: {secret: hunter22\n}},\nrules: []}\n",
		"rules: []\n---\nauth: {jwt: {secret: hunter22}}\n",
		"rules: []\n...\nhunter22\n",
		"? auth\n: {jwt: {secret: hunter22}}\n? rules\n: []\n",
		"auth:\n? jwt\n: hunter22\nrules: []\n",
		"tables: {a: {b: &s hunter22}}\nauth: {jwt: {secret: *s}}\n",
		"# auth:\n#   jwt: {secret: hunter22}\nrules: []\n",
		"rules: []\n# auth:\n#   jwt:\n#     secret:\n#       - hunter22\n",
		"# mqtt://u:hunter22@host\nrules: []\n",
		"rules: []\n# mqtt://u:hunter22@host\ntests: []\n",
		"# hunter22\nlog: {level: info}\n",
		"%TAG ! hunter22:\n--- # hunter22\nrules: []\n",
	}
	for _, text := range append(texts, wrongAroundSecrets...) {
		for _, text := range []string{text, text + "\nrules: []\n", "rules: []\n" + text} {
			for _, f := range config.RuleFiles(write(t, "config.yaml", text), nil) {
				if strings.Contains(f.Text+f.Why, "hunter22") {
					t.Errorf("%q is shown as %q, %q", text, f.Text, f.Why)
				}
			}
		}
	}
}

// TestRuleFilesOfIncludes shows included files too, unless they are something else.
func TestRuleFilesOfIncludes(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("a.inc", "rules: []\n")
	put("b.inc", canary)
	put("c.inc", "rules: []\nkey: "+canary+"\n")
	got := config.RuleFiles(put("config.yaml", "include: ['*.inc', none.yaml]\n"), nil)
	want := []config.RuleFile{
		{Name: filepath.Join(dir, "config.yaml"), Text: "#~ not shown here: what is not for rules\n"},
		{Name: filepath.Join(dir, "a.inc"), Text: "rules: []\n"},
		{Name: filepath.Join(dir, "b.inc"), Why: "its keys do not stand at the beginning of a line each"},
		{Name: filepath.Join(dir, "c.inc"), Text: "rules: []\n#~ not shown here: what is not for rules\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
