//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startServer starts a process that is measured: with -pin on the last core alone, so that it has as
// many threads at work, and pays as much for them, as on any other machine.
func (b *bench) startServer(name, dir string, cmd *exec.Cmd) (*process, error) {
	if !b.pin {
		return startProcess(name, dir, cmd)
	}
	runtime.LockOSThread() // a child has the cores of the thread that starts it
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("reading which cores there are: %w", err)
	}
	one := lastOf(all)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return nil, fmt.Errorf("pinning %s: %w", name, err)
	}
	defer unix.SchedSetaffinity(0, &all)
	return startProcess(name, dir, cmd)
}

// lastOf returns the last core of a set, alone.
func lastOf(all unix.CPUSet) (one unix.CPUSet) {
	left := all.Count()
	for core := 0; left > 0; core++ {
		if !all.IsSet(core) {
			continue
		}
		if left--; left == 0 {
			one.Set(core)
		}
	}
	return one
}
