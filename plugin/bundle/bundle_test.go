package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// A file is one of a tarball.
type file struct{ name, content string }

func tarball(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(f.content, "-> "); ok {
			header.Typeflag, header.Linkname, header.Size = tar.TypeSymlink, target, 0
			f.content = ""
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func integrity(data []byte) string {
	sum := sha512.Sum512(data)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// packageOf returns the tarball of a package with one module.
func packageOf(t *testing.T, name, module string) []byte {
	return tarball(t,
		file{"package/package.json", `{"name": "` + name + `", "module": "m.js"}`},
		file{"package/m.js", module},
		file{"package/LICENSE", "Copyright of " + name + "\n"})
}

// A registry has tarballs by path, and counts what it is asked for.
type registry struct {
	*httptest.Server
	tarballs map[string][]byte
	asked    []string
}

func startRegistry(t *testing.T, tarballs map[string][]byte) *registry {
	r := &registry{tarballs: tarballs}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.asked = append(r.asked, request.URL.Path)
		data, ok := r.tarballs[request.URL.Path]
		if !ok {
			http.NotFound(w, request)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(r.Close)
	return r
}

type entry map[string]any

// project writes a source folder and returns what makes its bundle.
func project(t *testing.T, registry string, sources map[string]string, packages map[string]entry) (maker, bundle) {
	t.Helper()
	root := t.TempDir()
	lock, err := json.Marshal(map[string]any{"lockfileVersion": 3, "packages": packages})
	if err != nil {
		t.Fatal(err)
	}
	sources["package-lock.json"] = string(lock)
	for name, content := range sources {
		path := filepath.Join(root, "source", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := maker{root: root, store: store{folder: filepath.Join(t.TempDir(), "cache"), registry: registry, progress: io.Discard}}
	return m, bundle{source: "source", entries: map[string]string{"main": "main.ts"}}
}

func TestBundle(t *testing.T) {
	outer := packageOf(t, "outer", "import { word } from '@x/inner'; /*! kept comment */ export const outer = `outer ${word}`;")
	old, current := packageOf(t, "@x/inner", "export const word = 'old';"), packageOf(t, "@x/inner", "export const word = 'new';")
	r := startRegistry(t, map[string][]byte{
		"/outer/-/outer-1.0.0.tgz": outer, "/@x/inner/-/inner-1.2.3.tgz": old, "/@x/inner/-/inner-2.0.0.tgz": current,
	})
	m, b := project(t, r.URL, map[string]string{
		"main.ts": "import { outer } from 'outer'; import { word } from '@x/inner'; import './main.css';\n" +
			"export const texts: string[] = [outer, word];\nconst unused = 1;",
		"main.css":                  "a { color: red }",
		"page.html":                 `<link href="/icon.svg"><script src="/main.ts"></script>`,
		"public/icon.svg":           "<svg/>",
		"node_modules/outer/m.js":   "export const outer = 'installed by npm';",
		"node_modules/outer/x.json": "",
	}, map[string]entry{
		"":                   {"name": "project"},
		"node_modules/outer": {"version": "1.0.0", "integrity": integrity(outer), "license": "MIT", "resolved": npmjs + "/outer/-/outer-1.0.0.tgz"},
		"node_modules/outer/node_modules/@x/inner": {"version": "1.2.3", "integrity": integrity(old), "license": "ISC"},
		"node_modules/@x/inner":                    {"version": "2.0.0", "integrity": "sha1-x " + integrity(current)},
		"node_modules/tool":                        {"version": "1.0.0", "dev": true},
		"node_modules/native":                      {"version": "1.0.0", "optional": true, "os": []string{"aix"}},
	})
	b.page, b.public = "page.html", "public"
	first, err := m.make(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	code := string(first["main.js"])
	for _, want := range []string{"outer ${", `"old"`, `"new"`} {
		if !strings.Contains(code, want) {
			t.Errorf("%q is not in main.js: %s", want, code)
		}
	}
	for _, not := range []string{"installed by npm", "kept comment", "unused", "string[]"} {
		if strings.Contains(code, not) {
			t.Errorf("%q is in main.js: %s", not, code)
		}
	}
	for _, want := range []string{"outer 1.0.0: MIT", "@x/inner 1.2.3: ISC", "Copyright of outer", "kept comment"} {
		if !strings.Contains(string(first["LICENSES.txt"]), want) {
			t.Errorf("%q is not in LICENSES.txt: %s", want, first["LICENSES.txt"])
		}
	}
	if got := string(first["page.html"]); !regexp.MustCompile(`^<link href="icon\.svg\?v=[0-9a-f]{12}"><script src="main\.js\?v=[0-9a-f]{12}"></script>$`).MatchString(got) {
		t.Errorf("the page is %s", got)
	}
	if got := strings.TrimSpace(string(first["main.css"])); got != "a{color:red}" {
		t.Errorf("main.css is %q", got)
	}

	asked := len(r.asked)
	second, err := m.make(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second run differs (-first +second):\n%s", diff)
	}
	if asked != 3 || len(r.asked) != 3 {
		t.Errorf("the registry was asked for %q, want each package once", r.asked)
	}
}

// A tarball whose content is not what the lock file was made from is refused also when it stands in
// the cache.
func TestBundleChecksWhatItHasKept(t *testing.T) {
	data := packageOf(t, "a", "export const a = 1;")
	r := startRegistry(t, map[string][]byte{"/a/-/a-1.0.0.tgz": data})
	m, b := project(t, r.URL, map[string]string{"main.ts": "export * from 'a';"},
		map[string]entry{"node_modules/a": {"version": "1.0.0", "integrity": integrity(data)}})
	if _, err := m.make(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(m.store.folder, "*.tgz"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %q, %v", kept, err)
	}
	if err := os.WriteFile(kept[0], packageOf(t, "a", "export const a = 'changed';"), 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := m.make(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(files["main.js"]), "changed") || len(r.asked) != 2 {
		t.Errorf("it took what was kept: %s, asked for %q", files["main.js"], r.asked)
	}
}

func TestBundleRefuses(t *testing.T) {
	good := packageOf(t, "a", "export const a = 1;")
	outside := tarball(t, file{"package/../../../escaped", "x"})
	absolute := tarball(t, file{"/tmp/escaped", "x"})
	symlink := tarball(t, file{"package/link", "-> /etc/passwd"})
	r := startRegistry(t, map[string][]byte{"/a/-/a-1.0.0.tgz": good, "/outside": outside, "/absolute": absolute, "/link": symlink})
	gone := httptest.NewServer(nil)
	gone.Close()

	tests := map[string]struct {
		place    string
		entry    entry
		registry string
		want     string
	}{
		"another content":    {entry: entry{"version": "1.0.0", "integrity": integrity(outside)}, want: "package a 1.0.0: what " + r.URL + "/a/-/a-1.0.0.tgz has is not what the lock file was made from: its sha512 differs"},
		"nobody answers":     {entry: entry{"version": "1.0.0", "integrity": integrity(good)}, registry: gone.URL, want: "package a 1.0.0: fetching it: Get \"" + gone.URL + "/a/-/a-1.0.0.tgz\": "},
		"not found":          {entry: entry{"version": "1.0.1", "integrity": integrity(good)}, want: "package a 1.0.1: fetching " + r.URL + "/a/-/a-1.0.1.tgz: 404 Not Found"},
		"a path outside":     {entry: entry{"version": "1.0.0", "integrity": integrity(outside), "resolved": r.URL + "/outside"}, want: `package a 1.0.0: unpacking "package/../../../escaped": want files inside one folder, and nothing else`},
		"an absolute path":   {entry: entry{"version": "1.0.0", "integrity": integrity(absolute), "resolved": r.URL + "/absolute"}, want: `package a 1.0.0: unpacking "/tmp/escaped": want files inside one folder, and nothing else`},
		"a link in it":       {entry: entry{"version": "1.0.0", "integrity": integrity(symlink), "resolved": r.URL + "/link"}, want: `package a 1.0.0: unpacking "package/link": want files inside one folder, and nothing else`},
		"no integrity":       {entry: entry{"version": "1.0.0"}, want: `package-lock.json: package "node_modules/a": integrity is "", want sha512`},
		"a weak integrity":   {entry: entry{"version": "1.0.0", "integrity": "sha1-xxx"}, want: `package-lock.json: package "node_modules/a": integrity is "sha1-xxx", want sha512`},
		"a link":             {entry: entry{"link": true, "resolved": "../a"}, want: `package-lock.json: package "node_modules/a": it does not come from a registry`},
		"a workspace":        {place: "packages/a", entry: entry{"version": "1.0.0"}, want: `package-lock.json: package "packages/a": it does not come from a registry`},
		"git":                {entry: entry{"version": "1.0.0", "resolved": "git+ssh://x/y.git"}, want: `package-lock.json: package "node_modules/a": resolved is "git+ssh://x/y.git", want a URL of a registry`},
		"a place outside":    {place: "node_modules/../../a", entry: entry{"version": "1.0.0"}, want: `package-lock.json: package "node_modules/../../a": "../../a" is no name of a package`},
		"a version as path":  {entry: entry{"version": "../1"}, want: `package-lock.json: package "node_modules/a": "../1" is no version`},
		"absent in the lock": {place: "node_modules/b", entry: entry{"dev": true}, want: `Could not resolve "a"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			place, from := test.place, test.registry
			if place == "" {
				place = "node_modules/a"
			}
			if from == "" {
				from = r.URL
			}
			m, b := project(t, from, map[string]string{"main.ts": "export * from 'a';"}, map[string]entry{place: test.entry})
			_, err := m.make(t.Context(), b)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestUnpackIsBounded(t *testing.T) {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: "package/zeros", Size: mostUnpacked, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range mostUnpacked / len(zeros) {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	zipped.Close()
	err := unpack(b.Bytes(), t.TempDir())
	if err == nil || !strings.HasPrefix(err.Error(), "unpacking") {
		t.Errorf("got %v for %d bytes that become more than %d, want an error", err, b.Len(), mostUnpacked)
	}
}

func TestRegistryOf(t *testing.T) {
	for _, test := range []struct {
		environ []string
		want    string
	}{
		{nil, npmjs},
		{[]string{"npm_config_registry="}, npmjs},
		{[]string{"npm_config_registry=http://127.0.0.1:4873/"}, "http://127.0.0.1:4873"},
		{[]string{"NPM_CONFIG_REGISTRY=https://npm.example/all"}, "https://npm.example/all"},
	} {
		if got := registryOf(test.environ); got != test.want {
			t.Errorf("registry of %q: %s, want %s", test.environ, got, test.want)
		}
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".gitignore", "old.js"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := replace(dir, outputs{"new.js": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{".gitignore", "new.js"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What stands in the folders that are embedded is what the sources and the lock files come to.
func TestBundlesAreCurrent(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	m := maker{root: "../..", store: store{folder: filepath.Join(cache, cacheFolder), progress: io.Discard}}
	for _, b := range bundles {
		t.Run(b.source, func(t *testing.T) {
			out := filepath.Join(m.root, b.out)
			licences, err := os.ReadFile(filepath.Join(out, licencesFile))
			bridgetest.Need(t, "the bundle of "+b.source+" (go generate ./...)", err == nil && len(licences) > 0)
			files, err := m.make(t.Context(), b)
			if err != nil {
				t.Fatalf("%v\ngo generate ./... fetches and bundles", err)
			}
			for name, want := range files {
				if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s is not what its sources come to (%v): run go generate ./...", filepath.Join(b.out, name), err)
				}
			}
		})
	}
}
