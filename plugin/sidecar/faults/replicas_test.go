package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// Three replicas over three NATS servers, whatever fails: nothing is lost, nothing comes twice or
// out of order, and nobody is told of a gap. The pauses are bounded only far beyond what they are:
// what hangs shall fail, a busy machine shall not. examples/replicas/FAULTS.md has figures.
func TestReplicas(t *testing.T) {
	servers := natstest.Start(t, natstest.Current(t), natstest.Options{Servers: replicas, JetStream: []string{"sync_interval: always"}})
	for _, row := range []struct {
		fault  string
		rounds int
		long   int           // rounds with FAULTS=long
		limit  time.Duration // of a pause
		links  bool
		do     func(f *fleet)
	}{
		{"reader: SIGKILL", 3, 20, 3 * time.Second, false, readerKilled},
		{"reader: SIGTERM", 3, 20, 1500 * time.Millisecond, false, readerTerminated},
		{"reader: SIGSTOP, then SIGCONT", 1, 4, 15 * time.Second, false, readerHangs},
		{"reader: cut off from NATS", 1, 2, 15 * time.Second, true, readerCutOff},
		{"all replicas: SIGKILL", 2, 5, 15 * time.Second, false, allKilled},
		{"leading node: SIGKILL", 1, 3, nodeLimit, false, nodeKilled},
		{"reader and leading node: SIGKILL", 1, 3, nodeLimit, false, readerAndNodeKilled},
		{"two nodes: SIGKILL, away", 1, 1, away() + nodeLimit, false, quorumAway},
		{"all nodes: SIGKILL", 1, 2, nodeLimit, false, allNodesKilled},
		{"leading node: SIGKILL, its data removed, then another", 1, 2, nodeLimit, false, dataRemoved},
		{"standby: SIGSTOP, then SIGCONT", 1, 3, 3 * time.Second, false, standbyHangs},
		{"standby: cut off from NATS", 1, 2, 3 * time.Second, true, standbyCutOff},
	} {
		t.Run(row.fault, func(t *testing.T) {
			var links []time.Duration
			if row.links {
				links = make([]time.Duration, replicas)
			}
			f := startFleet(t, servers, setup{links: links})
			rounds := row.rounds
			if long() {
				rounds = row.long
			}
			for range rounds {
				f.load()
				row.do(f)
			}
			f.load()
			f.finish(fmt.Sprintf("replicas, %s: %d x", row.fault, rounds)).exact()
			f.within(row.limit)
		})
	}
	t.Run("reader: cut off from mosquitto", func(t *testing.T) { readerWithoutBroker(t, servers) })
	t.Run("mosquitto: SIGKILL", func(t *testing.T) { mosquittoKilled(t, servers) })
	t.Run("counting", func(t *testing.T) { counting(t, servers) })
	t.Run("dead letters", func(t *testing.T) { deadLetters(t, servers) })
	t.Run("storm", func(t *testing.T) { replicaStorm(t, servers) })
	t.Run("late", func(t *testing.T) { lateReplica(t, servers) })
	t.Run("rollout", func(t *testing.T) { rollout(t, servers) })
}

// nodeLimit bounds the pause while the servers elect another node to lead: it takes them 4 to 9 s.
const nodeLimit = 36 * time.Second

// within fails the test if a pause was longer.
func (f *fleet) within(limit time.Duration) {
	f.t.Helper()
	for _, p := range f.pauses {
		if p > limit {
			f.t.Errorf("nothing new has reached a client for %v, the limit is %v", p, limit)
		}
	}
}

func readerKilled(f *fleet) {
	r := f.reader()
	f.handOver(r.kill)
	r.restart()
}

func readerTerminated(f *fleet) {
	r := f.reader()
	f.handOver(r.process.Stop)
	r.restart()
}

// readerHangs lets the reader wake when another one reads. What it still has in hand is refused.
func readerHangs(f *fleet) {
	r := f.reader()
	f.handOver(r.hang)
	ended := r.turnsEnded()
	r.wake()
	bridgetest.Eventually(f.t, "the one that has woken to leave its turn", func() bool { return r.turnsEnded() > ended })
}

// turnsEnded returns how many turns of the replica have ended while it ran on.
func (b *bridge) turnsEnded() int {
	return len(b.process.Log.Lines("waiting for the next turn to read from the broker"))
}

// readerCutOff has the reader's connections to NATS open and silent. Until it knows, it and the next
// one take the session with the broker from each other.
func readerCutOff(f *fleet) {
	r := f.reader()
	ended := r.turnsEnded()
	f.handOver(func() { f.cutOff(r) })
	bridgetest.Eventually(f.t, "the one that is cut off to leave its turn", func() bool { return r.turnsEnded() > ended })
	f.heal(r)
}

func (f *fleet) cutOff(b *bridge) {
	for _, p := range f.linksOf(b) {
		p.blackhole()
	}
}

func (f *fleet) heal(b *bridge) {
	for _, p := range f.linksOf(b) {
		p.heal()
		p.cut() // or what is half-open would stay so for as long as nobody notices
	}
	b.process.WaitReady()
}

func allKilled(f *fleet) {
	f.handOver(func() {
		for _, b := range f.replicas {
			b.process.Signal(syscall.SIGKILL)
		}
		for _, b := range f.replicas {
			b.process.Wait()
			b.start()
		}
	})
	for _, b := range f.replicas {
		b.process.WaitReady()
	}
}

func nodeKilled(f *fleet) {
	node := f.node()
	f.unharmed(func() { f.during(node.Kill) })
	node.Restart()
	f.whole()
}

func readerAndNodeKilled(f *fleet) {
	node, r := f.node(), f.reader()
	f.handOver(func() {
		node.Kill()
		r.kill()
	})
	node.Restart()
	r.restart()
	f.whole()
}

// away is how long there is no majority of the nodes.
func away() time.Duration {
	if long() {
		return 30 * time.Second
	}
	return 10 * time.Second
}

// quorumAway leaves one node of three. Nobody is disconnected or refused meanwhile.
func quorumAway(f *fleet) {
	node := f.node()
	other := f.others(node)[0]
	f.unharmed(func() {
		f.during(func() {
			node.Kill()
			other.Kill()
			pause(f.t.Context(), away())
			node.Restart()
			other.Restart()
		})
	})
	f.whole()
}

func allNodesKilled(f *fleet) {
	f.unharmed(func() {
		f.during(func() {
			for _, s := range f.nats.Servers {
				s.Signal(syscall.SIGKILL)
			}
			for _, s := range f.nats.Servers {
				s.Kill()
				s.Restart()
			}
		})
	})
	f.whole()
}

// dataRemoved has a node begin with nothing, and then counts on what it has got of the others.
func dataRemoved(f *fleet) {
	node := f.node()
	f.during(node.Kill)
	if err := os.RemoveAll(filepath.Join(node.Dir, "store")); err != nil {
		f.t.Fatal(err)
	}
	node.Restart()
	f.whole()
	f.load()
	other := f.node()
	f.during(other.Kill)
	other.Restart()
	f.whole()
}

// standbyHangs leaves the clients of a standby without an answer; they go elsewhere.
func standbyHangs(f *fleet) {
	b := f.standby()
	f.during(func() {
		b.hang()
		f.flow()
		f.load()
		b.wake()
	})
}

// standbyCutOff has a standby without new entries until it says that it is not ready. Its clients
// are let in, and nobody is told of a gap.
func standbyCutOff(f *fleet) {
	b := f.standby()
	f.unharmed(func() {
		f.during(func() {
			f.cutOff(b)
			b.waitNotReady("journal")
			f.load()
			f.heal(b)
		})
	})
}
