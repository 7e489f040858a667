//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a child that this program has started and will stop.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file with its output
	done chan struct{} // closed when it has ended
	with []*process    // others that do the same work, and are measured and ended with it
}

const stopTimeout = 15 * time.Second

// A starter starts a command whose output goes to a file in dir.
type starter func(name, dir string, cmd *exec.Cmd) (*process, error)

// startProcess starts a command whose output goes to a file in dir, after what an earlier one of
// that name has said.
func startProcess(name, dir string, cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait()
	}()
	return p, nil
}

// stop ends the process, by force if it must, and waits for that.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// endBy sends the signal and waits until the process has ended, and those with it.
func (p *process) endBy(ctx context.Context, signal os.Signal) error {
	all := append([]*process{p}, p.with...)
	for _, each := range all {
		if err := each.cmd.Process.Signal(signal); err != nil {
			return err
		}
	}
	for _, each := range all {
		if err := wait(ctx, each.done); err != nil {
			return err
		}
	}
	return nil
}

// await calls ready until it reports true; it fails when the process or ctx ends before.
func (p *process) await(ctx context.Context, ready func() bool) error {
	for !ready() {
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", p.name, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %s", p.name, context.Cause(ctx), p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// lastWords returns the end of the process's output.
func (p *process) lastWords() string {
	log, _ := os.ReadFile(p.log)
	return string(bytes.TrimSpace(log[max(0, len(log)-1000):]))
}

// listens reports whether a TCP server answers at the address.
func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// A usage is what a process has taken so far.
type usage struct {
	cpu    time.Duration // of user and system
	memory int64         // resident bytes now
	peak   int64         // and at most
}

// usage reads the figures of the process and of those with it. A nil process has taken nothing.
func (p *process) usage() (sum usage, err error) {
	if p == nil {
		return usage{}, nil
	}
	for _, each := range append([]*process{p}, p.with...) {
		u, err := each.ownUsage()
		if err != nil {
			return usage{}, err
		}
		sum.cpu += u.cpu
		sum.memory += u.memory
		sum.peak += u.peak
	}
	return sum, nil
}

func (p *process) ownUsage() (usage, error) {
	pid := p.cmd.Process.Pid
	cpu, err := cpuTime(pid)
	if err != nil {
		return usage{}, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	u := usage{cpu: cpu}
	if u.memory, err = kibibytes(string(status), "VmRSS"); err == nil {
		u.peak, err = kibibytes(string(status), "VmHWM")
	}
	return u, err
}

// cpuTime reads the CPU clock of a process (clock_getcpuclockid(3)): the sum of utime and stime in
// /proc/PID/stat, which is cut there to 10 ms, to the nanosecond.
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED, in the clock's lowest bits
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid)<<3|schedClock, &t)
	return time.Duration(t.Nano()), err
}

// kibibytes returns the bytes that a line of /proc/PID/status tells (proc_pid_status(5)).
func kibibytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("reading /proc/PID/status: there is no %s", name)
}
