package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// A Delivery is what became of a message for one subscription, or for a session that had none to its
// queue.
type Delivery struct {
	Session      string     `json:"session"`
	User         string     `json:"user"`
	Remote       string     `json:"remote"`
	Subscription string     `json:"subscription,omitempty"`
	Destination  string     `json:"destination,omitempty"`
	Outcome      hub.Fate   `json:"outcome"`
	Text         string     `json:"text"`                 // says it in a sentence
	NotBefore    *time.Time `json:"not_before,omitempty"` // of sent: it was then or soon after
}

// Outcomes beside the hub's.
const (
	NotSubscribed hub.Fate = "not subscribed" // the session had no subscription to the queue
	NotConnected  hub.Fate = "not connected"  // the session was not there then
)

// maxDeliveries bounds the deliveries of one message.
const maxDeliveries = 100

// A follower follows one message to the sessions.
type follower struct {
	sources  Sources
	ctx      context.Context // of one Explain
	at       time.Time       // when the event was received
	queue    string
	position uint64
	entry    *journal.Entry // nil: it has left the log
	everyone bool           // sessions that were not there are not asked for
}

// deliveries returns what became of the message for the sessions. Those that were not there then
// are told only where none was.
func (f *follower) deliveries(sessions []server.Traced) ([]Delivery, error) {
	var there, absent []Delivery
	for _, t := range merge(sessions) {
		all, err := f.session(t)
		if err != nil {
			return nil, err
		}
		if len(all) == 1 && all[0].Outcome == NotConnected {
			absent = append(absent, all...)
			continue
		}
		there = append(there, all...)
	}
	if len(there) == 0 && !f.everyone {
		return f.nearest(absent, sessions), nil
	}
	return there, nil
}

// merge puts what is known of one session in several places together.
func merge(sessions []server.Traced) (merged []server.Traced) {
	index := map[string]int{}
	for _, t := range sessions {
		i, ok := index[t.Session]
		if !ok {
			index[t.Session] = len(merged)
			t.Subscriptions = slices.Clone(t.Subscriptions)
			merged = append(merged, t)
			continue
		}
		m := &merged[i]
		m.Subscriptions = append(m.Subscriptions, t.Subscriptions...)
		if t.Ended != nil {
			m.Ended, m.Cause = t.Ended, t.Cause
		}
	}
	return merged
}

// nearest returns the deliveries of the last session before the event and of the first after it.
func (f *follower) nearest(absent []Delivery, sessions []server.Traced) []Delivery {
	ended := map[string]time.Time{}
	for _, t := range sessions {
		if t.Ended != nil {
			ended[t.Session] = *t.Ended
		}
	}
	var before, after []Delivery
	var last time.Time
	for _, d := range absent {
		end, isEnded := ended[d.Session]
		switch {
		case isEnded && end.Before(f.at) && !end.Before(last):
			before, last = []Delivery{d}, end
		case (!isEnded || !end.Before(f.at)) && after == nil:
			after = []Delivery{d}
		}
	}
	return append(before, after...)
}

// session returns what became of the message for one session.
func (f *follower) session(t server.Traced) ([]Delivery, error) {
	base := Delivery{Session: t.Session, User: t.User, Remote: t.Remote}
	var reached, missed []Delivery
	for i := range t.Subscriptions {
		sub := &t.Subscriptions[i]
		if sub.Queue != f.queue {
			continue
		}
		d := base
		d.Subscription, d.Destination, d.Outcome = sub.ID, sub.Destination, f.fate(&sub.Trace)
		if err := f.tell(&d, t, sub); err != nil {
			return nil, err
		}
		if d.Outcome == hub.FateNotYet || d.Outcome == hub.FateNoLonger {
			missed = append(missed, d)
			continue
		}
		reached = append(reached, d)
	}
	switch {
	case len(reached) > 0:
		return reached, nil
	case t.Ended != nil && t.Ended.Before(f.at):
		base.Outcome, base.Text = NotConnected, fmt.Sprintf("the session had ended at %s: %s", at(*t.Ended), t.Cause)
	case t.Since.After(f.at):
		base.Outcome, base.Text = NotConnected, fmt.Sprintf("the session began after it, at %s", at(t.Since))
		if len(missed) > 0 { // how it began tells why it did not get what came before
			base.Text += "; " + missed[0].Text
		}
	case len(missed) > 0:
		return missed, nil
	default:
		base.Outcome, base.Text = NotSubscribed, "not subscribed to "+f.queue
	}
	return []Delivery{base}, nil
}

// fate is the hub's, as far as it can be told where the log no longer has the entry.
func (f *follower) fate(t *hub.Trace) hub.Fate {
	if f.entry != nil {
		return f.sources.Fates.Fate(t, f.entry)
	}
	switch {
	case f.position <= t.From:
		return hub.FateNotYet
	case t.Ended && f.position > t.Until:
		return hub.FateNoLonger
	case slices.Contains(t.Conflated, f.position):
		return hub.FateConflated
	}
	return hub.FateUnknown
}

// tell says in a sentence what became of the message.
func (f *follower) tell(d *Delivery, t server.Traced, sub *server.TracedSubscription) (err error) {
	switch d.Outcome {
	case hub.FateSent:
		f.sent(d, sub)
	case hub.FateSnapshot:
		return f.snapshot(d, sub)
	case hub.FateConflated:
		d.Text = "not sent: the client lagged, and a newer one of the same conversation has replaced it"
		next, err := f.next(sub.Conflated)
		if next > 0 {
			d.Text += ", " + f.sources.id(next)
		}
		return err
	case hub.FateMaybeConflated:
		d.Text = "sent, or replaced by a newer one while the client lagged: which of the two is not known any more"
	case hub.FateWaits:
		d.Text = "not sent yet: the client does not read, or does not acknowledge, what comes before"
	case hub.FateLeftBehind:
		d.Text = "not sent: " + ended(t, sub) + " before"
	case hub.FateNotAddressed:
		d.Text = "not sent: the rule's audience does not include the user"
		if sub.Own && f.entry.Audience == nil {
			d.Text = "not sent: it is for everybody, and " + sub.Destination + " gets only what is addressed to the user"
		}
	case hub.FateFilteredOut:
		d.Text = "not sent: the subscription's filter by " + sub.Filter.Name + " does not select it"
	case hub.FateNotYet:
		d.Text = fmt.Sprintf("subscribed after it, at %s%s", at(sub.Began), starts[sub.Start])
	case hub.FateNoLonger:
		d.Text = ended(t, sub) + " before it"
	default:
		d.Text = "not known any more"
		if f.entry == nil {
			d.Text = "subscribed then, but whether the message was for the user is not known, since the journal no longer has it"
		}
	}
	return nil
}

// starts say how a subscription has begun that did not get what came before.
var starts = map[server.Start]string{
	server.StartLive:     ", without resume-from and without a snapshot",
	server.StartResumed:  ", and resumed from a later message",
	server.StartGap:      ", and its resume-from is of another journal or no longer kept: it was told resume: gap",
	server.StartSnapshot: ", with a snapshot",
}

// sent says when the message was sent, which nobody has noted: not before it was there, nor before
// the subscription was.
func (f *follower) sent(d *Delivery, sub *server.TracedSubscription) {
	when := f.at
	d.Text = "sent"
	if f.position <= sub.Live {
		when = sub.Began
		d.Text = "sent as a replay, when the client resumed at " + at(when)
	}
	d.NotBefore = &when
}

// snapshot says whether the message was in the snapshot that the subscription began with.
func (f *follower) snapshot(d *Delivery, sub *server.TracedSubscription) error {
	next, err := f.next(nil)
	switch {
	case err != nil:
		return err
	case next > 0 && next <= sub.Live:
		d.Outcome, d.Text = hub.FateNotYet, fmt.Sprintf("subscribed after it, at %s, and its snapshot had a newer one, %s", at(sub.Began), f.sources.id(next))
	default:
		d.Text, d.NotBefore = "sent in the snapshot that the subscription began with, at "+at(sub.Began), &sub.Began
	}
	return nil
}

// ended says how a subscription has ended.
func ended(t server.Traced, sub *server.TracedSubscription) string {
	switch {
	case sub.Ended != nil:
		return fmt.Sprintf("the client had unsubscribed at %s", at(*sub.Ended))
	case t.Ended != nil:
		return fmt.Sprintf("the session had ended at %s, %s,", at(*t.Ended), t.Cause)
	}
	return "the subscription had ended"
}

// maxLookAhead is how many entries are read for a newer one of the same key.
const maxLookAhead = 20_000

// next returns the position of the next entry of the message's key, 0 when there is none or it is
// too far away. Those at the positions given are passed over.
func (f *follower) next(without []uint64) (uint64, error) {
	if f.entry == nil || f.entry.Key == "" {
		return 0, nil
	}
	for after := f.position; after < f.position+maxLookAhead; {
		page, err := f.sources.Log.Read(f.ctx, after, 1000)
		if err != nil || len(page) == 0 {
			return 0, err
		}
		for i := range page {
			e := &page[i]
			if e.Key == f.entry.Key && !slices.Contains(without, e.Position) {
				return e.Position, nil
			}
			after = e.Position
		}
	}
	return 0, nil
}

func isTrimmed(err error) bool { return errors.Is(err, journal.ErrTrimmed) }
