package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// An intake reads from the broker and appends to the log for as long as one turn to write the log
// lasts.
type intake struct {
	client    *mqtt.Client
	committer *commit.Committer
	writer    journal.Writer
	before    turnCounts    // of the turns before this one
	timeout   time.Duration // of a clean end, see Config
	logger    *slog.Logger
}

// newIntake returns an intake that goes on where the turn before has left the log. Nothing runs
// before run.
func newIntake(ctx context.Context, c Config, r rules, w journal.Writer, unread *commit.UnreadClock, events *commit.Trail) (*intake, error) {
	in := &intake{writer: w, timeout: c.ShutdownTimeout, logger: c.Logger}
	var err error
	c.MQTT.Filters, c.MQTT.Retained = filters(r.mapper), r.mapper.Retained()
	if c.MQTT.Stale, err = knownFilters(w); err != nil {
		return nil, err
	}
	c.MQTT.Over = w.Done()
	c.MQTT.Returning = c.Log.Bounds().Last > 0
	if in.client, err = mqtt.New(c.MQTT); err != nil {
		return nil, err
	}
	in.client.SetStatus(r.status)
	in.committer, err = commit.New(ctx, commit.Config{
		Source:    in.client,
		Publisher: in.client,
		Pauser:    in.client,
		Store:     w,
		Snapshot:  c.Log,
		Unread:    unread,
		Mapper:    r.mapper,
		RulesHash: r.hash,
		BaseTopic: c.BaseTopic,
		Trail:     events,
		Logger:    c.Logger,
	})
	if err != nil {
		return nil, err
	}
	in.remember(ctx, c.MQTT.Filters)
	return in, nil
}

// run takes events until ctx is done, the turn is over, or the broker is out of reach while another
// replica may reach it, which others tells. Then it commits and acknowledges those that it has, if
// it still may, and says goodbye to the broker. The error is why it ended before ctx.
func (in *intake) run(ctx context.Context, others func() bool) error {
	committing, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	committed := make(chan error, 1)
	go func() { committed <- in.committer.Run(committing) }()

	err := in.client.Start(ctx)
	if err == nil {
		err = in.last(ctx, committed, others)
	}
	in.logger.Info("stopping")
	in.client.Stop()
	in.awaitCommits(committed, giveUp)
	timeout, cancel := context.WithTimeout(context.Background(), in.timeout/2)
	defer cancel()
	if failure := in.client.Close(timeout); failure != nil {
		// Often the broker is being stopped as well. Its will says that the bridge is offline; what
		// lacks its acknowledgement comes again.
		in.logger.Warn("disconnect from the broker failed", "error", failure)
	}
	return err
}

// brokerAwayFor is how long a replica that cannot reach the broker goes on trying before it leaves
// that to another one.
const brokerAwayFor = 10 * time.Second

var errBrokerAway = errors.New("the broker cannot be reached; another replica may reach it")

// last returns when run is to end, and why.
func (in *intake) last(ctx context.Context, committed chan error, others func() bool) error {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-in.writer.Done():
			return nil
		case err := <-committed:
			committed <- nil
			return err
		case <-tick.C:
			if in.brokerAway(began) >= brokerAwayFor && others() {
				return errBrokerAway
			}
		}
	}
}

// brokerAway returns for how long the broker could not be reached, since began.
func (in *intake) brokerAway(began time.Time) time.Duration {
	s := in.client.State()
	switch {
	case s.Receiving.Connected || s.Paused != nil:
		return 0
	case s.Receiving.Since.After(began):
		began = s.Receiving.Since
	}
	return time.Since(began)
}

// awaitCommits waits until what was received is committed, but not for long: what is not committed
// by then comes again.
func (in *intake) awaitCommits(committed <-chan error, giveUp func()) {
	defer time.AfterFunc(in.timeout/2, giveUp).Stop()
	<-committed
}

// use maps by these rules from the next batch on.
func (in *intake) use(r rules) {
	in.committer.UseRules(r.mapper, r.hash)
	in.client.SetStatus(r.status)
}

// subscribe has the session hold what these rules need, and reads the retained messages that they
// map. It waits for the broker until ctx is done, and the client goes on with it after.
func (in *intake) subscribe(ctx context.Context, m *mapping.Mapper) error {
	wanted := filters(m)
	in.remember(ctx, wanted)
	return in.client.SetFilters(ctx, wanted, m.Retained())
}

func (in *intake) remember(ctx context.Context, filters []mqtt.Filter) {
	if err := rememberFilters(ctx, in.writer, filters); err != nil {
		in.logger.Warn("cannot record the topic filters in the journal; after a restart with other rules they may stay subscribed", "error", err)
	}
}
