package faults_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

const replicas = 3

// A fleet is a system with several bridges, each a replica, over one log. Its clients come back at
// any of them.
type fleet struct {
	*system  // its bridge is nil
	nats     *natstest.Cluster
	name     string // of the log
	replicas []*bridge
	links    [][]*proxy // of each replica to each NATS server, where they are asked for
	dials    []*proxy   // of each replica to the broker, where options.mqtt asks for them
	front    *front
	pauses   []time.Duration // that the faults have caused
}

// A setup says what a fleet is like. Zero fields take the defaults.
type setup struct {
	options
	links []time.Duration             // a proxy between each replica and each NATS server, that late; none: no proxies
	by    func(addrs []string) string // where clients come in, of the replicas' addresses; default at any of them
}

// logs counts the logs on a set of NATS servers: each fleet has one of its own.
var logs int

// startFleet runs a fleet, whose first replica reads from the broker.
func startFleet(t *testing.T, servers *natstest.Cluster, o setup) *fleet {
	t.Helper()
	clients, rate := 10, 300
	if long() {
		clients, rate = 20, 1000
	}
	o.clients, o.rate = cmp.Or(o.clients, clients), cmp.Or(o.rate, rate)
	o.broker.Config = append(advised(t), o.broker.Config...)
	logs++
	f := &fleet{
		system: &system{t: t, broker: mosquittotest.Start(t, o.broker)},
		nats:   servers, name: fmt.Sprint("faults-", logs), front: &front{},
	}
	var addrs []string
	for i := range replicas {
		b := f.newReplica(i, o)
		f.replicas = append(f.replicas, b)
		addrs = append(addrs, b.listen)
		b.start()
		if i == 0 {
			bridgetest.Eventually(t, "a replica to lead", func() bool { return f.term() > 0 })
		}
	}
	for _, b := range f.replicas {
		b.process.WaitReady()
	}
	v := visit{token: f.replicas[0].token(), roams: true, front: f.front}
	if o.by != nil {
		addrs = []string{o.by(addrs)}
	}
	for _, addr := range addrs {
		v.urls = append(v.urls, endpoint(addr))
	}
	f.begin(o.options, v)
	return f
}

func (f *fleet) newReplica(i int, o setup) *bridge {
	f.t.Helper()
	urls := f.nats.URLs()
	if o.links != nil {
		var links []*proxy
		for n, s := range f.nats.Servers {
			links = append(links, startLateProxy(f.t, s.Addr, o.links[i]))
			urls[n] = "nats://" + links[n].addr
		}
		f.links = append(f.links, links)
	}
	broker := f.broker.Addr
	if o.mqtt {
		p := startProxy(f.t, broker)
		f.dials = append(f.dials, p)
		broker = p.addr
	}
	b := newBridge(f.t, broker, "", append([]string{
		"BRIDGE_JOURNAL_NATS_URL=" + strings.Join(urls, ","),
		"BRIDGE_JOURNAL_NATS_NAME=" + f.name,
		fmt.Sprint("BRIDGE_JOURNAL_NATS_ID=replica-", i),
		fmt.Sprint("BRIDGE_JOURNAL_NATS_REPLICAS=", len(f.nats.Servers)),
	}, o.environ...)...)
	if o.rules != "" {
		if err := os.WriteFile(b.config, []byte(o.rules), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	return b
}

var leading = regexp.MustCompile(`msg="leading the journal" term=(\d+)`)

// newestTerm returns the newest term that the replica has led for.
func (b *bridge) newestTerm() (term int) {
	if b.process == nil {
		return 0
	}
	for _, m := range leading.FindAllStringSubmatch(b.process.Log.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		term = max(term, n)
	}
	return term
}

// term returns the newest term.
func (f *fleet) term() (term int) {
	for _, b := range f.replicas {
		term = max(term, b.newestTerm())
	}
	return term
}

// reader returns the replica that has led last.
func (f *fleet) reader() *bridge {
	return slices.MaxFunc(f.replicas, func(a, b *bridge) int { return cmp.Compare(a.newestTerm(), b.newestTerm()) })
}

// standby returns a replica that does not lead.
func (f *fleet) standby() *bridge {
	reader := f.reader()
	return f.replicas[slices.IndexFunc(f.replicas, func(b *bridge) bool { return b != reader })]
}

// linksOf returns the proxies of the replica.
func (f *fleet) linksOf(b *bridge) []*proxy { return f.links[slices.Index(f.replicas, b)] }

// during measures how long nothing new reaches any client, until events flow again.
func (f *fleet) during(fault func()) {
	f.t.Helper()
	f.front.mark()
	fault()
	f.flow()
	f.pauses = append(f.pauses, f.front.stood())
}

// handOver has the fault, and waits until another turn has begun.
func (f *fleet) handOver(fault func()) {
	f.t.Helper()
	f.during(func() {
		before := f.term()
		fault()
		bridgetest.Eventually(f.t, "another turn", func() bool { return f.term() > before })
	})
}

// streams returns how the servers say that the log and the lease stand.
func (f *fleet) streams() (found []*natsjs.StreamInfo, err error) {
	nc, err := nats.Connect(strings.Join(f.nats.URLs(), ","))
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Second)
	defer cancel()
	for _, name := range []string{f.name + "-log", "KV_" + f.name + "-lead"} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		found = append(found, stream.CachedInfo())
	}
	return found, nil
}

// node returns the NATS server that leads the log.
func (f *fleet) node() *natstest.Server {
	f.t.Helper()
	number := -1
	bridgetest.Eventually(f.t, "a node to lead the log", func() bool {
		found, err := f.streams()
		if err != nil || found[0].Cluster == nil {
			return false
		}
		n, err := strconv.Atoi(strings.TrimPrefix(found[0].Cluster.Leader, "n"))
		number = n
		return err == nil
	})
	return f.nats.Servers[number]
}

// others returns the NATS servers but that one.
func (f *fleet) others(node *natstest.Server) []*natstest.Server {
	return slices.DeleteFunc(slices.Clone(f.nats.Servers), func(s *natstest.Server) bool { return s == node })
}

// whole waits until every NATS server has all of the log and of the lease.
func (f *fleet) whole() {
	f.t.Helper()
	bridgetest.Eventually(f.t, "the nodes to have the log", func() bool {
		found, err := f.streams()
		return err == nil && !slices.ContainsFunc(found, func(s *natsjs.StreamInfo) bool { return !isWhole(s) })
	})
}

func isWhole(s *natsjs.StreamInfo) bool {
	return s.Cluster != nil && s.Cluster.Leader != "" && len(s.Cluster.Replicas) == replicas-1 &&
		!slices.ContainsFunc(s.Cluster.Replicas, func(p *natsjs.PeerInfo) bool { return !p.Current || p.Offline })
}

// open opens the log as one more replica.
func (f *fleet) open() journal.Log {
	f.t.Helper()
	return openLog(f.t, jetstream.Config{URLs: f.nats.URLs(), Name: f.name, Replicas: len(f.nats.Servers), ID: "verdict"})
}

// openLog opens the log, which must not take long.
func openLog(t testing.TB, c jetstream.Config) *jetstream.Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bridgetest.Patience)
	defer cancel()
	log, err := jetstream.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// finish ends the load, waits until everything has arrived, ends all and compares what there is.
func (f *fleet) finish(fault string) *verdict {
	f.t.Helper()
	f.arrive()
	return f.compare(fault)
}

// compare ends all and compares what there is.
func (f *fleet) compare(fault string) *verdict {
	f.t.Helper()
	for _, c := range f.clients {
		c.stop()
	}
	for _, b := range f.replicas {
		b.process.Stop()
	}
	v := newVerdict(f.t, fault, f.events, f.open)
	for i, c := range f.clients {
		v.compare(i, c)
	}
	v.note = f.figures()
	return v
}

// figures are the pauses, and how many turns there were.
func (f *fleet) figures() string {
	text := fmt.Sprintf("%d turns", f.term())
	if len(f.pauses) > 0 {
		text += fmt.Sprintf(", paused %.2f to %.2f s", slices.Min(f.pauses).Seconds(), slices.Max(f.pauses).Seconds())
	}
	return text
}

// refused returns how many connections of clients have ended or were refused, but for those that
// they left.
func (f *fleet) refused() (n int) {
	for _, c := range f.clients {
		n += c.refused()
	}
	return n
}

// unharmed fails the test if the fault ends a client's connection or has it refused.
func (f *fleet) unharmed(fault func()) {
	f.t.Helper()
	before := f.refused()
	fault()
	if n := f.refused() - before; n > 0 {
		f.t.Errorf("%d connections of clients were ended or refused", n)
	}
}

// restart starts a replica again that has ended.
func (b *bridge) restart() {
	b.t.Helper()
	b.start()
	b.process.WaitReady()
}

// hang stops the process where it is, until wake.
func (b *bridge) hang() {
	b.t.Helper()
	b.process.Signal(syscall.SIGSTOP)
	b.hangs = true
	b.t.Cleanup(func() { // before it is asked to end
		if b.hangs {
			b.wake()
		}
	})
}

func (b *bridge) wake() {
	b.process.Signal(syscall.SIGCONT)
	b.hangs = false
}

// kill ends the bridge by SIGKILL.
func (b *bridge) kill() { b.process.End(syscall.SIGKILL) }
