// Package bridge is the running bridge: MQTT events in, STOMP messages out.
//
// An event's way, and the two halves of a Bridge:
//
//	intake: as long as a turn to write the log lasts    |  as long as Run does
//	                                                    |
//	mqtt.Client -> commit.Committer -> journal.Writer --+-> journal.Log -> hub.Hub -> server.Server
//	       ^         |     map, dead letters, append,   |
//	       +---------+     acknowledge                  |
//
// The package holds no stage itself: it connects them, and says in which order they begin and end.
package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/memory"
)

// Config holds the parts of a Bridge. All are required but where a default is named.
type Config struct {
	MQTT     mqtt.Config   // Filters, Stale, Returning, Over, BaseTopic and Logger are set by the bridge
	Log      journal.Log   // the bridge's from now on: Run closes it
	Server   server.Config // Hub and Logger are set by the bridge
	Listener net.Listener  // for the clients; Run closes it

	Mapper     *mapping.Mapper
	RulesHash  string // identifies the rules: another one may map an event in another way
	ConfigHash string // identifies the configuration in the status document
	BaseTopic  string // of status and dead letters, default mapping.DefaultBaseTopic

	TrailBytes int // of memory for what Explain knows beside the log; 0: it knows nothing, and nothing is noted

	ShutdownTimeout time.Duration // half of it for committing what was received when Run is told to end, half for the broker; default 5s
	Logger          *slog.Logger
}

// A Bridge is made by New, and runs once.
//
// It has two halves. The hub and the server follow the log and serve clients as long as the Bridge
// runs. An intake reads from the broker and appends to the log as long as it is this Bridge's turn
// to do that; where nobody else wants to, that is always.
type Bridge struct {
	config Config
	log    journal.Log
	shared journal.Shared // the log; nil: it is this bridge's alone
	hub    *hub.Hub
	server *server.Server
	logger *slog.Logger

	unread commit.UnreadClock // of all intakes
	trails trails

	reload sync.Mutex             // one Reload at a time; before mu
	intake atomic.Pointer[intake] // the newest, also when its turn is over; nil before the first

	mu    sync.Mutex // held while an intake is made
	rules rules      // in force
}

// rules are what an intake is told of the configuration in force.
type rules struct {
	mapper *mapping.Mapper
	hash   string            // of the rules alone
	status map[string]string // fields of the status document
}

// New connects the parts. Nothing runs before Run.
func New(c Config) (*Bridge, error) {
	c.BaseTopic = cmp.Or(c.BaseTopic, mapping.DefaultBaseTopic)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 5*time.Second)
	c.MQTT.BaseTopic, c.MQTT.Logger, c.MQTT.Filters = c.BaseTopic, c.Logger, filters(c.Mapper)
	if _, err := mqtt.New(c.MQTT); err != nil { // each turn makes its own; mistakes shall show now
		return nil, err
	}
	b := &Bridge{log: c.Log, logger: c.Logger, rules: rules{c.Mapper, c.RulesHash, map[string]string{"config": c.ConfigHash}}}
	b.shared, _ = c.Log.(journal.Shared)
	c.Log.Follow(b.unread.Follow)
	b.trails = newTrails(c.TrailBytes)
	b.hub = hub.New(c.Log, hubConfig(c.Logger, c.TrailBytes > 0))
	c.Server.Hub, c.Server.Logger, c.Server.Trail = b.hub, c.Logger, b.trails.sessions
	b.server = server.New(c.Server)
	b.config = c
	return b, nil
}

// hubConfig is the queues of the contract as the hub takes them. What it skips is for the log at
// debug.
func hubConfig(logger *slog.Logger, traces bool) (c hub.Config) {
	c.Traces = traces
	c.Watching = func() bool { return logger.Enabled(context.Background(), slog.LevelDebug) }
	for _, q := range contract.Queues() {
		c.Queues = append(c.Queues, hub.Queue{Name: q.Name, Keyed: q.Keyed, Conflate: q.Conflated, Filters: q.Filters})
	}
	return c
}

// Run bridges until ctx is done. Then it takes no more events, commits and acknowledges those it
// has, says goodbye to the broker, closes the clients' connections cleanly and the log, and returns
// nil; or the error that made it end before.
func (b *Bridge) Run(ctx context.Context) error {
	serving, stopServing := context.WithCancel(context.Background())
	defer stopServing()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	served := make(chan error, 1)
	go func() {
		served <- b.server.Serve(serving, b.config.Listener)
		stopReading()
	}()

	err := b.lead(reading)
	if err == nil && ctx.Err() == nil {
		err = fmt.Errorf("serving clients: %w", cmp.Or(<-served, net.ErrClosed)) // by itself, before it was told to stop
	} else {
		stopServing()
		err = errors.Join(err, <-served)
	}
	b.hub.Close()
	return errors.Join(err, b.log.Close())
}

// The time between a turn that has ended by itself and the attempt to have the next: yieldPause where
// another replica shall have it, also one that comes later because it is configured in another way.
const (
	turnPause  = time.Second
	yieldPause = 5 * time.Second
)

// lead has an intake run whenever it is this bridge's turn, until ctx is done; then it returns nil.
// The error says why there will be no more turns.
func (b *Bridge) lead(ctx context.Context) error {
	for {
		over, err := b.takeTurn(ctx)
		switch {
		case b.log.Err() != nil:
			return b.log.Err() // what it holds is not known until it is opened again
		case ctx.Err() != nil:
			return nil
		case !over:
			return err // another turn would end the same way
		}
		b.logger.Warn("waiting for the next turn to read from the broker", "error", err)
		pause := turnPause
		if errors.Is(err, errBrokerAway) {
			pause = yieldPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// takeTurn waits for a turn and has an intake run until ctx is done, the turn is over, or an error.
// What takes long, or needs a log that can be reached, is done before the turn, while another one may
// still lead.
func (b *Bridge) takeTurn(ctx context.Context) (over bool, err error) {
	if err := b.unread.Load(ctx, b.log); err != nil {
		return errors.Is(err, journal.ErrAway), err
	}
	w, err := b.log.Lead(ctx)
	if err != nil {
		return false, err
	}
	defer w.Resign()
	b.unread.Lead(true)
	defer b.unread.Lead(false)
	in, err := b.newIntake(ctx, w)
	if err == nil {
		err = in.run(ctx, b.others)
	}
	select {
	case <-w.Done():
		return true, err
	default:
		return errors.Is(err, errBrokerAway), err
	}
}

// others reports whether there are other replicas.
func (b *Bridge) others() bool { return b.shared != nil && len(b.shared.Standing().Replicas) > 1 }

// newIntake makes the intake of a turn. No reload falls between what it is made by and what it is
// told of.
func (b *Bridge) newIntake(ctx context.Context, w journal.Writer) (*intake, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := newIntake(ctx, b.config, b.rules, w, &b.unread, b.trails.events)
	if err == nil {
		in.before = b.turns()
		b.intake.Store(in)
	}
	return in, err
}

// An Update is what a reload may change.
type Update struct {
	Mapper     *mapping.Mapper
	RulesHash  string
	Policy     server.Policy
	ConfigHash string
}

// Reload puts the update into force as a whole: from the next batch on every event is mapped by the
// new rules. New topic filters are granted before those that are no longer wanted are dropped, and
// retained messages are read again if the rules have changed: Reload waits for that until ctx is
// done, and the client goes on with it after. Sessions whose
// token is no longer valid, or that have a subscription which is no longer allowed, end.
func (b *Bridge) Reload(ctx context.Context, u Update) error {
	b.reload.Lock()
	defer b.reload.Unlock()
	b.server.SetPolicy(u.Policy)
	same := false
	in := b.use(func(r *rules) {
		same = u.RulesHash != "" && u.RulesHash == r.hash
		*r = rules{u.Mapper, u.RulesHash, map[string]string{"config": u.ConfigHash}}
	})
	if in == nil || same { // the first will begin with them; the same rules have what they need
		return nil
	}
	return in.subscribe(ctx, u.Mapper)
}

// use changes the rules in force, and tells the intake, which it returns.
func (b *Bridge) use(change func(*rules)) *intake {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.rules)
	in := b.intake.Load()
	if in != nil {
		in.use(b.rules)
	}
	return in
}

// RecheckAuth ends the sessions whose token the authenticator does not accept any more, as when it
// has other keys.
func (b *Bridge) RecheckAuth() { b.server.RecheckAuth() }

// turn returns the intake of the turn that lasts; nil: there is none, since another replica has it,
// or the first has not begun. Where nobody else takes turns it is the newest.
func (b *Bridge) turn() *intake {
	in := b.intake.Load()
	if in == nil || b.shared == nil {
		return in
	}
	select {
	case <-in.writer.Done():
		return nil
	default:
		return in
	}
}

// Mapper returns the rules in force.
func (b *Bridge) Mapper() *mapping.Mapper {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rules.mapper
}

// Reread reads the retained messages under the topic filter again, as far as rules map them, and
// returns when they are committed, or ctx's error. Another error says what is wrong.
func (b *Bridge) Reread(ctx context.Context, filter string) error {
	in := b.turn()
	if in == nil {
		return errors.New("this bridge does not read from the broker now; with replicas, ask the one that leads: /readyz names it")
	}
	return in.client.Reread(ctx, filter)
}

// Memory returns what the rules remember, for its Get, Page and Counts; nil while this bridge does
// not read from the broker.
func (b *Bridge) Memory() *memory.Store {
	in := b.turn()
	if in == nil {
		return nil
	}
	return in.committer.Memory()
}

// ReloadFailed says on the status topic that a reload was refused: the place and the message alone,
// no source line.
func (b *Bridge) ReloadFailed(hash, reason string) {
	b.use(func(r *rules) {
		r.status = map[string]string{"config": hash, "reload_error": reason}
	})
}

// Sessions returns how all sessions stand, in no order.
func (b *Bridge) Sessions() []server.Status { return b.server.Sessions() }

// EndSession ends the client's session with that id. It reports whether there is one.
func (b *Bridge) EndSession(id string) bool { return b.server.EndSession(id) }

// Clients returns how many sessions there are.
func (b *Bridge) Clients() int { return int(b.server.Counts().Sessions) }

// Start returns the message-id from which a client that resumes gets all that the journal keeps.
func (b *Bridge) Start() string {
	before := b.log.Bounds().First - 1
	return fmt.Sprintf("%s-%d", b.log.Epoch(before), before)
}

// Lag returns how far the slowest sessions are behind.
func (b *Bridge) Lag() server.Lag { return b.server.Lag() }

// Counts are the bridge's figures.
type Counts struct {
	commit.Counts
	Queues        map[string]hub.Counts
	Subscriptions map[string]int64 // of clients, by queue
	Server        server.Counts
	MQTT          mqtt.Stats
	Journal       JournalCounts
	Latency       hub.Latency
	Replica       *journal.Standing // nil where the log is this bridge's alone
}

// Standing returns how this replica and the shared log stand; nil where the log is this bridge's
// alone.
func (b *Bridge) Standing() *journal.Standing {
	if b.shared == nil {
		return nil
	}
	s := b.shared.Standing()
	return &s
}

// JournalCounts are the journal's figures.
type JournalCounts struct {
	First, Last  uint64    // positions that are kept
	Oldest       time.Time // when the event of the first was received; zero: none is kept
	Bytes, Limit int64     // of the entries there, and how many they may be
}

// countTimeout bounds the reading of a figure.
const countTimeout = time.Second

func countJournal(log journal.Log) JournalCounts {
	bounds := log.Bounds()
	c := JournalCounts{First: bounds.First, Last: bounds.Last}
	c.Bytes, c.Limit = log.Size()
	// Between the two calls it may have left the log, or the log may be away, and then there is
	// nothing to tell until the next time.
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	if page, err := log.Read(ctx, bounds.First-1, 1); err == nil && len(page) > 0 {
		c.Oldest = page[0].Time
	}
	return c
}

// turnCounts are the figures of turns.
type turnCounts struct {
	commit commit.Counts
	mqtt   mqtt.Stats
}

// turns returns the figures of all turns so far.
func (b *Bridge) turns() turnCounts {
	in := b.intake.Load()
	if in == nil {
		return turnCounts{}
	}
	return turnCounts{in.committer.Counts().After(in.before.commit), in.client.Stats().After(in.before.mqtt)}
}

// Counts returns the figures so far; those of events, dead letters and MQTT are of this bridge's
// turns.
func (b *Bridge) Counts() Counts {
	turns := b.turns()
	c := Counts{
		Counts:        turns.commit,
		MQTT:          turns.mqtt,
		Queues:        b.hub.Counts(),
		Subscriptions: b.hub.Subscriptions(),
		Server:        b.server.Counts(),
		Journal:       countJournal(b.log),
		Latency:       b.hub.Latency(),
		Replica:       b.Standing(),
	}
	if b.turn() == nil {
		c.Memory = nil // as it was then
	}
	return c
}
