// Package faults_test breaks a bridge in every way that operation does, and counts what arrives.
//
// A real Mosquitto, the sidecar's binary with a durable journal, a publisher that notes what the
// broker has acknowledged, and clients that come back by themselves with resume-from. A fleet is
// the same with several bridges over real NATS servers. Each test ends in one row of the table that
// is printed at the end. FAULTS=long runs the same for longer.
//
// A clock that jumps is not here: only the machine's could, since a Go program takes the time from
// the kernel and not from a library that could be replaced. What believes the wall clock is tested
// with a clock of its own where it is: retention.Clock of the journal, and the stamps and repeats
// of package bridge.
package faults_test

import (
	"fmt"
	"os"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// binary is the sidecar, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = bridgetest.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	results.print(os.Stdout)
	return code
}

// long reports whether FAULTS=long asks for more of the same.
func long() bool { return os.Getenv("FAULTS") == "long" }
