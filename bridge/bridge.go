// Package bridge is the running bridge: MQTT events in, STOMP messages out.
//
// An event's way:
//
//	mqtt.Client -> commit.Committer: map, dead letters, append, acknowledge -> journal.Log -> hub.Hub -> server's sessions
package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
)

// Config holds the parts of a Bridge. All are required but where a default is named.
type Config struct {
	MQTT     mqtt.Config   // Filters, BaseTopic and Logger are set by the bridge
	Log      journal.Log   // the bridge's from now on: Run closes it
	Server   server.Config // Hub and Logger are set by the bridge
	Listener net.Listener  // for the clients; Run closes it

	Mapper     *mapping.Mapper
	ConfigHash string // identifies the configuration in the status document
	BaseTopic  string // of status and dead letters, default mapping.DefaultBaseTopic

	ShutdownTimeout time.Duration // half of it for committing what was received when Run is told to end, half for the broker; default 5s
	Logger          *slog.Logger
}

// A Bridge is made by New, and runs once.
type Bridge struct {
	config    Config
	client    *mqtt.Client
	committer *commit.Committer
	log       journal.Log
	writer    journal.Writer
	hub       *hub.Hub
	server    *server.Server
	logger    *slog.Logger
	reload    sync.Mutex // one Reload at a time
}

// New connects the parts. Nothing runs before Run.
func New(c Config) (*Bridge, error) {
	c.BaseTopic = cmp.Or(c.BaseTopic, mapping.DefaultBaseTopic)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 5*time.Second)
	b := &Bridge{log: c.Log, logger: c.Logger}
	var err error
	c.MQTT.BaseTopic = c.BaseTopic
	c.MQTT.Logger = c.Logger
	c.MQTT.Filters = filters(c.Mapper)
	if b.writer, err = c.Log.Lead(context.Background()); err != nil {
		return nil, err
	}
	if c.MQTT.Stale, err = knownFilters(b.writer); err != nil {
		return nil, err
	}
	c.MQTT.Returning = c.Log.Bounds().Last > 0
	if b.client, err = mqtt.New(c.MQTT); err != nil {
		return nil, err
	}
	b.client.SetStatus(map[string]string{"config": c.ConfigHash})
	b.committer, err = commit.New(context.Background(), commit.Config{
		Source:    b.client,
		Publisher: b.client,
		Pauser:    b.client,
		Store:     b.writer,
		Snapshot:  c.Log,
		Mapper:    c.Mapper,
		BaseTopic: c.BaseTopic,
		Logger:    c.Logger,
	})
	if err != nil {
		return nil, err
	}

	b.hub = hub.New(c.Log, hubConfig())
	c.Server.Hub, c.Server.Logger = b.hub, c.Logger
	b.server = server.New(c.Server)
	b.config = c
	return b, nil
}

// hubConfig is the queues of the contract as the hub takes them.
func hubConfig() (c hub.Config) {
	for _, q := range contract.Queues() {
		c.Queues = append(c.Queues, hub.Queue{Name: q.Name, Keyed: q.Keyed, Conflate: q.Conflated})
	}
	return c
}

// Run bridges until ctx is done. Then it takes no more events, commits and acknowledges those it has, says goodbye to the
// broker, closes the clients' connections cleanly and the log, and returns nil; or the error that made it end before.
func (b *Bridge) Run(ctx context.Context) error {
	serverCtx, stopServer := context.WithCancel(context.Background())
	defer stopServer()
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(serverCtx, b.config.Listener) }()

	commitCtx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	committed := make(chan error, 1)
	go func() { committed <- b.committer.Run(commitCtx) }()

	b.remember(ctx, b.config.MQTT.Filters)
	err := b.client.Start(commitCtx)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-committed:
			committed <- nil
		case err = <-served:
			served <- nil
			err = fmt.Errorf("serving clients: %w", cmp.Or(err, net.ErrClosed))
		}
	}
	b.logger.Info("stopping")
	b.client.Stop()
	b.awaitCommits(committed, giveUp)
	timeout, cancel := context.WithTimeout(context.Background(), b.config.ShutdownTimeout/2)
	defer cancel()
	if failure := b.client.Close(timeout); failure != nil {
		// Often the broker is being stopped as well. Its will says that the bridge is offline; what lacks its acknowledgement comes again.
		b.logger.Warn("disconnect from the broker failed", "error", failure)
	}
	stopServer()
	ended := <-served
	b.hub.Close()
	return errors.Join(err, ended, b.log.Close())
}

// awaitCommits waits until what was received is committed, but not for long: what is not committed by then comes again.
func (b *Bridge) awaitCommits(committed <-chan error, giveUp func()) {
	defer time.AfterFunc(b.config.ShutdownTimeout/2, giveUp).Stop()
	<-committed
}

// An Update is what a reload may change.
type Update struct {
	Mapper     *mapping.Mapper
	Policy     server.Policy
	ConfigHash string
}

// Reload puts the update into force as a whole: from the next batch on every event is mapped by the new rules. New topic
// filters are granted before those that are no longer wanted are dropped; Reload waits for that until ctx is done, and the
// client goes on with it after. Sessions whose token is no longer valid, or that have a
// subscription which is no longer allowed, end.
func (b *Bridge) Reload(ctx context.Context, u Update) error {
	b.reload.Lock()
	defer b.reload.Unlock()
	b.server.SetPolicy(u.Policy)
	b.committer.UseMapper(u.Mapper)
	b.client.SetStatus(map[string]string{"config": u.ConfigHash})
	wanted := filters(u.Mapper)
	b.remember(ctx, wanted)
	return b.client.SetFilters(ctx, wanted)
}

// RecheckAuth ends the sessions whose token the authenticator does not accept any more, as when it has other keys.
func (b *Bridge) RecheckAuth() { b.server.RecheckAuth() }

// ReloadFailed says on the status topic that a reload was refused: the place and the message alone, no source line.
func (b *Bridge) ReloadFailed(hash, reason string) {
	b.client.SetStatus(map[string]string{"config": hash, "reload_error": reason})
}

func (b *Bridge) remember(ctx context.Context, filters []mqtt.Filter) {
	if err := rememberFilters(ctx, b.writer, filters); err != nil {
		b.logger.Warn("the journal does not hold the topic filters; after a restart with other rules these may stay subscribed", "error", err)
	}
}

// Sessions returns how all sessions stand, in no order.
func (b *Bridge) Sessions() []server.Status { return b.server.Sessions() }

// Lag returns how far the slowest sessions are behind.
func (b *Bridge) Lag() server.Lag { return b.server.Lag() }

// Counts are the bridge's figures.
type Counts struct {
	commit.Counts
	Queues  map[string]hub.Counts
	Server  server.Counts
	MQTT    mqtt.Stats
	Journal JournalCounts
	Latency hub.Latency
}

// JournalCounts are the journal's figures.
type JournalCounts struct {
	First, Last  uint64    // positions that are kept
	Oldest       time.Time // when the event of the first was received; zero: none is kept
	Bytes, Limit int64     // of the entries there, and how many they may be
}

func countJournal(log journal.Log) JournalCounts {
	bounds := log.Bounds()
	c := JournalCounts{First: bounds.First, Last: bounds.Last}
	c.Bytes, c.Limit = log.Size()
	// Between the two calls it may have left the log, and then there is nothing to tell until the next time.
	if page, err := log.Read(context.Background(), bounds.First-1, 1); err == nil && len(page) > 0 {
		c.Oldest = page[0].Time
	}
	return c
}

// Counts returns the figures so far.
func (b *Bridge) Counts() Counts {
	return Counts{
		Counts:  b.committer.Counts(),
		Queues:  b.hub.Counts(),
		Server:  b.server.Counts(),
		MQTT:    b.client.Stats(),
		Journal: countJournal(b.log),
		Latency: b.hub.Latency(),
	}
}
