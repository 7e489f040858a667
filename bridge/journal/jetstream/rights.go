package jetstream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/journal"
)

// rights are what the NATS user of a replica must be allowed to: patterns of subjects. Whoever may
// publish the tail could have replicas take anything for the log, so none of them may.
type rights struct{ publish, subscribe []string }

// inboxes are where answers come to. Who is asked may answer there by allow_responses.
const inboxes = "_INBOX.>"

func (c Config) rights() rights {
	stream, bucket := c.streamName(), "KV_"+c.bucketName()
	return rights{
		publish: []string{
			c.Name + ".log", c.Name + ".lead.*", c.Name + ".replicas", c.Name + ".replica.>",
			"$JS.API.INFO", "$JS.API.STREAM.CREATE." + stream, "$JS.API.STREAM.CREATE." + bucket, // to make them
			"$JS.API.STREAM.INFO." + stream, "$JS.API.STREAM.PURGE." + stream, "$JS.API.DIRECT.GET." + stream,
			"$JS.API.STREAM.INFO." + bucket, "$JS.API.DIRECT.GET." + bucket + ".>", "$KV." + c.bucketName() + "." + leaseKey,
		},
		subscribe: []string{c.Name + ".tail", c.Name + ".lead.*", c.Name + ".replicas", c.Name + ".replica.>", inboxes},
	}
}

// A deniedError is a right that the user lacks.
type deniedError struct {
	action  string // publish to, subscribe to
	pattern string // what it must be allowed
	at      time.Time
	news    bool // nobody was told yet
}

func (e *deniedError) Error() string {
	hint := ""
	if e.action == actionPublish && e.pattern == inboxes {
		hint = ", or allow_responses"
	}
	return fmt.Sprintf("journal: the NATS user may not %s %q; add it to the user's permissions%s", e.action, e.pattern, hint)
}

const (
	actionPublish   = "publish to"
	actionSubscribe = "subscribe to"
)

// Denials are what the servers have said that the user may not do. They say so beside the request,
// which gets no answer. Safe for concurrent use.
type denials struct {
	rights rights

	mu  sync.Mutex
	all []*deniedError // the last of each pattern, in order
	end func()         // ends what waits in vain; nil: nothing does
}

func newDenials(c Config) *denials { return &denials{rights: c.rights()} }

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) (?:to|with reply of) "([^"]+)"`)

// deniedBy returns what the error says that the user may not do; nil: it says nothing of that.
func (r rights) deniedBy(err error) *deniedError {
	if err == nil {
		return nil
	}
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return nil
	}
	d := &deniedError{action: actionPublish, pattern: m[2], at: time.Now()}
	patterns := append(slices.Clone(r.publish), inboxes)
	if strings.EqualFold(m[1], "subscription") {
		d.action, patterns = actionSubscribe, r.subscribe
	}
	if i := slices.IndexFunc(patterns, func(p string) bool { return matches(p, m[2]) }); i >= 0 {
		d.pattern = patterns[i]
	}
	return d
}

// matches reports whether the subject matches the pattern.
func matches(pattern, subject string) bool {
	if prefix, ok := strings.CutSuffix(pattern, ">"); ok {
		return strings.HasPrefix(subject, prefix)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		rest, ok := strings.CutPrefix(subject, prefix)
		return ok && !strings.Contains(rest, ".")
	}
	return pattern == subject
}

// add notes what the error says that the user may not do, and returns it; nil: it says nothing of
// that.
func (d *denials) add(err error) *deniedError {
	denied := d.rights.deniedBy(err)
	if denied == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	same := func(o *deniedError) bool { return o.action == denied.action && o.pattern == denied.pattern }
	denied.news = !slices.ContainsFunc(d.all, same)
	d.all = append(slices.DeleteFunc(d.all, same), denied)
	if d.end != nil {
		d.end()
	}
	return denied
}

// ends has f called when something is denied.
func (d *denials) ends(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end = f
}

func (d *denials) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = nil
}

// explain returns in place of the error, which is that of a request since then, what was denied
// since, if anything was.
func (d *denials) explain(began time.Time, err error) error {
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.all); n > 0 && !d.all[n-1].at.Before(began) {
		return d.all[n-1]
	}
	return err
}

// checkRights tries all that a replica does now and then, except for what would leave something
// behind. The error has every right that is missing.
func (s *natsStore) checkRights(ctx context.Context) error {
	var missing []error
	try := func(f func() error) error {
		err := s.try(ctx, f)
		var d *deniedError
		if errors.As(err, &d) {
			missing = append(missing, d)
			return nil
		}
		return err
	}
	var subs []*nats.Subscription
	defer func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe()
		}
	}()
	c, self := s.config, s.config.Name+".lead."+journal.NewEpoch()
	inbox := s.conn.NewInbox()
	for _, subject := range []string{c.Name + ".tail", self, c.Name + ".replicas", c.Name + ".replica." + c.ID, inbox} {
		err := try(func() error {
			sub, err := s.conn.Subscribe(subject, func(m *nats.Msg) {
				if m.Reply != "" && subject == self {
					_ = m.Respond(nil)
				}
			})
			subs = append(subs, sub)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, m := range s.probes(self) {
		if err := try(func() error { return s.conn.PublishMsg(m) }); err != nil {
			return err
		}
	}
	if err := errors.Join(missing...); err != nil {
		return &refusedError{err}
	}
	return s.checkAnswers(ctx, self)
}

// try reports whether f, which publishes or subscribes, was denied.
func (s *natsStore) try(ctx context.Context, f func() error) error {
	if err := f(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := s.conn.FlushWithContext(ctx); err != nil {
		return err
	}
	// What was denied came before the answer to the flush.
	last := s.conn.LastError()
	if d := s.denied.rights.deniedBy(last); d != nil && last != s.seen {
		s.seen = last
		return d
	}
	return nil
}

// probes are messages that nothing comes of, to subjects that a replica publishes to.
func (s *natsStore) probes(self string) (all []*nats.Msg) {
	c := s.config
	stream, bucket := c.streamName(), c.bucketName()
	add := func(subject, data string) *nats.Msg {
		m := nats.NewMsg(subject)
		m.Data = []byte(data)
		all = append(all, m)
		return m
	}
	const never = "9007199254740991" // no sequence is that large, so nothing is appended behind it
	add(c.Name+".log", "").Header.Set(jetstream.ExpectedLastSeqHeader, never)
	add("$KV."+bucket+"."+leaseKey, "").Header.Set(jetstream.ExpectedLastSeqHeader, never)
	add(self, "")
	add(c.Name+".replicas", "")
	add(c.Name+".replica."+c.ID, "")
	add("$JS.API.STREAM.INFO."+stream, "")
	add("$JS.API.STREAM.INFO.KV_"+bucket, "")
	add("$JS.API.DIRECT.GET."+stream, `{"seq":1}`)
	add("$JS.API.DIRECT.GET.KV_"+bucket+".$KV."+bucket+"."+leaseKey, "")
	return all
}

// checkAnswers asks this replica itself: others take one that does not answer for hung.
func (s *natsStore) checkAnswers(ctx context.Context, self string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	began := time.Now()
	_, err := s.conn.RequestWithContext(ctx, self, nil)
	var d *deniedError
	if err := s.denied.explain(began, err); errors.As(err, &d) {
		return &refusedError{d}
	}
	return err
}
