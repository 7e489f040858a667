package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// licencesFile is an output beside the others.
const licencesFile = "LICENSES.txt"

// outputs are the files of a bundle by name.
type outputs map[string][]byte

func (o outputs) names() iter.Seq[string] { return maps.Keys(o) }

// A maker makes bundles from what is below root.
type maker struct {
	root  string
	store store
}

// make returns the files of b. The same sources and lock file come to the same bytes.
func (m maker) make(ctx context.Context, b bundle) (outputs, error) {
	source := filepath.Join(m.root, b.source)
	packages, err := readLock(filepath.Join(source, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "bundle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if work, err = filepath.EvalSymlinks(work); err != nil { // as esbuild names it
		return nil, err
	}
	for _, p := range packages {
		tarball, err := m.store.tarball(ctx, p)
		if err != nil {
			return nil, err
		}
		if err := unpack(tarball, filepath.Join(work, p.place)); err != nil {
			return nil, fmt.Errorf("package %v: %w", p, err)
		}
	}
	// The sources stand beside the packages, so that no other node_modules is looked into.
	if err := copySources(source, work); err != nil {
		return nil, err
	}
	files, legal, err := compile(work, b.entries)
	if err != nil {
		return nil, err
	}
	if files[licencesFile], err = licences(work, packages, legal); err != nil {
		return nil, err
	}
	return files, addPage(files, work, b)
}

// copySources copies the sources of a bundle, without what npm and builds leave beside them.
func copySources(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// compile bundles the entries, and returns the comments about licences apart from the code.
func compile(work string, entries map[string]string) (files outputs, legal []byte, err error) {
	options := api.BuildOptions{
		AbsWorkingDir:     work,
		Outdir:            filepath.Join(work, "out"),
		Bundle:            true,
		Format:            api.FormatESModule,
		Platform:          api.PlatformBrowser,
		Target:            api.ES2022,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsExternal,
		LogLevel:          api.LogLevelSilent,
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		options.EntryPointsAdvanced = append(options.EntryPointsAdvanced, api.EntryPoint{InputPath: "./" + entries[name], OutputPath: name})
	}
	result := api.Build(options)
	if len(result.Errors) > 0 {
		texts := api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return nil, nil, errors.New(strings.TrimSpace(strings.Join(texts, "")))
	}
	files = outputs{}
	for _, f := range result.OutputFiles {
		name := filepath.Base(f.Path)
		if strings.HasSuffix(name, ".LEGAL.txt") {
			legal = append(legal, f.Contents...)
			continue
		}
		files[name] = f.Contents
	}
	return files, legal, nil
}

// licences returns what the packages demand to be kept with their code.
func licences(work string, packages []pkg, legal []byte) ([]byte, error) {
	var b bytes.Buffer
	for _, p := range packages {
		folder := filepath.Join(work, p.place)
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%v: %s\n\n", p, p.licence)
		for _, e := range entries {
			name := strings.ToLower(e.Name())
			if !strings.HasPrefix(name, "licen") && !strings.HasPrefix(name, "notice") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%s\n\n", bytes.TrimSpace(text))
		}
	}
	b.Write(legal)
	return b.Bytes(), nil
}

// addPage adds the page of b and what is public, each file that the page names with a hash of its
// content, so that it may be kept as long as the page names it.
func addPage(files outputs, work string, b bundle) error {
	if b.page == "" {
		return nil
	}
	page, err := os.ReadFile(filepath.Join(work, b.page))
	if err != nil {
		return err
	}
	named := map[string]string{} // from the file in the sources to the output
	for name, entry := range b.entries {
		output := name + strings.Replace(path.Ext(entry), ".ts", ".js", 1)
		named[entry] = output
	}
	public, err := os.ReadDir(filepath.Join(work, b.public))
	if err != nil {
		return err
	}
	for _, e := range public {
		if files[e.Name()], err = os.ReadFile(filepath.Join(work, b.public, e.Name())); err != nil {
			return err
		}
		named[e.Name()] = e.Name()
	}
	for source, output := range named {
		reference := fmt.Appendf(nil, `"/%s"`, source)
		if n := bytes.Count(page, reference); n != 1 {
			return fmt.Errorf("%s names %s %d times, want once", b.page, reference, n)
		}
		sum := sha256.Sum256(files[output])
		page = bytes.Replace(page, reference, fmt.Appendf(nil, `"%s?v=%s"`, output, hex.EncodeToString(sum[:6])), 1)
	}
	files[b.page] = page
	return nil
}

// replace makes folder hold these files, and .gitignore if it is there.
func replace(folder string, files outputs) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ok := files[e.Name()]; ok || e.Name() == ".gitignore" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := keep(filepath.Join(folder, name), data); err != nil {
			return err
		}
	}
	return nil
}
