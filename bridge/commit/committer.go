// Package commit is the stage between MQTT and the journal.
//
// A [Committer] takes received events in batches. It maps them by the rules, has the broker
// acknowledge their dead letters, appends their entries and what must be remembered of them in one
// transaction, and only then acknowledges the events, in the order in which they were received:
//
//	Source -> map -> Publisher: dead letters -> Store: entries and records -> Source: acknowledgements
//
// The package speaks MQTT's words (packet identifiers, DUP, user properties), so it takes the
// values of package mqtt as they are instead of copying them field by field. What it does with a
// broker goes through its own interfaces.
package commit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A Source is where events come from and are acknowledged. A *mqtt.Client is one.
type Source interface {
	// Events returns the received events in order of receipt. It is closed when no more will come.
	Events() <-chan *mqtt.Event
	// Ack acknowledges events and does not block. It is called once for each event, in order of
	// receipt, when all that comes of the events is safe.
	Ack(...*mqtt.Event)
	// Pongs returns how many pings the broker has answered so far. An answer proves that the broker
	// has read what was sent before the ping.
	Pongs() uint64
}

// A Publisher is where dead letters go. A *mqtt.Client is one.
type Publisher interface {
	// Publish returns nil once the broker has acknowledged the message, and waits while there is no
	// broker. After a *mqtt.RefusedError it is pointless to try again; after any other error the
	// message may be published again, and may then arrive twice. It is called from several
	// goroutines at once.
	Publish(context.Context, mqtt.Message) error
}

// A Pauser stops the receiving of events while nothing can be appended, so that they stay with the
// broker. A *mqtt.Client is one.
type Pauser interface {
	Pause(reason error)
	Resume() // without a Pause before it nothing happens
}

// A Store is where batches are appended. Its methods are those of a journal.Writer, and safe for
// concurrent use.
type Store interface {
	Append(context.Context, journal.Batch) error
	Records(prefix string, yield func(journal.Record) bool) error
	MaxBatch() int
}

// A Snapshot has the newest entry of each key; see journal.Log.
type Snapshot interface {
	Latest(ctx context.Context, queue string, after uint64, max int) ([]journal.Entry, error)
}

// Config holds what a Committer works with. All of it is required but where a default is named.
type Config struct {
	Source    Source
	Publisher Publisher
	Pauser    Pauser
	Store     Store
	Snapshot  Snapshot     // of the log that Store appends to
	Unread    *UnreadClock // has been loaded; nil: one of its own
	Mapper    *mapping.Mapper
	RulesHash string // see UseRules
	BaseTopic string // dead letters go to <base topic>/dead-letter/<rule>
	Trail     *Trail // gets what becomes of the events; nil: nothing is noted
	Logger    *slog.Logger
}

// A Committer is made by New, and runs once.
type Committer struct {
	source Source
	pauser Pauser
	store  Store
	logger *slog.Logger
	trail  *Trail // nil: none

	rules   atomic.Pointer[rules]
	renewed chan struct{}         // holds one when there are rules that may be unknown yet; never closed
	stalled atomic.Pointer[error] // why nothing can be appended now; nil when it can
	counts  ruleCounts

	// Owned by the goroutine that commits.
	collected    []*mqtt.Event // see collect
	redeliveries *redeliveries
	memory       *memory.Store // others look at it
	configured   *rules        // whose settings the memory has
	evictions    evictions
	echoes       echoes
	stamp        mapping.Stamp // an UnreadClock's next
	topics       *topics
	noted        []notedEvent // room for those of a batch
	record       []byte       // room for one of the trail
	newest       *newest      // nil: retained messages are not being read
	snapshot     Snapshot

	deadLetters *deadLetters
}

// New returns a Committer that goes on where an earlier one has left the store. ctx is for reading
// from it.
func New(ctx context.Context, c Config) (*Committer, error) {
	k := &Committer{source: c.Source, pauser: c.Pauser, store: c.Store, logger: c.Logger, trail: c.Trail, renewed: make(chan struct{}, 1)}
	k.UseRules(c.Mapper, c.RulesHash)
	k.snapshot = c.Snapshot
	var err error
	if k.topics, err = newTopics(c.Store); err != nil {
		return nil, err
	}
	if k.redeliveries, err = newRedeliveries(c.Store); err != nil {
		return nil, err
	}
	if k.memory, err = loadMemory(c.Store); err != nil {
		return nil, err
	}
	unread := c.Unread
	if unread == nil {
		unread = new(UnreadClock)
		if err := unread.Load(ctx, c.Snapshot); err != nil {
			return nil, err
		}
	}
	k.stamp = unread.next
	k.deadLetters, err = newDeadLetters(c.Publisher, c.Store, c.BaseTopic, c.Logger)
	return k, err
}

// UseRules makes m map all events from the next batch on. The hash is another one if m maps any
// event in another way than the one before.
func (c *Committer) UseRules(m *mapping.Mapper, hash string) {
	c.rules.Store(newRules(m, hash))
	select {
	case c.renewed <- struct{}{}:
	default: // it will find these
	}
}

// Stalled returns why nothing can be appended at the moment, nil when it can. The text begins with
// "journal: ".
func (c *Committer) Stalled() error {
	if err := c.stalled.Load(); err != nil {
		return *err
	}
	return nil
}

// Run commits until the source's events are closed and all of them are committed; then it returns
// nil. An error is ctx's, or one of the store, which is final: no event of that batch is
// acknowledged, nor any later one, so the broker sends them again.
func (c *Committer) Run(ctx context.Context) error {
	offering, stop := context.WithCancel(ctx)
	var offers sync.WaitGroup
	offers.Go(func() { c.deadLetters.offer(offering) })
	defer offers.Wait()
	defer stop()
	return c.commitAll(ctx)
}

// commitAll takes whatever waits at a time, until there are no more events, and what is due by
// itself. So the busier the bridge is, the larger the batches.
func (c *Committer) commitAll(ctx context.Context) error {
	for {
		var batch []*mqtt.Event // none: something is due
		select {
		case first, more := <-c.source.Events():
			if !more {
				c.forgetConfirmed(ctx)
				return nil
			}
			batch = c.collect(first)
		case <-c.renewed: // their memories are there without an event
		case <-c.due():
		}
		if len(batch) == 0 { // what has come before it was due is first
			if first, ok := poll(c.source.Events()); ok {
				batch = c.collect(first)
			}
		}
		if err := c.commit(ctx, batch); err != nil {
			return err
		}
		clear(c.collected) // or an idle bridge would keep them
	}
}

// collect returns the event and those that wait behind it, valid until the next call.
func (c *Committer) collect(first *mqtt.Event) []*mqtt.Event {
	batch := append(c.collected[:0], first)
	for len(batch) < maxEvents {
		e, more := poll(c.source.Events())
		if !more {
			break
		}
		batch = append(batch, e)
	}
	c.collected = batch
	return batch
}

// forgetConfirmed forgets at a clean end the packet identifiers whose acknowledgements the broker
// has had: by the next start it may have used them for other events.
func (c *Committer) forgetConfirmed(ctx context.Context) {
	if !c.redeliveries.confirmed(c.source.Pongs()) {
		return
	}
	if err := c.store.Append(ctx, journal.Batch{Drop: []string{recordsRedelivery}}); err != nil {
		c.logger.Warn("cannot remove the records of confirmed events from the journal", "error", err)
	}
}

// poll returns the next event if one waits.
func poll(events <-chan *mqtt.Event) (e *mqtt.Event, ok bool) {
	select {
	case e, ok = <-events:
		return e, ok
	default:
		return nil, false
	}
}

// commit commits the events, in as many batches as it takes; without events, what is due in one.
func (c *Committer) commit(ctx context.Context, events []*mqtt.Event) error {
	for {
		n, err := c.commitBatch(ctx, events)
		if err != nil || n == len(events) {
			return err
		}
		events = events[n:]
	}
}
