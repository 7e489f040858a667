package faults_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// replicaStorm has two faults at a time, of any kind, one beginning before the other ends.
func replicaStorm(t *testing.T, servers *natstest.Cluster) {
	rounds := 2
	if long() {
		rounds = 20
	}
	f := startFleet(t, servers, setup{links: make([]time.Duration, replicas)})
	for range rounds {
		f.flow()
		var ends []func()
		for _, x := range twoTroubles() {
			pause(t.Context(), rand.N(time.Second))
			ends = append(ends, x.begin(f))
		}
		for _, end := range ends {
			pause(t.Context(), rand.N(4*time.Second))
			end()
		}
	}
	f.flow()
	f.whole()
	f.finish(fmt.Sprintf("replicas, two of these at a time: %d x", rounds)).exact()
}

// A trouble is a fault that lasts.
type trouble struct {
	victim string
	begin  func(f *fleet) (end func())
}

var troubles = []trouble{
	{"replica 0", func(f *fleet) func() { f.replicas[0].kill(); return f.replicas[0].start }},
	{"replica 0", func(f *fleet) func() { f.replicas[0].process.Stop(); return f.replicas[0].start }},
	{"replica 1", func(f *fleet) func() { f.replicas[1].hang(); return f.replicas[1].wake }},
	{"replica 2", func(f *fleet) func() { f.cutOff(f.replicas[2]); return func() { f.heal(f.replicas[2]) } }},
	{"node 0", func(f *fleet) func() { f.nats.Servers[0].Kill(); return f.nats.Servers[0].Restart }},
	{"node 1", func(f *fleet) func() { return hold(f.nats.Servers[1].Signal) }},
	{"mosquitto", func(f *fleet) func() { f.broker.Stop(); return f.broker.Restart }},
	{"mosquitto", func(f *fleet) func() { return hold(f.broker.Signal) }},
}

func hold(signal func(syscall.Signal)) (goOn func()) {
	signal(syscall.SIGSTOP)
	return func() { signal(syscall.SIGCONT) }
}

// twoTroubles returns two with different victims.
func twoTroubles() []trouble {
	for {
		a, b := troubles[rand.IntN(len(troubles))], troubles[rand.IntN(len(troubles))]
		if a.victim != b.victim {
			return []trouble{a, b}
		}
	}
}
