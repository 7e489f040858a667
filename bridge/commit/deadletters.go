package commit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// Bounds and pauses of dead letters.
const (
	maxInFlight = 32 // published at once
	maxAttempts = 10 // of one letter while the broker is there: some close the connection instead of refusing
	retryPause  = time.Second
	offerPause  = time.Minute      // between two offers of what was refused
	logPause    = 10 * time.Second // between two lines about one rule, stage and field
)

// deadLetters publishes dead letters, and keeps the newest of those that the broker refuses.
type deadLetters struct {
	out       Publisher
	baseTopic string
	kept      *keptLetters
	logger    *slog.Logger

	mu        sync.Mutex
	published int64
	ignored   int64 // received, see DeadLetterCounts
	lines     map[lineKey]*lineState
}

// A lineKey is what log lines are limited by; all of it comes from the rules.
type lineKey struct{ rule, stage, field string }

type lineState struct {
	last       time.Time
	suppressed int
}

func newDeadLetters(out Publisher, store Store, baseTopic string, logger *slog.Logger) (*deadLetters, error) {
	kept, err := newKeptLetters(store)
	return &deadLetters{out: out, baseTopic: baseTopic, kept: kept, logger: logger, lines: map[lineKey]*lineState{}}, err
}

// publish returns nil when the broker has acknowledged every letter or refused it for good, and
// ctx's error when that ended first.
func (d *deadLetters) publish(ctx context.Context, letters []deadLetter) error {
	var (
		sending sync.WaitGroup
		slots   = make(chan struct{}, maxInFlight)
	)
	for _, l := range letters {
		for _, r := range l.rejections {
			d.log(r)
		}
		slots <- struct{}{}
		sending.Go(func() {
			d.publishOne(ctx, l.message(d.baseTopic))
			<-slots
		})
	}
	sending.Wait()
	return ctx.Err()
}

// publishOne tries until the broker has acknowledged the message, or refused it for good, or ctx is
// done. Publish waits while the broker is away, so an error is the fate of an attempt.
func (d *deadLetters) publishOne(ctx context.Context, m mqtt.Message) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		err := d.out.Publish(ctx, m)
		var refused *mqtt.RefusedError
		switch {
		case err == nil:
			d.mu.Lock()
			d.published++
			d.mu.Unlock()
			return
		case ctx.Err() == nil && (errors.As(err, &refused) || attempt == maxAttempts):
			d.keep(ctx, m, err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// keep puts a message that was refused into the bounded store, and says so if it is the first
// there.
func (d *deadLetters) keep(ctx context.Context, m mqtt.Message, why error) {
	first, err := d.kept.add(ctx, m)
	if first {
		d.logger.Error("the broker refuses dead letters; the newest are kept and offered again every minute", "error", why,
			"hint", "allow this user to write "+d.baseTopic+"/#")
	}
	if err != nil {
		d.logger.Error("a refused dead letter is kept in memory only; a restart loses it", "error", err)
	}
}

// offer publishes what was refused again, now and from time to time until ctx is done: the broker's
// rules may have been mended. Each time it goes on until the broker refuses a letter, and the next
// time with the one behind that, which the broker may take.
func (d *deadLetters) offer(ctx context.Context) {
	for from := uint64(0); ; {
		from = d.offerKept(ctx, from)
		select {
		case <-ctx.Done():
			return
		case <-time.After(offerPause):
		}
	}
}

// offerKept publishes what is kept, from that number on and then from the oldest, until the broker
// refuses one; it returns the number behind that. When the broker has taken the last it says so.
func (d *deadLetters) offerKept(ctx context.Context, from uint64) (next uint64) {
	for taken := 0; ctx.Err() == nil; taken++ {
		l, ok := d.kept.toOffer(from)
		if !ok {
			if taken > 0 {
				d.logger.Info("the broker has accepted the dead letters that it had refused", "letters", taken)
			}
			break
		}
		if d.out.Publish(ctx, l.message) != nil {
			return l.number + 1
		}
		d.mu.Lock()
		d.published++
		d.mu.Unlock()
		if err := d.kept.drop(ctx, l); err != nil {
			d.logger.Warn("cannot remove an accepted dead letter from the journal; a restart publishes it again", "error", err)
		}
	}
	return from
}

// log logs the rejection: the rule, the place and the type of refusal, never the value. Lines are
// limited by rule, stage and field, and a line says how many were left out before it.
func (d *deadLetters) log(r mapping.Rejection) {
	key := lineKey{r.Rule, r.Stage, r.Field}
	suppressed, ok := d.due(key, r.Stack != "")
	if !ok {
		return
	}

	attrs := []any{"rule", r.Rule, "stage", r.Stage, "refusal", r.Kind, "line", fmt.Sprintf("%s:%d", r.File, r.Line)}
	if r.Field != "" {
		attrs = append(attrs, "field", r.Field)
	}
	if suppressed > 0 {
		attrs = append(attrs, "more_before", suppressed)
	}
	if r.Stack != "" {
		d.logger.Error("a rule panicked", append(attrs, "stack", r.Stack)...)
		return
	}
	d.logger.Warn("event rejected", attrs...)
}

// due reports whether a line of the key is due, which one that must be said always is, and how many
// were left out since the last.
func (d *deadLetters) due(key lineKey, must bool) (suppressed int, ok bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	state := d.lines[key]
	if state == nil {
		state = &lineState{}
		d.lines[key] = state
	}
	if now.Sub(state.last) < logPause && !must {
		state.suppressed++
		return 0, false
	}
	suppressed = state.suppressed
	*state = lineState{last: now}
	return suppressed, true
}

// received counts a dead letter that has come as an event, and says so.
func (d *deadLetters) received(topic string) {
	d.mu.Lock()
	d.ignored++
	d.mu.Unlock()
	suppressed, ok := d.due(lineKey{stage: "dead letter"}, false)
	if !ok {
		return
	}
	attrs := []any{"topic", topic, "hint", "exclude the dead letters of other bridges from the rules' topics; " +
		"to have an event mapped again, publish it without its user properties"}
	if suppressed > 0 {
		attrs = append(attrs, "more_before", suppressed)
	}
	d.logger.Warn("received a bridge's dead letter, which no rule maps", attrs...)
}

// DeadLetterCounts are the figures of dead letters.
type DeadLetterCounts struct {
	Published int64 // acknowledged by the broker
	Refused   int64 // refused by it
	Kept      int   // of those, how many are kept to be offered again
	Received  int64 // came as events, from this bridge or another, and were not mapped
}

func (d *deadLetters) counts() DeadLetterCounts {
	d.mu.Lock()
	defer d.mu.Unlock()
	refused, kept := d.kept.counts()
	return DeadLetterCounts{Published: d.published, Refused: refused, Kept: kept, Received: d.ignored}
}
