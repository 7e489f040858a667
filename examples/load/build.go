//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
)

// packages are those of the programs that this one builds, by the names of the programs.
var packages = map[string]string{
	"bridge":     "./plugin/sidecar", // in the module of the checkout
	"centrifuge": "mqtt-stomp-bridge/examples/load/centrifuge",
	"nats":       "github.com/nats-io/nats-server/v2",
}

// needs reports whether a program must be built.
func (b *bench) needs(name string) bool {
	switch {
	case b.program(name) == b.sidecar:
		return false
	case name == "nats" && (b.journal == "nats" || slices.Contains(b.subjects, "replicas")):
		return true
	}
	return slices.Contains(b.subjects, name)
}

// program returns where a program is.
func (b *bench) program(name string) string {
	if name == "bridge" && b.sidecar != "" {
		return b.sidecar
	}
	return filepath.Join(b.programs, name)
}

// build builds the programs that the bench needs.
func (b *bench) build(ctx context.Context) error {
	for name, path := range packages {
		if !b.needs(name) {
			continue
		}
		folder := "."
		if name == "bridge" {
			var err error
			if folder, err = bridgeModule(ctx); err != nil {
				return err
			}
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.program(name), path)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", name, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// bridgeModule returns the folder of this checkout: the bridge is built in its own module, with the
// versions that are released.
func bridgeModule(ctx context.Context) (string, error) {
	checkout, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "mqtt-stomp-bridge").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("looking for the bridge, beside the module of examples/load: %w: %s", err, bytes.TrimSpace(checkout))
	}
	return string(bytes.TrimSpace(checkout)), nil
}
