// Package packaging_test makes releases and installs them.
package packaging_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// What the environment says: where goreleaser is, and whether to make all of a release, with nothing
// taken from Go's cache the second time. Otherwise it is what is for Linux on amd64.
const (
	goreleaserVariable = "BRIDGE_TEST_GORELEASER"
	wholeVariable      = "BRIDGE_TEST_WHOLE_RELEASE"
)

// command runs a command in dir and returns what it prints.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return commandIn(t, dir, nil, args...)
}

func commandIn(t *testing.T, dir string, environ []string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), environ...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%q in %s: %v\n%s", args, dir, err, out)
	}
	return string(out)
}

// makeRelease makes a release of a clone of source in dir with the mask, and returns its dist.
func makeRelease(t *testing.T, source, dir, mask string, environ ...string) string {
	t.Helper()
	masked := func(where, line string) {
		commandIn(t, where, append(environ, "VERSION=1.0.0"), "bash", "-c", "umask "+mask+"; exec "+line)
	}
	masked(source, "git clone --quiet . "+dir)
	if os.Getenv(wholeVariable) == "" {
		keepFirstTarget(t, filepath.Join(dir, ".goreleaser.yaml"))
	}
	masked(dir, "$"+goreleaserVariable+" release --snapshot --clean")
	masked(dir, "plugin/packaging/image $VERSION $(git log -1 --format='%H %cI')")
	return filepath.Join(dir, "dist")
}

// keepFirstTarget takes all targets but the first from the file.
func keepFirstTarget(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^( +targets:\n +- linux_amd64\n)(?: +- \w+\n)+`)
	if n := len(targets.FindAll(text, -1)); n != 1 {
		t.Fatalf("%s has %d lists of targets that begin with linux_amd64", file, n)
	}
	if err := os.WriteFile(file, targets.ReplaceAll(text, []byte("$1")), 0o644); err != nil {
		t.Fatal(err)
	}
}

var first struct {
	once sync.Once
	dist string
}

// release returns the dist of a release that the tests share.
func release(t *testing.T) string {
	t.Helper()
	bridgetest.Need(t, "goreleaser at "+goreleaserVariable, os.Getenv(goreleaserVariable) != "")
	mosquittotest.Look(t, "buildah")
	bridgetest.Need(t, "root, to make an image", os.Getuid() == 0)
	bridgetest.Need(t, "a checkout with git", exec.Command("git", "rev-parse").Run() == nil)
	first.once.Do(func() { first.dist = makeRelease(t, "../..", filepath.Join(shared, "first"), "022") })
	if first.dist == "" {
		t.Fatal("the release was not made, see above")
	}
	return first.dist
}

// shared is a folder for all tests.
var shared string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "release")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		shared = dir
		return m.Run()
	}())
}

// sums are the checksums of what a dist has for users, by name.
func sums(t *testing.T, dist string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, f := range list {
		switch f.Name() {
		case "config.yaml", "artifacts.json", "metadata.json": // goreleaser's own, with paths and times
			continue
		}
		if f.IsDir() { // a program
			continue
		}
		data, err := os.ReadFile(filepath.Join(dist, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[f.Name()] = fmt.Sprintf("%x", sha256.Sum256(data))
		t.Logf("%s %9d %s", sums[f.Name()][:16], len(data), f.Name())
	}
	return sums
}

// Two people who make a release of one commit, in different folders, time zones and languages and
// with different masks, get the same bytes.
func TestReproducible(t *testing.T) {
	t.Parallel()
	want := sums(t, release(t))
	environ := []string{"TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8"}
	if os.Getenv(wholeVariable) != "" {
		environ = append(environ, "GOCACHE="+t.TempDir())
	}
	// Of the first clone, since there may be another commit by now.
	got := sums(t, makeRelease(t, filepath.Dir(release(t)), filepath.Join(t.TempDir(), "a", "second"), "077", environ...))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	kinds := map[string]bool{}
	for name := range got {
		kinds[filepath.Ext(name)] = true
	}
	for _, kind := range []string{".deb", ".rpm", ".apk", ".gz", ".tar", ".txt", ".json"} {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
}

// Whatever the pages of a release link to is in it too.
func TestLinks(t *testing.T) {
	t.Parallel()
	docs := filepath.Join(release(t), "../plugin/packaging/staged/doc")
	link := regexp.MustCompile(`\]\(([^)#:\s]+)[^):\s]*\)`)
	pages := 0
	err := filepath.WalkDir(docs, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		for _, m := range link.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), string(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
		return err
	})
	if err != nil || pages < 10 {
		t.Errorf("%d pages, %v", pages, err)
	}
}

// The .rpm and the .apk have the files of the .deb, at the places of their systems.
func TestPackages(t *testing.T) {
	t.Parallel()
	dist := release(t)
	for _, program := range []string{"dpkg-deb", "rpm", "tar"} {
		mosquittotest.Look(t, program)
	}
	common := []string{
		"/etc/mqtt-stomp-bridge/config.yaml", "/usr/bin/mqtt-stomp-bridge", "/usr/share/man/man1/mqtt-stomp-bridge.1.gz",
		"/usr/share/bash-completion/completions/mqtt-stomp-bridge", "/usr/share/doc/mqtt-stomp-bridge/README.md",
		"/usr/share/doc/mqtt-stomp-bridge/THIRD-PARTY-LICENSES", "/usr/share/doc/mqtt-stomp-bridge/examples/chat/rules.yaml",
	}
	const unit = "/usr/lib/systemd/system/mqtt-stomp-bridge.service"
	for kind, test := range map[string]struct {
		list []string
		own  []string
	}{
		"deb": {[]string{"dpkg-deb", "--fsys-tarfile", "mqtt-stomp-bridge_1.0.0_amd64.deb"}, []string{unit, "/usr/share/doc/mqtt-stomp-bridge/copyright"}},
		"rpm": {[]string{"rpm", "-qpl", "mqtt-stomp-bridge-1.0.0-1.x86_64.rpm"}, []string{unit, "/usr/share/licenses/mqtt-stomp-bridge/LICENSE"}},
		"apk": {[]string{"tar", "-tf", "mqtt-stomp-bridge_1.0.0_x86_64.apk", "--warning=no-unknown-keyword"}, []string{"/etc/init.d/mqtt-stomp-bridge"}},
	} {
		script := strings.Join(test.list, " ")
		if kind == "deb" {
			script += " | tar -t"
		}
		files := map[string]bool{}
		for line := range strings.Lines(command(t, dist, "sh", "-c", script)) {
			files["/"+strings.TrimLeft(strings.TrimSpace(line), "./")] = true
		}
		for _, want := range append(common, test.own...) {
			if !files[want] {
				t.Errorf("the .%s has no %s", kind, want)
			}
		}
		for file := range files {
			if strings.Contains(file, "/load/") || strings.Contains(file, "node_modules") || strings.HasSuffix(file, "_test.go") {
				t.Errorf("the .%s has %s", kind, file)
			}
		}
	}
	flags := command(t, dist, "rpm", "-qp", "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", "mqtt-stomp-bridge-1.0.0-1.x86_64.rpm")
	if !strings.Contains(flags, "/etc/mqtt-stomp-bridge/config.yaml cn\n") { // configuration, not replaced
		t.Errorf("the files of the .rpm: %s", flags)
	}

	root := t.TempDir()
	command(t, dist, "rpm", "--root", root, "--install", "--nodeps", "--noscripts", "mqtt-stomp-bridge-1.0.0-1.x86_64.rpm")
	if said := command(t, root, "usr/bin/mqtt-stomp-bridge", "version"); !strings.HasPrefix(said, "mqtt-stomp-bridge 1.0.0 (commit ") {
		t.Errorf("the program of the .rpm says %s", said)
	}
}

// read decodes the blob of an OCI layout, or its index.
func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// A blob is named by the descriptors of an OCI layout.
type blob struct{ Digest string }

func (b blob) in(layout string) string {
	return filepath.Join(layout, "blobs", strings.Replace(b.Digest, ":", "/", 1))
}

// The image of a release has the files, the user and the settings that the Dockerfile's has.
func TestImage(t *testing.T) {
	t.Parallel()
	layout := t.TempDir()
	command(t, release(t), "tar", "-x", "-C", layout, "-f", "mqtt-stomp-bridge_1.0.0_image.tar")
	var index, platforms struct{ Manifests []blob }
	read(t, filepath.Join(layout, "index.json"), &index)
	read(t, index.Manifests[0].in(layout), &platforms)
	for _, platform := range platforms.Manifests {
		var manifest struct {
			Config blob
			Layers []blob
		}
		read(t, platform.in(layout), &manifest)
		files := command(t, layout, "tar", "--numeric-owner", "-tvzf", manifest.Layers[0].in(layout))
		files = regexp.MustCompile(`(?m)^(\S+) +(\S+) .* (\S+)$`).ReplaceAllString(files, "$1 $2 $3")
		want := `drwxr-xr-x 10001/10001 data/
drwxr-xr-x 0/0 etc/
drwxr-xr-x 0/0 etc/mqtt-stomp-bridge/
-rw-r--r-- 0/0 etc/mqtt-stomp-bridge/config.yaml
drwxr-xr-x 0/0 etc/ssl/
drwxr-xr-x 0/0 etc/ssl/certs/
-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt
drwxr-xr-x 10001/10001 tmp/
drwxr-xr-x 0/0 usr/
drwxr-xr-x 0/0 usr/local/
drwxr-xr-x 0/0 usr/local/bin/
-rwxr-xr-x 0/0 usr/local/bin/mqtt-stomp-bridge
`
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		var got struct {
			OS     string `json:"os"`
			Config map[string]any
		}
		read(t, manifest.Config.in(layout), &got)
		labels, _ := got.Config["Labels"].(map[string]any)
		if version := labels["org.opencontainers.image.version"]; version != "1.0.0" {
			t.Errorf("the label says that the version is %v", version)
		}
		delete(got.Config, "Labels")
		settings := map[string]any{
			"User": "10001:10001", "WorkingDir": "/etc/mqtt-stomp-bridge",
			"Env":        []any{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "BRIDGE_SERVER_LISTEN=0.0.0.0:8080", "BRIDGE_JOURNAL_DIR=/data"},
			"Entrypoint": []any{"/usr/local/bin/mqtt-stomp-bridge"}, "Cmd": []any{"serve"},
			"Volumes": map[string]any{"/data": map[string]any{}}, "ExposedPorts": map[string]any{"8080/tcp": map[string]any{}},
		}
		if diff := cmp.Diff(settings, got.Config); diff != "" || got.OS != "linux" {
			t.Errorf("settings for %s (-want +got):\n%s", got.OS, diff)
		}
	}
	if os.Getenv(wholeVariable) != "" && len(platforms.Manifests) != 4 || len(platforms.Manifests) == 0 {
		t.Errorf("the image is for %d platforms", len(platforms.Manifests))
	}
}
