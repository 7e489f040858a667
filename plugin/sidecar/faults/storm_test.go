package faults_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

// One fault after the other, in any order, while the one before may still have its effects.
func TestStorm(t *testing.T) {
	rounds := 3
	if long() {
		rounds = 30
	}
	s := start(t, options{mqtt: true, stomp: true, environ: hasty})
	kill := func() {
		s.bridge.process.End(syscall.SIGKILL)
		s.bridge.start()
	}
	faults := []func(){
		s.mqtt.cut,
		s.stomp.cut,
		func() { s.bridge.process.Stop(); s.bridge.start() },
		func() { s.broker.Stop(); s.broker.Restart() },
		func() { s.mqtt.hold(there); s.published(100); s.mqtt.release() },
		func() { s.mqtt.hold(there, back); s.published(100); s.mqtt.cut(); s.mqtt.release() },
		func() { s.stomp.hold(back); s.published(100); s.stomp.release() },
		func() { s.stomp.blackhole(); s.published(100); s.stomp.heal(); s.stomp.cut() },
		func() { s.broker.Signal(syscall.SIGSTOP); kill(); s.broker.Signal(syscall.SIGCONT) },
		func() {
			s.bridge.process.Signal(syscall.SIGSTOP)
			s.published(500)
			s.bridge.process.Signal(syscall.SIGCONT)
		},
	}
	for range rounds {
		for _, i := range rand.Perm(len(faults))[:3] {
			s.published(1 + rand.IntN(100))
			faults[i]()
		}
		s.published(1 + rand.IntN(100))
		kill() // which also forgets that no connection to the broker has lasted
	}
	s.flow()
	s.finish(fmt.Sprintf("any of these, one after the other: %d", 4*rounds)).exact()
}
