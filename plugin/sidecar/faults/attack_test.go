package faults_test

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// Clients that connect and never become a session leave the descriptors that the ops endpoint and
// the connection to the broker need, and do not fill the log.
func TestDescriptorsAreLeft(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	b := newBridge(t, broker.Addr, t.TempDir(), "BRIDGE_SERVER_LIMITS_SESSIONS=50", "BRIDGE_SERVER_LIMITS_HANDSHAKE_TIMEOUT=2s")
	serve := b.command("serve")
	b.process = bridgetest.Start(t, &exec.Cmd{
		Path: "/bin/sh",
		Args: append([]string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}, serve.Args...),
		Env:  serve.Env,
	}, b.ops)
	stop := hammer(t, b.listen, b.ops)
	defer stop()
	wait := func(what string, ready bool) {
		t.Helper()
		client := http.Client{Timeout: 2 * time.Second}
		bridgetest.Eventually(t, what, func() bool {
			response, err := client.Get("http://" + b.ops + "/readyz")
			if err != nil {
				return false
			}
			response.Body.Close()
			return (response.StatusCode == http.StatusOK) == ready
		})
	}
	wait("readiness", true)
	broker.Stop()
	wait("readiness to go", false)
	broker.Restart()
	wait("readiness again", true)
	stop()
	log := b.process.Log.String()
	if n := strings.Count(log, "level=ERROR"); n > 0 {
		t.Errorf("%d errors in the log:\n%s", n, log)
	}
	if len(log) > 100<<10 {
		t.Errorf("%d bytes of log", len(log))
	}
}

// hammer holds up to 100 connections to the address, each of which sends requests that are no
// handshakes, and a few that say nothing to the other; until stop is called.
func hammer(t *testing.T, addr, quiet string) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	worker := func(addr, text string, from string) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
		for {
			select {
			case <-done:
				return
			default:
			}
			conn, err := d.Dial("tcp", addr)
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			fmt.Fprint(conn, text)
			conn.SetReadDeadline(time.Now().Add(time.Second))
			conn.Read(make([]byte, 4096))
			time.Sleep(10 * time.Millisecond)
			conn.Close()
		}
	}
	for i := range 100 {
		text := "GET /ws.communication HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
		if i%2 == 0 {
			text = "GET /" // to be continued
		}
		running.Go(func() { worker(addr, text, fmt.Sprint("127.0.0.", 1+i%5)) })
	}
	running.Go(func() { worker(quiet, "", "127.0.0.1") })
	return sync.OnceFunc(func() {
		close(done)
		running.Wait()
	})
}
