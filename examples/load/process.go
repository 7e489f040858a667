package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a child that this program has started and will stop.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // the file with its output
	done chan struct{} // closed when it has ended
}

const stopTimeout = 15 * time.Second

// startProcess starts a command whose output goes to a file in dir.
func startProcess(name, dir string, cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
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
}

// clockTick is the unit of times in /proc (proc_pid_stat(5)): 100 a second on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// usage reads the process's figures from /proc. A nil process has taken nothing.
func (p *process) usage() (usage, error) {
	if p == nil {
		return usage{}, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return usage{}, err
	}
	return parseStat(string(stat))
}

// parseStat reads a line of /proc/PID/stat: after the name, which is in parentheses and may hold anything, utime and stime
// are the 12th and 13th field and rss the 22nd.
func parseStat(stat string) (usage, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return usage{}, fmt.Errorf("reading /proc/PID/stat: %q has too few fields", stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	pages, err3 := strconv.ParseInt(fields[21], 10, 64)
	return usage{time.Duration(user+system) * clockTick, pages * int64(os.Getpagesize())}, errors.Join(err1, err2, err3)
}
