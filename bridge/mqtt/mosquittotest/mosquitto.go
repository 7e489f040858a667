// Package mosquittotest runs a real Mosquitto for a test.
package mosquittotest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Require is the environment variable that makes a missing Mosquitto a failure rather than a
// skipped test when it is "1".
const Require = "BRIDGE_TEST_REQUIRE"

// logFile is where a broker logs, in its directory.
const logFile = "mosquitto.log"

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 10 * time.Second
)

// Options say how a broker is set up. In Config and Files, {dir} stands for the broker's own
// directory.
type Options struct {
	Config []string          // configuration lines; those about a listener apply to the one on Addr
	Files  map[string]string // file name -> content, written to the broker's directory
	Users  map[string]string // user name -> password; none: anonymous clients are allowed
	ACL    string            // content of the acl_file; none: everything is allowed
}

// Broker is a running Mosquitto. Its methods are for the test's own goroutine.
type Broker struct {
	Addr string // host:port of its listener, the same after a restart
	Dir  string // holds its configuration, files and store

	t    testing.TB
	bin  string
	cmd  *exec.Cmd     // nil: not running
	done chan struct{} // closed when cmd has ended
}

// Start runs a Mosquitto on a free loopback port and waits until it accepts connections. The broker
// ends with the test. Where there is no Mosquitto the test is skipped, or fails if [Require] says
// so.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b := &Broker{t: t, bin: Look(t, "mosquitto"), Dir: t.TempDir()}
	b.Addr = FreeAddr(t)
	b.configure(o)
	t.Cleanup(func() {
		b.Kill()
		if t.Failed() {
			t.Logf("mosquitto's log:\n%s", b.Log())
		}
	})
	b.Restart()
	return b
}

// Look returns the path of a program, such as Mosquitto's, also where only root's PATH has it.
// Where it is absent the test is skipped, or fails if [Require] says so.
func Look(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	if os.Getenv(Require) == "1" {
		t.Fatalf("%s is not installed and %s=1", name, Require)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func (b *Broker) configure(o Options) {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.Addr)
	lines := []string{
		"log_dest stderr",
		"persistence_location " + b.Dir + "/",
		"listener " + port + " " + host,
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // or it could not read what only we can
	}
	if len(o.Users) == 0 {
		lines = append(lines, "allow_anonymous true")
	} else {
		lines = append(lines, "allow_anonymous false", "password_file "+b.Path("passwords"))
		b.SetUsers(o.Users)
	}
	if o.ACL != "" {
		lines = append(lines, "acl_file "+b.Path("acl"))
		b.WriteFile("acl", o.ACL)
	}
	for name, content := range o.Files {
		b.WriteFile(name, strings.ReplaceAll(content, "{dir}", b.Dir))
	}
	for _, line := range o.Config {
		lines = append(lines, strings.ReplaceAll(line, "{dir}", b.Dir))
	}
	b.WriteFile("mosquitto.conf", strings.Join(lines, "\n")+"\n")
}

// Path returns the path of a file in the broker's directory.
func (b *Broker) Path(name string) string {
	return filepath.Join(b.Dir, name)
}

// WriteFile writes a file of the broker's, which reads it at the next start; the ACL and the
// passwords also at SIGHUP.
func (b *Broker) WriteFile(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(b.Path(name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// SetUsers writes the password file.
func (b *Broker) SetUsers(users map[string]string) {
	b.t.Helper()
	var lines strings.Builder
	for name, password := range users {
		fmt.Fprintf(&lines, "%s:%s\n", name, password)
	}
	b.WriteFile("passwords", lines.String())
	if out, err := exec.Command(Look(b.t, "mosquitto_passwd"), "-U", b.Path("passwords")).CombinedOutput(); err != nil {
		b.t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
}

// URL returns the broker's address with the given scheme, such as mqtt or mqtts.
func (b *Broker) URL(scheme string) *url.URL {
	return &url.URL{Scheme: scheme, Host: b.Addr}
}

// Restart starts the broker again, on the same address, after Kill or Stop.
func (b *Broker) Restart() {
	b.t.Helper()
	if b.cmd != nil {
		b.t.Fatal("mosquitto is still running")
	}
	cmd := exec.Command(b.bin, "-c", b.Path("mosquitto.conf"))
	log, err := os.OpenFile(b.Path(logFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	b.cmd, b.done = cmd, done
	b.waitReady()
}

func (b *Broker) waitReady() {
	b.t.Helper()
	deadline := time.After(startTimeout)
	for {
		c, err := net.Dial("tcp", b.Addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-b.done:
			b.t.Fatal("mosquitto has ended at its start")
		case <-deadline:
			b.t.Fatalf("mosquitto does not listen after %v: %v", startTimeout, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the broker by SIGKILL. It does nothing when the broker is not running.
func (b *Broker) Kill() {
	b.end(syscall.SIGKILL)
}

// Stop ends the broker by SIGTERM, at which it saves its store if it has one.
func (b *Broker) Stop() {
	b.end(syscall.SIGTERM)
}

func (b *Broker) end(s syscall.Signal) {
	b.t.Helper()
	if b.cmd == nil {
		return
	}
	b.Signal(s)
	select {
	case <-b.done:
	case <-time.After(stopTimeout):
		b.t.Errorf("mosquitto does not end at %v", s)
		b.cmd.Process.Kill()
		<-b.done
	}
	b.cmd = nil
}

// Signal sends s to the broker: SIGHUP to reload, SIGSTOP and SIGCONT to hold it.
func (b *Broker) Signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Errorf("signal %v to mosquitto: %v", s, err)
	}
}

// Log returns what the broker has logged, over all its starts.
func (b *Broker) Log() string {
	log, err := os.ReadFile(b.Path(logFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Error(err)
	}
	return string(log)
}
