package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// A second signal ends the process at once when it is Ctrl-C; one of a process manager, which may
// send several, only after the time that an orderly end takes.
func TestSignalAfterTheFirst(t *testing.T) {
	type sent struct {
		after  time.Duration
		signal os.Signal
	}
	for name, test := range map[string]struct {
		terminal bool
		sent     []sent
		want     time.Duration // after the first signal
	}{
		"Ctrl-C twice":               {true, []sent{{time.Second, os.Interrupt}}, time.Second},
		"SIGTERM again and again":    {false, []sent{{time.Second, syscall.SIGTERM}, {3 * time.Second, syscall.SIGTERM}, {7 * time.Second, syscall.SIGTERM}}, 11 * time.Second},
		"SIGTERM beside a terminal":  {true, []sent{{time.Second, syscall.SIGTERM}, {12 * time.Second, syscall.SIGTERM}}, 13 * time.Second},
		"SIGINT without a terminal":  {false, []sent{{time.Second, os.Interrupt}, {10 * time.Second, os.Interrupt}}, 11 * time.Second},
		"Ctrl-C after a SIGTERM":     {true, []sent{{time.Second, syscall.SIGTERM}, {time.Second, os.Interrupt}}, 2 * time.Second},
		"as late as the orderly end": {false, []sent{{10 * time.Second, syscall.SIGTERM}}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 1)
				begun := time.Now()
				go func() {
					for _, s := range test.sent {
						time.Sleep(s.after)
						signals <- s.signal
					}
				}()
				secondSignal(signals, test.terminal)
				if got := time.Since(begun); got != test.want {
					t.Errorf("ended after %s, want %s", got, test.want)
				}
			})
		})
	}
}

// A SIGTERM that comes twice leaves the orderly end as it is.
func TestTwoSIGTERMs(t *testing.T) {
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+startDemoBroker(t).Addr().String())
	c := exec.Command(os.Args[0], "serve", "-c", s.config)
	c.Env = append(append(os.Environ(), asProgram+"=1"), s.environ...)
	log := &bridgetest.Buffer{}
	c.Stderr = log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	s.waitReady()
	for range 20 {
		c.Process.Signal(syscall.SIGTERM) // an error: it has ended already
	}
	if err := c.Wait(); err != nil || !strings.Contains(log.String(), "msg=stopped") {
		t.Errorf("%v\n%s", err, log)
	}
}
