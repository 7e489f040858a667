package faults_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	core "mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// Two bridges in this process, which take turns over one log. What they know of it can be taken
// from them: then the test must see what goes wrong, or it would not see it elsewhere either.
type pair struct {
	*system
	servers *natstest.Cluster
	first   *member
	second  *member
}

// A member is a bridge whose connections can be cut.
type member struct {
	*core.Bridge
	log    *jetstream.Log
	addr   string
	mqtt   *proxy
	nats   *proxy
	stop   context.CancelFunc
	ending sync.WaitGroup
}

// A blinder takes something from a log.
type blinder func(journal.Log) journal.Log

func asItIs(l journal.Log) journal.Log { return l }

// startPair runs two bridges of which the first reads. The second has everything later, and what is
// taken from it.
func startPair(t *testing.T, late time.Duration, take blinder) *pair {
	t.Helper()
	p := &pair{
		system:  &system{t: t, broker: mosquittotest.Start(t, mosquittotest.Options{Config: advised(t)})},
		servers: natstest.Start(t, natstest.Distributed(t), natstest.Options{}),
	}
	p.first = p.join("first", 0, asItIs)
	bridgetest.Eventually(t, "the first to lead", func() bool { return p.first.log.Standing().Leads })
	p.second = p.join("second", late, take)
	return p
}

func (p *pair) join(id string, late time.Duration, take blinder) *member {
	t := p.t
	t.Helper()
	m := &member{mqtt: startProxy(t, p.broker.Addr), nats: startLateProxy(t, p.servers.Servers[0].Addr, late)}
	m.log = openLog(t, jetstream.Config{URLs: []string{"nats://" + m.nats.addr}, Name: "pair", Replicas: 1, ID: id})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	report := new(source.Report)
	parsed := mapping.ParseSource("rules.yaml", []byte(rules), report)
	m.Bridge, err = core.New(core.Config{
		MQTT:     mqtt.Config{URLs: []*url.URL{{Scheme: "mqtt", Host: m.mqtt.addr}}, ClientID: "pair"},
		Log:      take(m.log),
		Server:   server.Config{Policy: server.Policy{Auth: auth.Anonymous{Sole: true}}},
		Listener: l,
		Mapper:   mapping.Compile([]mapping.Source{parsed}, mapping.Options{}, report),
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.ending.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	})
	t.Cleanup(m.end)
	return m
}

func (m *member) end() {
	m.stop()
	m.ending.Wait()
}

// move has all clients come back at that member.
func (p *pair) move(to *member) {
	for _, c := range p.clients {
		c.stop()
		c.urls = []string{endpoint(to.addr)}
		c.start()
	}
}

// lose has the member's process gone, as far as others see.
func (m *member) lose() {
	for _, p := range []*proxy{m.mqtt, m.nats} {
		p.blackhole()
		p.cut()
	}
}

// entries opens the log as one more member.
func (p *pair) entries() *verdict {
	p.t.Helper()
	return newVerdict(p.t, "", p.events, func() journal.Log {
		return openLog(p.t, jetstream.Config{URLs: p.servers.URLs(), Name: "pair", Replicas: 1, ID: "verdict"})
	})
}

// The broker sends what it lacks the acknowledgements of to the next reader. That one knows it by
// the records that are in the log.
func TestRedeliveryRecordsAtTakeOver(t *testing.T) {
	for _, test := range []struct {
		name    string
		take    blinder
		doubled bool
	}{
		{"with the records", asItIs, false},
		{"control: without", func(l journal.Log) journal.Log { return forgetful{l} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startPair(t, 0, test.take)
			p.begin(options{clients: 1, rate: 300}, visit{urls: []string{endpoint(p.second.addr)}})
			p.first.mqtt.hold(there) // its acknowledgements
			p.flow()
			p.first.lose()
			p.first.mqtt.release()
			bridgetest.Eventually(t, "the second to lead", func() bool { return p.second.log.Standing().Leads })
			p.arrive()
			v := p.entries()
			if n := len(v.doubled()); n > 0 != test.doubled {
				t.Errorf("%d of %d events are in the journal twice", n, v.journalled)
			}
			if len(v.lost) > 0 {
				t.Errorf("%d events are lost", len(v.lost))
			}
		})
	}
}

// A forgetful log has no records of what the broker may send again.
type forgetful struct{ journal.Log }

func (l forgetful) Lead(ctx context.Context) (journal.Writer, error) {
	w, err := l.Log.Lead(ctx)
	return forgetfulWriter{w}, err
}

type forgetfulWriter struct{ journal.Writer }

func (w forgetfulWriter) Records(prefix string, yield func(journal.Record) bool) error {
	if strings.HasPrefix(prefix, "packet/") {
		return nil
	}
	return w.Writer.Records(prefix, yield)
}

// A client that comes to a replica which is behind waits there for what it has seen elsewhere.
func TestReachOfALateReplica(t *testing.T) {
	for _, test := range []struct {
		name string
		take blinder
		gaps bool
	}{
		{"with Reach", asItIs, false},
		{"control: without", func(l journal.Log) journal.Log { return impatient{l} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startPair(t, 300*time.Millisecond, test.take)
			p.begin(options{clients: 3, rate: 300}, visit{urls: []string{endpoint(p.first.addr)}})
			for _, to := range []*member{p.second, p.first, p.second} {
				p.again(func() { p.move(to) })
				p.flow()
			}
			gaps := 0
			for _, c := range p.clients {
				c.stop()
				gaps += c.gaps
			}
			if gaps > 0 != test.gaps {
				t.Errorf("clients were told of %d gaps", gaps)
			}
		})
	}
}

// An impatient log answers at once, as if it had everything.
type impatient struct{ journal.Log }

func (impatient) Reach(context.Context, uint64) error { return nil }
