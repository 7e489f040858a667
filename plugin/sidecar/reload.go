package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

// settleTime is how long the files must have been left alone before they are read: editors and mounts change them in steps.
const settleTime = 300 * time.Millisecond

// grantTimeout bounds how long a reload waits for the broker to grant new topic filters; the client goes on with it after.
const grantTimeout = 10 * time.Second

// A reloader puts changes of the configuration into force while the sidecar runs.
type reloader struct {
	sidecar *sidecar
	current *config.Config // in force
	load    func() (*config.Config, []source.Problem)
	show    func([]source.Problem) // with their source lines
	watcher *fsnotify.Watcher
	seen    [sha256.Size]byte // fingerprint of the files when they were last read
}

// run reloads at SIGHUP, and when a file of the configuration changes, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	defer r.watcher.Close()
	r.seen = fingerprint(r.current.Files)
	r.watch(r.current)
	settled := time.NewTimer(settleTime)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.sidecar.logger.Info("reloading at SIGHUP")
			r.reload(ctx)
		case <-r.watcher.Events:
			settled.Reset(settleTime)
		case err := <-r.watcher.Errors:
			r.sidecar.logger.Warn("watching the configuration", "error", err, "hint", "SIGHUP reloads too")
		case <-settled.C:
			if fingerprint(r.files()) != r.seen {
				r.sidecar.logger.Info("reloading, since a file has changed")
				r.reload(ctx)
			}
		}
	}
}

// files are those of the configuration in force, and those that its include patterns match now.
func (r *reloader) files() []string {
	files := slices.Clone(r.current.Files)
	for _, pattern := range r.current.Include {
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

// watch watches the directories of all files: editors and mounts replace files and links, which a watch of the file misses.
func (r *reloader) watch(c *config.Config) {
	names := slices.Concat(c.Files, c.Include)
	for _, name := range names {
		directories := []string{filepath.Dir(name)}
		if target, err := filepath.EvalSymlinks(name); err == nil {
			directories = append(directories, filepath.Dir(target))
		}
		for _, d := range directories {
			if err := r.watcher.Add(d); err != nil {
				r.sidecar.logger.Warn("a directory of the configuration is not watched", "directory", d, "error", err, "hint", "SIGHUP reloads too")
			}
		}
	}
}

// reload reads everything again and swaps it whole, or keeps what is in force and says why.
func (r *reloader) reload(ctx context.Context) {
	r.seen = fingerprint(r.files())
	next, problems := r.load()
	if next == nil {
		r.show(problems)
		r.refuse(firstMistake(problems))
		return
	}
	update, certificates, err := r.prepare(next)
	if err != nil {
		r.refuse(err.Error())
		return
	}
	r.show(problems) // warnings
	s := r.sidecar
	for _, key := range r.current.NeedsRestart(next) {
		s.logger.Warn("a changed setting needs a restart", "key", key)
	}
	ctx, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	certificates()
	s.level.Set(next.Log.Level)
	err = s.bridge.Reload(ctx, update)
	r.current = next
	r.seen = fingerprint(r.files())
	r.watch(next)
	if err != nil {
		s.logger.Warn("new topic filters are not granted yet", "error", err)
	}
	s.logger.Info("reloaded", "config", next.Hash, "rules", len(next.Mapper.Rules()))
}

// prepare makes everything of the next configuration that can fail, before anything is swapped.
func (r *reloader) prepare(next *config.Config) (u bridge.Update, certificates func(), err error) {
	s := r.sidecar
	if next.Broker.BaseTopic != r.current.Broker.BaseTopic {
		// The new rules would take the running bridge's own dead letters for events.
		return u, nil, errors.New("broker.base_topic has changed, which needs a restart")
	}
	if err := next.CanServe(); err != nil {
		return u, nil, err
	}
	if u.Auth, err = newAuthenticator(next); err != nil {
		return u, nil, err
	}
	if u.Origins, err = server.NewOrigins(next.Server.AllowedOrigins); err != nil {
		return u, nil, err
	}
	certificates = func() {}
	if s.certificate != nil && next.Server.CertFile != "" {
		fresh, err := newCertificate(next.Server.CertFile, next.Server.KeyFile)
		if err != nil {
			return u, nil, fmt.Errorf("server.cert_file: %w", err)
		}
		certificates = func() { s.certificate.replace(fresh) }
	}
	u.Mapper, u.ConfigHash = next.Mapper, next.Hash
	return u, certificates, nil
}

func (r *reloader) refuse(reason string) {
	r.sidecar.logger.Error("reload refused, the configuration in force stays", "reason", reason, "config", r.current.Hash)
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
			if s.config.Log.Format == "json" {
				s.logger.Warn("problem in the configuration", "problem", problem.Error(), "text", strings.TrimSuffix(problem.String(), "\n"))
			} else {
				fmt.Fprintln(p.stderr, problem.String())
			}
		}
	}
}
