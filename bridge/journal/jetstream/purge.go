package jetstream

import (
	"context"
	"time"
)

// What is needed no more stays in the stream for a while, for replicas that are late: purgeAfter,
// or until so many bytes of it have come together, or there is no room.
const (
	purgeAfter = time.Minute
	purgeBytes = 16 << 20
)

// A purger knows what the stream needed, second by second.
type purger struct {
	seen   []needs // in order
	purged uint64
}

// Needs are what the stream needed at a time.
type needs struct {
	at   time.Time
	head uint64
	left int64 // bytes of all blocks before head
}

// due returns up to where the stream may be purged; 0: nothing new.
func (p *purger) due(now needs) uint64 {
	p.seen = append(p.seen, now)
	due := uint64(0)
	for len(p.seen) > 0 && (now.at.Sub(p.seen[0].at) >= purgeAfter || now.left-p.seen[0].left > purgeBytes) {
		due = p.seen[0].head
		p.seen = p.seen[1:]
	}
	if due <= p.purged {
		return 0
	}
	return due
}

// purge takes out of the stream what has been needed no more for long enough. Whoever does it, and
// how often, changes nothing: what is needed is agreed upon.
func (l *Log) purge(p *purger) {
	l.mu.RLock()
	now := needs{time.Now(), l.state.head, l.state.sizes.left}
	l.mu.RUnlock()
	due := p.due(now)
	if l.full.Swap(false) && now.head > p.purged {
		due = now.head
	}
	if due == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, askTimeout)
	defer cancel()
	if err := l.store.purge(ctx, due); err != nil {
		l.logger.Warn("cannot purge the journal's stream; it is tried again", "error", err)
		return
	}
	p.purged = due
}
