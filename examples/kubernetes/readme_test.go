package kubernetes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What README.md names exists: files, links, objects, keys of the Secret.
func TestReadmeNames(t *testing.T) {
	text := readme(t)
	for _, m := range regexp.MustCompile("`((?:base|single|replicas|monitoring)(?:/[a-z.]+)?)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("README.md names %s: %v", m[1], err)
		}
	}
	m, err := decode(build(t, "single", "replicas"))
	if err != nil {
		t.Fatal(err)
	}
	if named[*core.Service](m, name).Name == "" || !strings.Contains(text, "statefulset/"+name+" ") || !strings.Contains(text, "pod/"+name+"-0 ") {
		t.Errorf("README.md does not name %s", name)
	}
	for _, key := range secrets {
		if !strings.Contains(text, "--from-file="+key) {
			t.Errorf("README.md does not make the key %s", key)
		}
	}
}

// The commands that need no cluster do what README.md says.
func TestReadmeChecks(t *testing.T) {
	block := regexp.MustCompile("(?s)```sh\n(mkdir -p checked.*?)```").FindStringSubmatch(readme(t))
	if block == nil {
		t.Fatal("README.md does not check the configuration")
	}
	dir := t.TempDir()
	for _, d := range []string{"base", "single", "replicas"} {
		if err := os.CopyFS(filepath.Join(dir, d), os.DirFS(d)); err != nil {
			t.Fatal(err)
		}
	}
	binary := buildBridge(t)
	for _, d := range []string{"single", "replicas"} {
		c := exec.Command("bash", "-ec", strings.ReplaceAll(block[1], "single", d))
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", d, err, out)
		}
	}
}
