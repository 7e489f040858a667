package service

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

// Files are the files of a configuration, in which changes are noticed. NewFiles is the only way to
// make them. They are not safe for concurrent use.
type Files struct {
	load     func() config.Result
	names    []string          // of the files that were read; at first the configuration alone
	patterns []string          // of included files
	seen     [sha256.Size]byte // fingerprint of the files when they were last read

	// Set by follow.
	logger  *slog.Logger
	watcher *fsnotify.Watcher // nil: none
}

// NewFiles returns the files of the configuration at the path, which load reads.
func NewFiles(path string, load func() config.Result) *Files {
	return &Files{load: load, names: []string{path}}
}

// Read loads the configuration, with its files watched and fingerprinted before: no later change is
// missed.
func (f *Files) Read() (*config.Config, []source.Problem) {
	for {
		files := f.all()
		f.watch()
		f.seen = fingerprint(files)
		r := f.load()
		f.note(r)
		if slices.Equal(f.all(), files) {
			return r.Config, r.Problems
		}
	}
}

// note takes down the files to look after. Of a configuration with mistakes these are the earlier
// ones, and those in which it may be mended.
func (f *Files) note(r config.Result) {
	if r.Config != nil {
		f.names, f.patterns = r.Config.Files, r.Config.Include
		return
	}
	wrong := slices.Clone(r.Beside)
	for _, p := range r.Problems {
		if _, err := os.Stat(p.File); err == nil { // a problem may be in a variable
			wrong = append(wrong, p.File)
		}
	}
	for _, name := range wrong {
		if !slices.Contains(f.names, name) {
			f.names = append(slices.Clip(f.names), name)
		}
	}
}

// all are those that were read, and those that the include patterns match now.
func (f *Files) all() []string {
	files := slices.Clone(f.names)
	for _, pattern := range f.patterns {
		matches, _ := filepath.Glob(pattern)
		files = append(files, matches...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// fingerprint changes when a file's content does, or one comes or goes.
func fingerprint(files []string) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range files {
		data, err := os.ReadFile(name)
		sum := sha256.Sum256(data)
		fmt.Fprintf(h, "%s %t %x\n", name, err == nil, sum)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// follow begins to watch for changes. The channels are nil where nothing can be watched.
func (f *Files) follow(logger *slog.Logger) (changes <-chan fsnotify.Event, failures <-chan error, stop func()) {
	f.logger = logger
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.unwatched("error", err)
		return nil, nil, func() {}
	}
	f.watcher = watcher
	f.watch()
	return watcher.Events, watcher.Errors, func() { watcher.Close() }
}

func (f *Files) unwatched(args ...any) {
	f.logger.Warn("changes to the configuration may go unnoticed", append(args, "hint", "SIGHUP reloads too")...)
}

// watch watches the directories of all files: editors and mounts replace files and links, which a
// watch of the file misses.
func (f *Files) watch() {
	if f.watcher == nil {
		return
	}
	var directories []string
	for _, name := range f.all() {
		directories = append(directories, filepath.Dir(name))
		if target, err := filepath.EvalSymlinks(name); err == nil {
			directories = append(directories, filepath.Dir(target))
		}
	}
	for _, pattern := range f.patterns {
		matches, _ := filepath.Glob(filepath.Dir(pattern))
		directories = append(directories, matches...)
	}
	slices.Sort(directories)
	for _, d := range slices.Compact(directories) {
		if err := f.watcher.Add(d); err != nil {
			f.unwatched("directory", d, "error", err)
		}
	}
}
