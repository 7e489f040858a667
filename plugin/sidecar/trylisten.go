package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
)

const (
	tryTimeout   = 10 * time.Second // of the connection to the broker
	tryKeepAlive = 30               // seconds
	tryMaxPacket = 1 << 20          // bytes; the bridge takes no larger ones either
)

// tryListen shows what the rules make of the next live messages. It receives them in a session of its own at QoS 0, so that the
// bridge's session, and what waits there, is as before.
func (p *program) tryListen(ctx context.Context, c *config.Config, messages int, wait time.Duration) int {
	if len(c.Mapper.Filters()) == 0 {
		return p.fail(errors.New("there are no rules, so nothing to listen for"))
	}
	s, err := subscribeLive(ctx, c)
	if err != nil {
		return p.fail(err)
	}
	defer s.close()
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, errWaited)
		defer cancel()
	}
	t := newTally(c.Mapper)
	err = p.follow(ctx, s, c.Mapper, t, messages)
	t.print(p.stdout, fmt.Sprintf("%d %s", t.events, plural(t.events, "message", "messages")))
	switch {
	case err != nil:
		return p.fail(fmt.Errorf("the connection to the broker is lost: %w", err))
	case t.sum[mapping.Rejected] > 0:
		return exitFailure
	case t.events < messages && errors.Is(context.Cause(ctx), errWaited):
		return exitWaited
	case t.sum[mapping.Mapped] == 0:
		return exitFailure
	}
	return exitOK
}

// errWaited is why no more messages are waited for.
var errWaited = errors.New("waited long enough")

// follow prints what the rules make of so many messages, until ctx is done. The error is why the connection has ended.
func (p *program) follow(ctx context.Context, s *liveSource, m *mapping.Mapper, t *tally, messages int) error {
	for t.events < messages {
		select {
		case e := <-s.events:
			trace := m.Explain(e)
			if len(trace.Result.Outcomes) == 0 {
				continue // no rule's: a filter may be wider than its rules, and # brings the bridge's own topics
			}
			trace.Format(p.stdout)
			t.add(trace.Result)
		case err := <-s.ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// A liveSource is a connection to the broker that brings what the rules' topic filters match.
type liveSource struct {
	client *paho.Client
	events chan mapping.Event // never closed
	ended  chan error         // why the connection has ended; holds one
	done   chan struct{}      // closed when nobody receives events any more
}

// subscribeLive connects to the first of the broker's URLs that lets it in.
func subscribeLive(ctx context.Context, c *config.Config) (*liveSource, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	var errs []error
	for _, u := range c.Broker.URL {
		s, err := connectLive(ctx, c, u)
		if err == nil {
			return s, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", u.Redacted(), err))
	}
	return nil, errors.Join(errs...)
}

func connectLive(ctx context.Context, c *config.Config, u *url.URL) (*liveSource, error) {
	conn, err := dialBroker(ctx, c.Broker, u)
	if err != nil {
		return nil, err
	}
	s := &liveSource{events: make(chan mapping.Event), ended: make(chan error, 1), done: make(chan struct{})}
	s.client = paho.NewClient(paho.ClientConfig{
		Conn:              packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){s.received},
		OnClientError:     s.end,
		OnServerDisconnect: func(d *paho.Disconnect) {
			s.end(fmt.Errorf("the broker ends the connection: reason code 0x%02x", d.ReasonCode))
		},
	})
	if err := s.connect(ctx, c.Broker); err != nil {
		return nil, err
	}
	if err := s.subscribe(ctx, c.Mapper.Filters()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// dialBroker opens the connection that MQTT runs in.
func dialBroker(ctx context.Context, b config.Broker, u *url.URL) (net.Conn, error) {
	var d net.Dialer
	switch u.Scheme {
	case "mqtt", "tcp":
		return d.DialContext(ctx, "tcp", withPort(u, "1883"))
	case "mqtts", "ssl":
		settings, err := brokerTLS(b)
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: &d, Config: settings}).DialContext(ctx, "tcp", withPort(u, "8883"))
	case "unix":
		return d.DialContext(ctx, "unix", u.Host+u.Path)
	}
	return nil, fmt.Errorf("try --listen cannot speak MQTT over %s; set BRIDGE_BROKER_URL to a mqtt:// or mqtts:// address of the same broker", u.Scheme)
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (s *liveSource) connect(ctx context.Context, b config.Broker) error {
	most := uint32(tryMaxPacket)
	request := &paho.Connect{
		ClientID:     "mqtt-stomp-bridge-try-" + rand.Text(),
		CleanStart:   true,
		KeepAlive:    tryKeepAlive,
		Username:     b.Username,
		UsernameFlag: b.Username != "",
		Properties:   &paho.ConnectProperties{MaximumPacketSize: &most},
	}
	if password := brokerPassword(b); password != nil {
		var err error
		if request.Password, err = password(); err != nil {
			return fmt.Errorf("broker.password_file: %w", err)
		}
		request.PasswordFlag = true
	}
	answer, err := s.client.Connect(ctx, request)
	if answer != nil && answer.ReasonCode != packets.ConnackSuccess {
		return fmt.Errorf("the broker refuses the connection: %s", (&packets.Connack{ReasonCode: answer.ReasonCode}).Reason())
	}
	return err
}

func (s *liveSource) subscribe(ctx context.Context, filters []mapping.Filter) error {
	request := &paho.Subscribe{}
	for _, f := range filters {
		o := paho.SubscribeOptions{Topic: f.Topic, QoS: 0}
		if f.SkipRetained {
			o.RetainHandling = 2 // MQTT 5, 3.8.3.1: no retained copies
		}
		request.Subscriptions = append(request.Subscriptions, o)
	}
	answer, err := s.client.Subscribe(ctx, request)
	if answer == nil {
		return err
	}
	for i, code := range answer.Reasons {
		if code >= packets.SubackUnspecifiederror {
			return fmt.Errorf("the broker refuses the subscription to %s: reason code 0x%02x", filters[i].Topic, code)
		}
	}
	return err
}

// received hands the message over; the broker waits meanwhile.
func (s *liveSource) received(r paho.PublishReceived) (bool, error) {
	e := mapping.Event{Topic: r.Packet.Topic, Payload: r.Packet.Payload, QoS: r.Packet.QoS, Retained: r.Packet.Retain, Received: time.Now()}
	if properties := r.Packet.Properties; properties != nil {
		e.ContentType = properties.ContentType
		if len(properties.User) > 0 {
			e.User = map[string]string{}
		}
		for _, u := range properties.User {
			e.User[u.Key] = u.Value
		}
	}
	select {
	case s.events <- e:
	case <-s.done:
	}
	return true, nil
}

func (s *liveSource) end(err error) {
	select {
	case s.ended <- err:
	default: // the first cause counts
	}
}

func (s *liveSource) close() {
	close(s.done)
	s.client.Disconnect(&paho.Disconnect{})
	<-s.client.Done()
}

// A tally counts how events ended, by rule.
type tally struct {
	events int
	ended  outcomes // events, by what became of them by all rules
	rules  []mapping.RuleInfo
	counts map[string]*outcomes // rule name -> its counts
	sum    outcomes             // over the rules
}

// outcomes are counts by mapping.What.
type outcomes [3]int

func newTally(m *mapping.Mapper) *tally {
	t := &tally{rules: m.Rules(), counts: map[string]*outcomes{}}
	for _, r := range t.rules {
		t.counts[r.Name] = &outcomes{}
	}
	return t
}

func (t *tally) add(r mapping.Result) {
	t.events++
	t.ended[outcomeOf(r)]++
	for _, o := range r.Outcomes {
		t.counts[o.Rule][o.What]++
		t.sum[o.What]++
	}
}

// print prints the heading and a line a rule, those without an event too: they are what one looks for.
func (t *tally) print(w io.Writer, heading string) {
	fmt.Fprintf(w, "\n%s\n%8s %8s %8s  rule\n", heading, mapping.Mapped, mapping.Filtered, mapping.Rejected)
	for _, r := range t.rules {
		n := t.counts[r.Name]
		fmt.Fprintf(w, "%8d %8d %8d  %s\n", n[mapping.Mapped], n[mapping.Filtered], n[mapping.Rejected], r.Name)
	}
}
