package jetstream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

const (
	announceEvery = 3 * time.Second
	absentAfter   = 10 * time.Second // without an announcement
	preferFor     = 2 * time.Second  // a lease that is free is left to those who are configured as who led last
)

// An announcement is what a replica tells the others of itself.
type announcement struct {
	journal.Replica
	Instance string `json:"instance"` // names the process: random
	Gone     bool   `json:"gone,omitempty"`
}

// A roster is who is present: those that have announced themselves lately. Safe for concurrent use.
type roster struct {
	self     func() journal.Replica // this one
	instance string
	logger   *slog.Logger

	mu        sync.Mutex
	mine      announcement            // what me has returned last, which says enough of what does not change
	others    map[string]announcement // by instance
	listening time.Time               // since then announcements are heard
	led       announcement            // of those that have led, as far as was heard, the newest
	said      string                  // of conflicts, in the log
}

func newRoster(self func() journal.Replica, logger *slog.Logger) *roster {
	r := &roster{self: self, instance: journal.NewEpoch(), logger: logger, others: map[string]announcement{}, listening: time.Now()}
	r.me()
	return r
}

// me returns the announcement of this replica.
func (r *roster) me() announcement {
	a := announcement{Replica: r.self(), Instance: r.instance}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ledLocked(a)
	r.mine = a
	return a
}

// lately returns what me has returned last.
func (r *roster) lately() announcement {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mine
}

// listens notes that from now on announcements are heard, of which some may have been missed.
func (r *roster) listens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listening = time.Now()
}

// hear takes another one's announcement. It ignores this replica's own.
func (r *roster) hear(a announcement) {
	if a.Instance == r.instance {
		return
	}
	a.Seen = time.Now()
	r.mu.Lock()
	if a.Gone {
		delete(r.others, a.Instance)
	} else {
		r.others[a.Instance] = a
	}
	r.ledLocked(a)
	r.mu.Unlock()
	r.say(r.conflicts())
}

// ledLocked notes who leads.
func (r *roster) ledLocked(a announcement) {
	if a.Leads && a.Term >= r.led.Term {
		r.led = a
	}
}

// say logs conflicts once, as long as they stay the same.
func (r *roster) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.mu.Lock()
	same := text == r.said
	r.said = text
	r.mu.Unlock()
	if !same && text != "" {
		r.logger.Error("replicas that share the journal do not go together", "error", text)
	}
}

// present returns all that are there, with this one as it is given, by ID. Of several with one ID it
// is the one that began last: the others may have ended without a word.
func (r *roster) present(me journal.Replica) (all []journal.Replica) {
	for _, a := range r.heard() {
		all = append(all, a.Replica)
	}
	all = append(all, me)
	slices.SortFunc(all, func(a, b journal.Replica) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), b.Began.Compare(a.Began))
	})
	return slices.CompactFunc(all, func(a, b journal.Replica) bool { return a.ID == b.ID })
}

// heard returns the announcements of the others that are there, in an order that does not change.
func (r *roster) heard() (all []announcement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for instance, a := range r.others {
		if time.Since(a.Seen) > absentAfter {
			delete(r.others, instance)
			continue
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b announcement) int { return strings.Compare(a.Instance, b.Instance) })
	return all
}

// leader returns the ID of who leads among the replicas; "" where nobody does.
func leader(replicas []journal.Replica) string {
	var newest journal.Replica
	for _, a := range replicas {
		if a.Leads && (!newest.Leads || a.Term > newest.Term) {
			newest = a
		}
	}
	return newest.ID
}

// conflicts returns what keeps this replica and the others that are there from sharing a log.
func (r *roster) conflicts() error {
	me := r.lately()
	var errs []error
	for _, a := range r.heard() {
		errs = append(errs, me.conflict(a)...)
	}
	return errors.Join(errs...)
}

// barred returns the conflicts with those that began before this replica, which therefore must not
// lead.
func (r *roster) barred() error {
	me := r.lately()
	var errs []error
	for _, a := range r.heard() {
		if cmp.Or(a.Began.Compare(me.Began), strings.Compare(a.Instance, me.Instance)) < 0 {
			errs = append(errs, me.conflict(a)...)
		}
	}
	return errors.Join(errs...)
}

// conflict returns what two replicas have in common that they must not, and what they do not have
// in common that they must.
func (a announcement) conflict(b announcement) (errs []error) {
	if a.ID == b.ID && a.ID != "" {
		errs = append(errs, fmt.Errorf("journal: another replica has the id %q, since %s; set journal.nats.id to another one at each replica",
			a.ID, b.Began.Format(time.RFC3339)))
	}
	for _, same := range []struct{ key, a, b string }{
		{"broker.client_id", a.ClientID, b.ClientID}, {"broker.base_topic", a.BaseTopic, b.BaseTopic},
	} {
		if same.a != same.b && same.a != "" && same.b != "" {
			errs = append(errs, fmt.Errorf("journal: %s is %q here, and %q at the replica %q; it must be the same at all replicas",
				same.key, same.a, same.b, b.ID))
		}
	}
	return errs
}

// mayLead reports whether this replica may take a lease that has been free for so long. Whose
// configuration is not that of who led last leaves it to those whose is: else a mistake in a new
// configuration would come into force before it has come everywhere.
func (r *roster) mayLead(free time.Duration) bool {
	return r.barred() == nil && (free >= preferFor || !r.outranked())
}

func (r *roster) outranked() bool {
	me := r.lately()
	r.mu.Lock()
	led := r.led.Config
	r.mu.Unlock()
	return led != "" && led != me.Config && slices.ContainsFunc(r.heard(), func(a announcement) bool { return a.Config == led })
}

// complete reports whether everybody who is there must have been heard.
func (r *roster) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.listening) >= absentAfter
}
