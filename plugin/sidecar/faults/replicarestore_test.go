package faults_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// The stream is restored from a copy after it was run on: what a client has seen may not be there,
// and its position may be given out again. Each client is told of a gap, without anybody doing
// anything for it, no message has the name of another, and what comes from then on is there.
func TestStreamRestored(t *testing.T) {
	servers := natstest.Start(t, natstest.Current(t), natstest.Options{})
	f := startFleet(t, servers, setup{options: options{clients: 5}})
	store := filepath.Join(servers.Servers[0].Dir, "store")
	kept := filepath.Join(t.TempDir(), "copy")
	f.load()
	f.stopped(func() {
		if err := os.CopyFS(kept, os.DirFS(store)); err != nil {
			t.Fatal(err)
		}
	})
	f.load()
	f.all("to be told of no gap", func(c *subscriber) bool { return c.told() == 0 })
	f.stopped(func() {
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(kept, store); err != nil {
			t.Fatal(err)
		}
	})
	f.all("to be told of a gap", func(c *subscriber) bool { return c.told() >= 2*len(queues) }) // on the RECEIPT and on the next MESSAGE
	from := f.restarted()
	told := f.told()
	f.load()
	if n := f.told() - told; n > 0 {
		t.Errorf("clients were told of %d more gaps", n)
	}
	f.arrive()
	for _, c := range f.clients {
		c.stop()
	}
	for _, b := range f.replicas {
		b.process.Stop()
	}
	v := newVerdict(t, "replicas, the stream restored from a copy", f.events, f.open)
	for _, c := range f.clients {
		v.clients++
		v.resumes += c.connections - 1
		v.gaps += c.gaps
		for _, q := range c.streams {
			q.namesOnce(t)
		}
	}
	if i := slices.IndexFunc(v.lost, func(n int) bool { return n >= from }); i >= 0 {
		t.Errorf("event %d was acknowledged and is not in the journal", v.lost[i])
	}
	v.note = "journalled: what the copy has"
	results.add(v.row)
}

// stopped does something while neither the bridges nor the NATS servers run.
func (f *fleet) stopped(do func()) {
	f.t.Helper()
	for _, b := range f.replicas {
		b.process.Stop()
	}
	for _, s := range f.nats.Servers {
		s.Stop()
	}
	do()
	for _, s := range f.nats.Servers {
		s.Restart()
	}
	for _, b := range f.replicas {
		b.restart()
	}
	f.flow()
}

// told returns how many gaps clients were told of.
func (f *fleet) told() (n int) {
	for _, c := range f.clients {
		n += c.told()
	}
	return n
}
