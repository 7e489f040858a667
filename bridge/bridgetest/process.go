package bridgetest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Build builds the sidecar and returns the path of the binary, which is in dir.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "mqtt-stomp-bridge")
	if out, err := exec.Command("go", "build", "-o", binary, "mqtt-stomp-bridge/plugin/sidecar").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the sidecar: %w\n%s", err, out)
	}
	return binary, nil
}

// BuildFor is [Build] for one test.
func BuildFor(t testing.TB) string {
	t.Helper()
	binary, err := Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// stopTimeout is how long a process may take to end.
const stopTimeout = 15 * time.Second

// A Process is a serving bridge as a child process. Its methods are for the test's own goroutine.
type Process struct {
	Log *Buffer // its standard error, over all starts

	t    testing.TB
	cmd  *exec.Cmd
	ops  string
	done chan struct{} // closed when it has ended
}

// Start starts the command, whose ops endpoint is to listen at that address. At the end of the test
// the process is stopped if it still runs, and its log, which is shown if the test fails, is
// searched for secrets.
func Start(t testing.TB, cmd *exec.Cmd, ops string) *Process {
	t.Helper()
	p := &Process{Log: &Buffer{}, t: t, cmd: cmd, ops: ops}
	cmd.Stderr = p.Log
	t.Cleanup(func() {
		if p.running() {
			p.Stop()
		}
		CheckSecrets(t, p.Log.String())
		if t.Failed() {
			t.Logf("the end of the bridge's log:\n%s", p.Log.Tail(100))
		}
	})
	p.start()
	return p
}

// Restart starts the same command again after it has ended.
func (p *Process) Restart() {
	p.t.Helper()
	if p.running() {
		p.t.Fatal("the bridge is still running")
	}
	old := p.cmd
	p.cmd = &exec.Cmd{Path: old.Path, Args: old.Args, Env: old.Env, Dir: old.Dir, Stderr: old.Stderr, SysProcAttr: old.SysProcAttr}
	p.start()
}

func (p *Process) start() {
	p.t.Helper()
	cmd, done := p.cmd, make(chan struct{})
	p.done = done
	if err := cmd.Start(); err != nil {
		close(done)
		p.t.Fatal(err)
	}
	go func() {
		defer close(done)
		cmd.Wait()
	}()
}

func (p *Process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// WaitReady waits until /readyz says yes.
func (p *Process) WaitReady() {
	p.t.Helper()
	Eventually(p.t, "the bridge to be ready", func() bool {
		if !p.running() {
			p.t.Fatal("the bridge has ended at its start")
		}
		response, err := http.Get("http://" + p.ops + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal and does not wait.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("signal %v to the bridge: %v", s, err)
	}
}

// End sends the signal and returns the exit code when the process is gone.
func (p *Process) End(s os.Signal) int {
	p.t.Helper()
	p.Signal(s)
	return p.Wait()
}

// Wait waits until the process has ended, and returns the exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.t.Error("the bridge does not end")
		p.cmd.Process.Kill()
		<-p.done
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop ends the bridge as an operator does, after its metrics were searched for secrets.
func (p *Process) Stop() {
	p.t.Helper()
	CheckSecrets(p.t, Metrics(p.ops))
	if code := p.End(syscall.SIGTERM); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM", code)
	}
}
