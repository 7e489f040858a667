package jetstream

import (
	"context"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// meet makes this replica known to the others, and them to it, before it has anything of the log. It
// returns an error where they do not go together.
func (l *Log) meet(ctx context.Context) error {
	leave, err := l.store.meet(ctx, l.roster)
	if err != nil {
		return err
	}
	l.leave = leave
	if err := l.roster.conflicts(); err != nil {
		return err
	}
	l.wg.Go(func() { l.announce(l.ctx) })
	return nil
}

// announce tells the others of this replica, now and then and when something has changed, until ctx
// is done.
func (l *Log) announce(ctx context.Context) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		l.store.announce(l.roster.me())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.changed:
		}
	}
}

// change has announce tell at once.
func (l *Log) change() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// self returns what this replica tells of itself.
func (l *Log) self() journal.Replica {
	me := l.tell()
	me.ID, me.Formats, me.Began, me.Seen = l.id, l.formats, l.began, time.Now()
	if !l.loaded.Load() {
		return me
	}
	me.Leads = l.leading()
	l.mu.RLock()
	defer l.mu.RUnlock()
	me.Term, me.Position = l.state.term, l.state.last
	return me
}

// leading reports whether there is a turn.
func (l *Log) leading() bool {
	w := l.turn.Load()
	return w != nil && !w.over()
}
