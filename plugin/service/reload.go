package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// Reload is what a Service reloads its configuration by.
type Reload struct {
	Files  *Files                 // that the configuration was read from
	Hangup <-chan os.Signal       // asks for a reload
	Level  *slog.LevelVar         // of the Service's logger, follows log.level
	Show   func([]source.Problem) // shows problems with their source lines
}

// settleTime is how long the files must have been left alone before they are read: editors and
// mounts change them in steps.
const settleTime = 300 * time.Millisecond

// grantTimeout bounds how long a reload waits for the broker to grant new topic filters; the client
// goes on with it after.
const grantTimeout = 10 * time.Second

// A reloader puts changes of the configuration into force while the service runs.
type reloader struct {
	Reload
	service *Service
	current *config.Config // in force
}

// reloadCounts count what became of reloads.
type reloadCounts struct{ done, refused atomic.Int64 }

func (c *reloadCounts) figures() ops.Reloads {
	return ops.Reloads{Done: c.done.Load(), Refused: c.refused.Load()}
}

// run reloads at SIGHUP, and when a file of the configuration has changed, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	changes, failures, stop := r.Files.follow(r.service.logger)
	defer stop()
	looking, looked := true, r.Files.seen // the first look is for what has changed since the files were read
	settled := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Hangup:
			r.service.logger.Info("reloading at SIGHUP")
			r.reload(ctx)
		case err := <-failures:
			r.Files.unwatched("error", err)
		case <-changes: // other files of the directory have events too
			if !looking {
				looking, looked = true, fingerprint(r.Files.all())
				settled.Reset(settleTime)
			}
		case <-settled.C:
			switch now := fingerprint(r.Files.all()); now {
			case r.Files.seen:
				looking = false
			case looked:
				looking = false
				r.service.logger.Info("reloading, since a file has changed")
				r.reload(ctx)
			default: // still changing
				looked = now
				settled.Reset(settleTime)
			}
		}
	}
}

// reload reads everything again and swaps it whole, or keeps what is in force and says why.
func (r *reloader) reload(ctx context.Context) {
	next, problems := r.Files.Read()
	r.Show(problems)
	if next == nil {
		r.refuse(firstMistake(problems, source.Problem.Error), firstMistake(problems, publicly))
		return
	}
	update, swap, err := r.prepare(next)
	if err != nil {
		part, _, _ := strings.Cut(err.Error(), ": ") // what follows may hold a value
		r.refuse(err.Error(), part)
		return
	}
	s := r.service
	for _, key := range s.needsRestart(next) {
		s.logger.Warn("a changed setting needs a restart", "key", key)
	}
	ctx, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	swap()
	r.Level.Set(next.Log.Level)
	s.payloads.Store(next.Ops.ShowPayloads)
	s.replicaHash.Store(&next.ReplicaHash)
	s.operators.Use(s.auth.operatorPolicy(next))
	s.stands(next)
	if err := s.bridge.Reload(ctx, update); err != nil {
		s.logger.Warn("new topic filters are not granted yet", "error", err)
	}
	if !s.config.Journal.Durable() {
		warnOfLoss(r.current, next, s.logger)
	}
	r.current = next
	s.reloads.done.Add(1)
	s.logger.Info("reloaded", "config", next.Hash, "rules", len(next.Mapper.Rules()))
}

// needsRestart returns the settings that are not as at the start and cannot change before the next
// one.
func (s *Service) needsRestart(next *config.Config) []string {
	keys := s.config.NeedsRestart(next)
	if (s.certificate == nil) != (next.Server.CertFile == "") { // TLS comes and goes with the listener
		keys = append(keys, "server.cert_file")
	}
	return keys
}

// prepare makes everything of the next configuration that can fail, before anything is swapped;
// swap swaps what is the service's own.
func (r *reloader) prepare(next *config.Config) (u bridge.Update, swap func(), err error) {
	s := r.service
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
	u.Mapper, u.RulesHash, u.ConfigHash = next.Mapper, next.RulesHash, next.Hash
	return u, swap, nil
}

// refuse says why a configuration is not put into force, in the log, and without anything that was
// written in it on the status topic, which everybody at the broker may read.
func (r *reloader) refuse(reason, public string) {
	r.service.logger.Error("reload refused, the configuration in force stays", "reason", reason, "config", r.current.Hash)
	r.service.reloads.refused.Add(1)
	r.service.refuses(reason)
	r.service.bridge.ReloadFailed(r.current.Hash, public)
}

// publicly is the place and the kind of a mistake.
func publicly(p source.Problem) string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, config.Kind(p))
}

// firstMistake is the first mistake in the words of say, and how many more there are.
func firstMistake(problems []source.Problem, say func(source.Problem) string) string {
	var lines []string
	for _, p := range problems {
		if !p.Warning {
			lines = append(lines, say(p))
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
