package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A subscription is one SUBSCRIBE that was accepted.
type subscription struct {
	session     *session
	destination string // as the client named it
	queue       string
	id          string // as the client named it; at 1.0 perhaps empty
	key         string // id, or at 1.0 without one the destination
	mode        ackMode
	filter      *hub.Filter // what it selects; nil: all
	number      int         // in the ack header; 0: it has none
	cursor      *hub.Cursor
	resumed     *hub.Resume // after which message it goes on; nil: it began otherwise
	began       time.Time   // set with the cursor
	ended       time.Time   // by UNSUBSCRIBE; zero: it is open, or ended with its session
	start       Start
}

// An ackMode is the value of SUBSCRIBE's ack header.
type ackMode string

const (
	ackAuto       ackMode = "auto"
	ackClient     ackMode = "client"
	ackIndividual ackMode = "client-individual"
)

func (x *session) subscribe(f *stomp.Frame) error {
	s, o, err := x.parseSubscribe(f)
	if err != nil {
		return err
	}
	if !x.reach(o.Resume) {
		return nil
	}
	destination, _ := f.Get("destination")
	if s.mode != ackAuto {
		x.lastNumber++
		s.number = x.lastNumber
	}
	as := format{destination: destination, subscription: s.id, version: x.v(), epochs: x.server.config.Hub}
	if s.mode != ackAuto && x.v() == stomp.V12 {
		as.ack = s.number // 1.0 and 1.1 name the message and the subscription instead
	}
	if o.Resume != nil {
		o.First = func(complete bool) hub.Format {
			noted := as
			noted.note = resumeNote(complete)
			return noted
		}
	}
	x.subsMu.Lock()
	x.subs = append(x.subs, s)
	x.subsMu.Unlock()
	if err := x.allowed(s.queue, x.credentials.Load()); err != nil { // after it is listed, or SetPolicy might miss it
		return err
	}
	o.Watcher = s
	var after uint64
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		var complete bool
		s.cursor, complete = feed.Subscribe(s.queue, as, o)
		s.began, s.start = time.Now(), startOf(o, complete)
		after = s.cursor.Position()
		if complete {
			s.resumed = o.Resume
		}
		if o.Resume == nil {
			return x.appendReceipt(answers, f)
		}
		return x.appendReceipt(answers, f, stomp.Header{Key: "resume", Value: resumeNote(complete)})
	})
	x.log(slog.LevelDebug, "subscribed", "user", x.user(), "subscription", s.id, "queue", destination, "after", after)
	return nil
}

// For how long a client that resumes waits for a journal that cannot be reached, and how often is
// looked whether its session goes on.
const (
	reachFor  = time.Minute
	reachLook = time.Second
)

// reach waits until the hub knows of the message after which the client resumes: it may have it
// from another replica, which was ahead. It reports false when the session ends.
func (x *session) reach(r *hub.Resume) bool {
	if r == nil {
		return true
	}
	for began := time.Now(); x.ended.Load() == nil; {
		ctx, cancel := context.WithTimeout(x.server.context, reachLook)
		err := x.server.config.Hub.Reach(ctx, r.Position)
		cancel()
		switch {
		case err == nil:
			return true
		case !errors.Is(err, context.DeadlineExceeded):
			x.feedFailed(err)
		case time.Since(began) >= reachFor:
			x.feedFailed(hub.ErrAway)
		}
	}
	return false
}

// Skipped implements hub.Watcher: with the lines of the events, these answer why a client did not
// get one.
func (s *subscription) Skipped(k hub.Skip) {
	attrs := []any{"user", s.session.user(), "subscription", s.id, "queue", s.destination, "reason", string(k.Reason)}
	if s.filter != nil { // what it leaves out is not addressed to the subscription either
		attrs = append(attrs, "filter", s.filter.Name)
	}
	switch k.Reason {
	case hub.LeftBehind:
		attrs = append(attrs, "after", k.Position, "entries", k.Entries)
	case hub.Conflated:
		attrs = append(attrs, "position", k.Position, "by", k.By)
	default:
		attrs = append(attrs, "position", k.Position)
	}
	s.session.log(slog.LevelDebug, "not sent", attrs...)
}

// user returns the session's user, "" before CONNECT.
func (x *session) user() string {
	if by := x.credentials.Load(); by != nil {
		return by.identity.User
	}
	return ""
}

func resumeNote(complete bool) string {
	if complete {
		return "complete"
	}
	return "gap"
}

// maxSubscriptionID is the size of the longest subscription id in bytes. Some clients accept header
// lines of 1,024 bytes only.
const maxSubscriptionID = 512

// userPrefix before a queue selects the entries that are addressed to the client, without those for
// everybody.
const userPrefix = "/user/"

// parseSubscribe checks a SUBSCRIBE frame and takes its headers apart; there is no cursor yet.
func (x *session) parseSubscribe(f *stomp.Frame) (*subscription, hub.Options, error) {
	var o hub.Options
	destination, _ := f.Get("destination")
	id, hasID := f.Get("id")
	queue, own := strings.CutPrefix(destination, userPrefix)
	if own {
		queue = "/" + queue
	}
	s := &subscription{session: x, destination: destination, queue: queue, id: id, key: id, mode: ackAuto}
	if !hasID {
		s.key = destination
	}
	if mode, ok := f.Get("ack"); ok {
		s.mode = ackMode(mode)
	}
	switch {
	case !x.server.config.Hub.Has(queue):
		return nil, o, clientError("unknown destination", "the destinations are "+strings.Join(x.server.config.Hub.Queues(), ", "))
	case id == "" && (hasID || x.v() > stomp.V10):
		return nil, o, clientError("SUBSCRIBE without id", "from STOMP 1.1 on, SUBSCRIBE must have an id")
	case len(id) > maxSubscriptionID:
		detail := fmt.Sprintf("it may have %d bytes, because every message repeats it", maxSubscriptionID)
		return nil, o, clientError("the subscription id is too long", detail)
	case x.subscribed(s.key) != nil:
		return nil, o, clientError("the subscription id is in use", "")
	case len(x.subs) >= x.server.config.Limits.Subscriptions:
		return nil, o, clientError("too many subscriptions", "unsubscribe from one first, or raise server.limits.subscriptions")
	case !slices.Contains([]ackMode{ackAuto, ackClient, ackIndividual}, s.mode), s.mode == ackIndividual && x.v() == stomp.V10:
		return nil, o, clientError("unknown ack mode", "ack must be auto, client or, from STOMP 1.1 on, client-individual")
	}
	o, err := x.parseDelivery(f, queue, s.mode)
	o.Own = own
	s.filter = o.Filter
	return s, o, err
}

// parseDelivery takes apart the headers of SUBSCRIBE that say what is delivered and how:
// filter, resume-from, snapshot, conflate and prefetch-count.
func (x *session) parseDelivery(f *stomp.Frame, queue string, mode ackMode) (o hub.Options, err error) {
	if err := refuseForeign(f); err != nil {
		return o, err
	}
	if o.Filter, err = x.parseFilter(f, queue); err != nil {
		return o, err
	}
	o.Track = mode != ackAuto
	if from, ok := f.Get("resume-from"); ok {
		o.Resume = &hub.Resume{}                                                // a malformed message-id is a gap, like one of another epoch
		if epoch, position, ok := parseMessageID(strings.TrimSpace(from)); ok { // which has no blanks, so these mean nothing
			*o.Resume = hub.Resume{Epoch: epoch, Position: position}
		}
	}
	if which, ok := f.Get("snapshot"); ok {
		switch {
		case which != "latest":
			return o, clientError("unknown snapshot", "the only value is latest")
		case !x.server.config.Hub.Keyed(queue):
			return o, clientError("no snapshot of this queue", "only queues whose messages replace earlier ones have snapshots")
		}
		o.Snapshot = true
	}
	switch conflate, ok := f.Get("conflate"); {
	case ok && conflate != "true" && conflate != "false":
		return o, clientError("malformed conflate header", "the value must be true or false")
	default:
		o.NoConflate = conflate == "false"
	}
	if count, ok := f.Get("prefetch-count"); ok {
		n, err := strconv.ParseUint(count, 10, 32)
		switch {
		case err != nil || n == 0 || n > hub.MaxWindow:
			return o, clientError("malformed prefetch-count header", fmt.Sprintf("the value must be a number from 1 to %d", hub.MaxWindow))
		case !o.Track:
			return o, clientError("prefetch-count without acknowledgements", "it needs ack mode client or client-individual")
		}
		o.Window = int(n)
	}
	return o, nil
}

// subscribed returns the subscription with the key, nil when there is none.
func (x *session) subscribed(key string) *subscription {
	for _, s := range x.subs {
		if s.key == key {
			return s
		}
	}
	return nil
}

// unsubscribed returns the subscription that an UNSUBSCRIBE frame names, nil when there is none. At
// 1.0 the destination is enough even for a subscription with an id; one without an id goes first.
func (x *session) unsubscribed(f *stomp.Frame) *subscription {
	id, ok := f.Get("id")
	if ok || x.v() > stomp.V10 {
		return x.subscribed(id)
	}
	destination, _ := f.Get("destination")
	if s := x.subscribed(destination); s != nil {
		return s
	}
	for _, s := range x.subs {
		if s.destination == destination {
			return s
		}
	}
	return nil
}

func (x *session) unsubscribe(f *stomp.Frame) error {
	s := x.unsubscribed(f)
	if s == nil {
		return x.unsubscribeNone(f)
	}
	x.subsMu.Lock()
	x.subs = slices.DeleteFunc(x.subs, func(other *subscription) bool { return other == s })
	x.subsMu.Unlock()
	defer x.keepUnsubscribed(s)
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		feed.Unsubscribe(s.cursor)
		if s.number > 0 {
			x.closedAt = max(x.closedAt, s.cursor.Position())
		}
		return x.appendReceipt(answers, f)
	})
	return nil
}

// unsubscribeNone answers an UNSUBSCRIBE of what is not open, as when a client sends it twice: it
// has what it wants.
func (x *session) unsubscribeNone(f *stomp.Frame) error {
	_, hasID := f.Get("id")
	_, hasDestination := f.Get("destination")
	if !hasID && (!hasDestination || x.v() > stomp.V10) {
		return clientError("UNSUBSCRIBE without id", "it must name a subscription by its id, at STOMP 1.0 by its destination at least")
	}
	if !x.warned {
		x.warned = true
		x.log(slog.LevelWarn, "unsubscribed from what is not open",
			"hint", "the client may send UNSUBSCRIBE twice, or another id than with SUBSCRIBE")
	}
	x.out.Update(func(_ *hub.Feed, answers []byte) []byte { return x.appendReceipt(answers, f) })
	return nil
}
