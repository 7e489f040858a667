package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// settleTime is how long the files must have been left alone before they are read: editors and mounts change them in steps.
const settleTime = 300 * time.Millisecond

// grantTimeout bounds how long a reload waits for the broker to grant new topic filters; the client goes on with it after.
const grantTimeout = 10 * time.Second

// A reloader reads the configuration, and puts changes of it into force while the sidecar runs.
type reloader struct {
	load     func() (*config.Config, []source.Problem)
	names    []string          // of the files that were read; at first the configuration alone
	patterns []string          // of included files
	seen     [sha256.Size]byte // fingerprint of the files when they were last read

	// Set before run.
	sidecar *sidecar
	current *config.Config         // in force
	show    func([]source.Problem) // with their source lines
	hangup  <-chan os.Signal

	watcher *fsnotify.Watcher // set by run; nil: none
}

// reloadCounts count what became of reloads.
type reloadCounts struct{ done, refused atomic.Int64 }

func (c *reloadCounts) figures() ops.Reloads {
	return ops.Reloads{Done: c.done.Load(), Refused: c.refused.Load()}
}

// read loads the configuration, with its files watched and fingerprinted before: no later change is missed.
func (r *reloader) read() (*config.Config, []source.Problem) {
	for {
		files := r.files()
		r.watch()
		r.seen = fingerprint(files)
		c, problems := r.load()
		r.note(c, problems)
		if slices.Equal(r.files(), files) {
			return c, problems
		}
	}
}

// note takes down the files to look after. Of a configuration with mistakes these are the earlier ones, and those that the
// mistakes are in.
func (r *reloader) note(c *config.Config, problems []source.Problem) {
	if c != nil {
		r.names, r.patterns = c.Files, c.Include
		return
	}
	for _, p := range problems {
		if _, err := os.Stat(p.File); err == nil && !slices.Contains(r.names, p.File) { // a problem may be in a variable
			r.names = append(slices.Clip(r.names), p.File)
		}
	}
}

// files are those that were read, and those that the include patterns match now.
func (r *reloader) files() []string {
	files := slices.Clone(r.names)
	for _, pattern := range r.patterns {
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

// run reloads at SIGHUP, and when a file of the configuration has changed, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	var (
		events <-chan fsnotify.Event // nil where nothing can be watched
		failed <-chan error
		err    error
	)
	if r.watcher, err = fsnotify.NewWatcher(); err != nil {
		r.unwatched("error", err)
	} else {
		defer r.watcher.Close()
		events, failed = r.watcher.Events, r.watcher.Errors
		r.watch()
	}
	looking, looked := true, r.seen // the first look is for what has changed since the files were read
	settled := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangup:
			r.sidecar.logger.Info("reloading at SIGHUP")
			r.reload(ctx)
		case err := <-failed:
			r.unwatched("error", err)
		case <-events: // other files of the directory have events too
			if !looking {
				looking, looked = true, fingerprint(r.files())
				settled.Reset(settleTime)
			}
		case <-settled.C:
			switch now := fingerprint(r.files()); now {
			case r.seen:
				looking = false
			case looked:
				looking = false
				r.sidecar.logger.Info("reloading, since a file has changed")
				r.reload(ctx)
			default: // still changing
				looked = now
				settled.Reset(settleTime)
			}
		}
	}
}

func (r *reloader) unwatched(args ...any) {
	r.sidecar.logger.Warn("changes of the configuration may go unnoticed", append(args, "hint", "SIGHUP reloads too")...)
}

// watch watches the directories of all files: editors and mounts replace files and links, which a watch of the file misses.
func (r *reloader) watch() {
	if r.watcher == nil {
		return
	}
	var directories []string
	for _, name := range r.files() {
		directories = append(directories, filepath.Dir(name))
		if target, err := filepath.EvalSymlinks(name); err == nil {
			directories = append(directories, filepath.Dir(target))
		}
	}
	for _, pattern := range r.patterns {
		matches, _ := filepath.Glob(filepath.Dir(pattern))
		directories = append(directories, matches...)
	}
	slices.Sort(directories)
	for _, d := range slices.Compact(directories) {
		if err := r.watcher.Add(d); err != nil {
			r.unwatched("directory", d, "error", err)
		}
	}
}

// reload reads everything again and swaps it whole, or keeps what is in force and says why.
func (r *reloader) reload(ctx context.Context) {
	next, problems := r.read()
	r.show(problems)
	if next == nil {
		r.refuse(firstMistake(problems))
		return
	}
	update, swap, err := r.prepare(next)
	if err != nil {
		r.refuse(err.Error())
		return
	}
	s := r.sidecar
	for _, key := range s.needsRestart(next) {
		s.logger.Warn("a changed setting needs a restart", "key", key)
	}
	ctx, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	swap()
	s.level.Set(next.Log.Level)
	if err := s.bridge.Reload(ctx, update); err != nil {
		s.logger.Warn("new topic filters are not granted yet", "error", err)
	}
	r.current = next
	s.reloads.done.Add(1)
	s.logger.Info("reloaded", "config", next.Hash, "rules", len(next.Mapper.Rules()))
}

// needsRestart returns the settings that are not as at the start and cannot change before the next one.
func (s *sidecar) needsRestart(next *config.Config) []string {
	keys := s.config.NeedsRestart(next)
	if (s.certificate == nil) != (next.Server.CertFile == "") { // TLS comes and goes with the listener
		keys = append(keys, "server.cert_file")
	}
	return keys
}

// prepare makes everything of the next configuration that can fail, before anything is swapped; swap swaps what is the
// sidecar's own.
func (r *reloader) prepare(next *config.Config) (u bridge.Update, swap func(), err error) {
	s := r.sidecar
	if next.Broker.BaseTopic != r.current.Broker.BaseTopic {
		// The new rules would take the running bridge's own dead letters for events.
		return u, nil, errors.New("broker.base_topic has changed, which needs a restart")
	}
	if err := next.CanServe(); err != nil {
		return u, nil, err
	}
	chain, adopt, err := s.auth.prepare(next)
	if err != nil {
		return u, nil, err
	}
	if u.Policy, err = policy(next, chain); err != nil {
		return u, nil, err
	}
	swap = adopt
	if s.certificate != nil && next.Server.CertFile != "" {
		fresh, err := newCertificate(next.Server.CertFile, next.Server.KeyFile)
		if err != nil {
			return u, nil, fmt.Errorf("server.cert_file: %w", err)
		}
		swap = func() {
			adopt()
			s.certificate.replace(fresh)
		}
	}
	u.Mapper, u.ConfigHash = next.Mapper, next.Hash
	return u, swap, nil
}

func (r *reloader) refuse(reason string) {
	r.sidecar.logger.Error("reload refused, the configuration in force stays", "reason", reason, "config", r.current.Hash)
	r.sidecar.reloads.refused.Add(1)
	r.sidecar.bridge.ReloadFailed(r.current.Hash, reason)
}

// firstMistake is the place and message of the first mistake, and how many more there are.
func firstMistake(problems []source.Problem) string {
	var lines []string
	for _, p := range problems {
		if !p.Warning {
			lines = append(lines, p.Error())
		}
	}
	switch len(lines) {
	case 0:
		return "the configuration cannot be read"
	case 1:
		return lines[0]
	}
	return fmt.Sprintf("%s (and %d more)", lines[0], len(lines)-1)
}

// showProblems returns a function that tells problems with their source lines: as text beside text logs, as a field of JSON.
func (p *program) showProblems(s *sidecar) func([]source.Problem) {
	return func(problems []source.Problem) {
		for _, problem := range problems {
			if s.config.Log.Format != "json" {
				fmt.Fprintln(p.stderr, problem.String())
				continue
			}
			level := slog.LevelError
			if problem.Warning {
				level = slog.LevelWarn
			}
			s.logger.Log(context.Background(), level, "problem in the configuration",
				"problem", problem.Error(), "text", strings.TrimSuffix(problem.String(), "\n"))
		}
	}
}
