//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// profileServer has Linux's perf sample the bridge until stop is called, if a file for it is given;
// it needs nothing of the server. The samples are for perf report -i FILE; those of the bridge in
// another shape are in FILE and its name.
func (b *bench) profileServer(name string, s *subject) (stop func(), err error) {
	if b.profile == "" || !strings.HasPrefix(name, "bridge") {
		return func() {}, nil
	}
	file := b.profile + strings.TrimPrefix(name, "bridge")
	cmd := exec.Command("perf", "record", "-q", "-g", "-F", "499", "-o", file, "-p", strconv.Itoa(s.server.cmd.Process.Pid))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("profiling: %w", err)
	}
	return func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
	}, nil
}
