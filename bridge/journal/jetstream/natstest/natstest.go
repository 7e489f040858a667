// Package natstest runs real NATS servers for a test.
package natstest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// CurrentServer is the environment variable with the path of a current nats-server. The one in PATH
// may be as old as the distribution's.
const CurrentServer = "BRIDGE_TEST_NATS_SERVER"

// Distributed returns the path of the nats-server in PATH. Where there is none the test is skipped,
// or fails if [mosquittotest.Require] says so.
func Distributed(t testing.TB) string {
	t.Helper()
	return mosquittotest.Look(t, "nats-server")
}

// Current returns the path of a current nats-server, as Distributed does of the one in PATH.
func Current(t testing.TB) string {
	t.Helper()
	path := os.Getenv(CurrentServer)
	bridgetest.Need(t, "a current nats-server, named by "+CurrentServer, path != "")
	return path
}

// A Cluster is one server or several that run JetStream. Its methods are for the test's own
// goroutine.
type Cluster struct {
	Servers []*Server
}

// A Server is one of them, on the same address after a restart.
type Server struct {
	Addr string // host:port for clients
	Dir  string

	t    testing.TB
	bin  string
	base []string      // lines of its configuration, but for Options.Config
	cmd  *exec.Cmd     // nil: not running
	done chan struct{} // closed when cmd has ended
}

// Options say how the servers are set up.
type Options struct {
	Servers   int      // one or three; default one
	JetStream []string // lines of the block jetstream in the configuration of each
	Config    []string // more lines of the configuration

	Connect []nats.Option // to see whether a server is there, where it does not let everybody in
}

// Start runs servers of that program and waits until JetStream is there. They end with the test.
func Start(t testing.TB, bin string, o Options) *Cluster {
	t.Helper()
	o.Servers = max(o.Servers, 1)
	c := &Cluster{}
	var routes []string
	for range o.Servers {
		routes = append(routes, mosquittotest.FreeAddr(t))
	}
	for i := range o.Servers {
		s := &Server{t: t, bin: bin, Dir: t.TempDir(), Addr: mosquittotest.FreeAddr(t)}
		s.configure(i, routes, o)
		c.Servers = append(c.Servers, s)
		t.Cleanup(s.Kill)
	}
	t.Cleanup(func() { // before they are killed
		if t.Failed() {
			for i, s := range c.Servers {
				t.Logf("the end of the log of server %d:\n%s", i, s.log())
			}
		}
	})
	for _, s := range c.Servers {
		s.Restart()
	}
	c.waitReady(o.Connect)
	return c
}

// URLs returns where clients connect to.
func (c *Cluster) URLs() (urls []string) {
	for _, s := range c.Servers {
		urls = append(urls, "nats://"+s.Addr)
	}
	return urls
}

func (s *Server) configure(number int, routes []string, o Options) {
	s.t.Helper()
	lines := []string{
		"listen: " + s.Addr,
		fmt.Sprintf("server_name: n%d", number),
		"max_payload: 8MB", // as advised: the default is 1 MB
		fmt.Sprintf("log_file: %q", filepath.Join(s.Dir, "log")),
		"jetstream {", fmt.Sprintf("store_dir: %q", filepath.Join(s.Dir, "store")), "max_file_store: 100TB", "max_memory_store: 1GB",
	}
	lines = append(append(lines, o.JetStream...), "}")
	if len(routes) > 1 { // not advertised: clients use the addresses that they are given, which may be those of proxies
		var others []string
		for i, addr := range routes {
			if i != number {
				others = append(others, "nats://"+addr)
			}
		}
		lines = append(lines, fmt.Sprintf("cluster { name: test, no_advertise: true, listen: %s, routes: [%s] }", routes[number], strings.Join(others, ", ")))
	}
	s.base = lines
	s.Configure(o.Config)
}

// Configure replaces the lines that Options.Config had, for the next start or SIGHUP.
func (s *Server) Configure(more []string) {
	s.t.Helper()
	config := strings.Join(slices.Concat(s.base, more), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(s.Dir, "config"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// waitReady waits until the servers answer for JetStream, which in a cluster needs one that leads.
func (c *Cluster) waitReady(options []nats.Option) {
	t := c.Servers[0].t
	t.Helper()
	for _, url := range c.URLs() {
		bridgetest.Eventually(t, "JetStream at "+url, func() bool {
			nc, err := nats.Connect(url, options...)
			if err != nil {
				return false
			}
			defer nc.Close()
			m, err := nc.Request("$JS.API.STREAM.NAMES", nil, nats.DefaultTimeout)
			return err == nil && !strings.Contains(string(m.Data), `"error"`)
		})
	}
}

// Restart starts the server again after Kill or Stop.
func (s *Server) Restart() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("the server is still running")
	}
	cmd := exec.Command(s.bin, "-c", filepath.Join(s.Dir, "config"))
	cmd.Stderr = os.Stderr // what is wrong with the configuration
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	s.cmd, s.done = cmd, done
	bridgetest.Eventually(s.t, "nats-server at "+s.Addr, func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Kill ends the server by SIGKILL. It does nothing where it is not running.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server by SIGTERM.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	s.Signal(signal)
	<-s.done
	s.cmd = nil
}

// Signal sends the server a signal: SIGSTOP and SIGCONT hold it.
func (s *Server) Signal(signal syscall.Signal) { _ = s.cmd.Process.Signal(signal) }

const logBytes = 4 << 10

func (s *Server) log() string {
	log, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-logBytes):])
}
