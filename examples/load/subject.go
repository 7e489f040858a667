//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"time"
)

// A subject is what is measured: a server with sessions to open and a way in for events.
type subject struct {
	server    *process // whose figures count
	broker    *process // in front of the server; nil: there is none, or it is in this process
	open      func(ctx context.Context, index int) (*session, error)
	publisher func() (publisher, error)

	// Of the bridge alone.
	target  func(index int) (stompTarget, error) // of a session
	serve   func(ctx context.Context) error      // starts the server, also once more when it has ended
	ops     string                               // address of its figures
	opsKeys string                               // further keys of ops in its configuration

	parts []func() // stop what was started, in that order
}

func (s *subject) onStop(f func()) { s.parts = append(s.parts, f) }

// stop ends all that belongs to the subject, the last first.
func (s *subject) stop() {
	for _, f := range slices.Backward(s.parts) {
		f()
	}
}

// errAbsent is why a peer is left out.
type errAbsent struct{ reason string }

func (e errAbsent) Error() string { return e.reason }

// subjects are the names that a bench can start.
var subjects = map[string]func(*bench, context.Context, *subject) error{
	"bridge":           (*bench).startBridge,
	"bridge-attacked":  (*bench).startAttackedBridge,
	"bridge-untrailed": (*bench).startUntrailedBridge,
	"bridge-watched":   (*bench).startWatchedBridge,
	"centrifuge":       (*bench).startCentrifuge,
	"loop":             (*bench).startLoop,
	"loop-batched":     (*bench).startBatchedLoop,
	"loop-deflate":     (*bench).startDeflatingLoop,
	"mosquitto-ws":     (*bench).startMosquittoWebSockets,
	"nats":             (*bench).startNATS,
	"rabbitmq":         (*bench).startRabbitMQ,
	"replicas":         (*bench).startReplicas,
}

// start starts the named subject in a directory of its own.
func (b *bench) start(ctx context.Context, name string) (*subject, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it is not ready after a minute"))
	defer cancel()
	s := &subject{}
	if err := subjects[name](b, ctx, s); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// folder makes a directory that is gone when the subject has stopped.
func (b *bench) folder(s *subject) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "subject-")
	s.onStop(func() { os.RemoveAll(dir) })
	return dir, err
}

// findProgram finds a program, also where only root's path has it.
func findProgram(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", errAbsent{name + " is not installed"}
}
