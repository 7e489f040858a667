package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A pkg is a package of a lock file, at the place where it is to be unpacked.
type pkg struct {
	place    string // such as node_modules/a/node_modules/b
	name     string
	version  string
	resolved string // the tarball's URL; "": where the registry has it
	sum      []byte // SHA-512 of the tarball
	licence  string // by name, such as MIT
}

func (p pkg) String() string { return p.name + " " + p.version }

// locked is what is read of an entry in a package-lock.json of version 3.
type locked struct {
	Name                         string // of the package, where its place has another
	Version, Resolved, Integrity string
	Licence                      string `json:"license"`
	Dev, DevOptional, Optional   bool
	Link, InBundle               bool
}

// readLock returns the packages that a browser needs, in the order of their places: those for
// development are left out, and optional ones, which are made for one operating system.
func readLock(file string) ([]pkg, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var lock struct {
		Version  int `json:"lockfileVersion"`
		Packages map[string]locked
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Base(file), err)
	}
	if lock.Version != 3 {
		return nil, fmt.Errorf("%s has lockfileVersion %d, want 3: npm 7 and later write it", filepath.Base(file), lock.Version)
	}
	var packages []pkg
	for _, place := range slices.Sorted(maps.Keys(lock.Packages)) {
		l := lock.Packages[place]
		if place == "" || l.Dev || l.DevOptional || l.Optional {
			continue
		}
		p, err := l.pkg(place)
		if err != nil {
			return nil, fmt.Errorf("%s: package %q: %w", filepath.Base(file), place, err)
		}
		packages = append(packages, p)
	}
	return packages, nil
}

var (
	nameForm    = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)
	versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]*$`)
)

// pkg checks all that becomes a path or a URL.
func (l locked) pkg(place string) (pkg, error) {
	steps := strings.Split("/"+place, "/node_modules/")
	for _, name := range steps[1:] {
		if !nameForm.MatchString(name) {
			return pkg{}, fmt.Errorf("%q is no name of a package", name)
		}
	}
	name := steps[len(steps)-1]
	if l.Name != "" { // an alias
		name = l.Name
	}
	switch {
	case len(steps) < 2 || steps[0] != "" || l.Link || l.InBundle:
		return pkg{}, errors.New("it does not come from a registry")
	case !nameForm.MatchString(name):
		return pkg{}, fmt.Errorf("%q is no name of a package", name)
	case !versionForm.MatchString(l.Version):
		return pkg{}, fmt.Errorf("%q is no version", l.Version)
	case l.Resolved != "" && !strings.HasPrefix(l.Resolved, "https://") && !strings.HasPrefix(l.Resolved, "http://"):
		return pkg{}, fmt.Errorf("resolved is %q, want a URL of a registry", l.Resolved)
	}
	sum, err := sumOf(l.Integrity)
	return pkg{place: place, name: name, version: l.Version, resolved: l.Resolved, sum: sum, licence: l.Licence}, err
}

// sumOf returns the SHA-512 of an integrity, which may have others beside it.
func sumOf(integrity string) ([]byte, error) {
	for _, text := range strings.Fields(integrity) {
		encoded, ok := strings.CutPrefix(text, "sha512-")
		if !ok {
			continue
		}
		if sum, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(sum) == 64 {
			return sum, nil
		}
	}
	return nil, fmt.Errorf("integrity is %q, want sha512", integrity)
}

// npmjs is the registry where nothing else is said.
const npmjs = "https://registry.npmjs.org"

// registryOf returns the registry that the environment names, as it does for npm, or npmjs.
func registryOf(environ []string) string {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.EqualFold(name, "npm_config_registry") && value != "" {
			return strings.TrimSuffix(value, "/")
		}
	}
	return npmjs
}

// url returns where the tarball is. As with npm, another registry stands in for npmjs also where
// the lock file names it.
func (p pkg) url(registry string) string {
	if rest, ok := strings.CutPrefix(p.resolved, npmjs+"/"); ok {
		return registry + "/" + rest
	}
	if p.resolved != "" {
		return p.resolved
	}
	return fmt.Sprintf("%s/%s/-/%s-%s.tgz", registry, p.name, path.Base(p.name), p.version)
}
