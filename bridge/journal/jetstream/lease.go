package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/journal"
)

// The lease is a key whose value names who holds it. That one renews it, and answers pings; a key
// that is not renewed goes away by itself.
const (
	leaseKey    = "reader"
	leaseTTL    = 10 * time.Second
	leaseEvery  = time.Second            // it is renewed
	leaseLost   = 9 * time.Second        // after so long without being renewed: before others see it go
	standbyLook = 300 * time.Millisecond // at the key, of those who wait
	pingTimeout = 500 * time.Millisecond
	maxMisses   = 4           // pings in a row without an answer: who holds it hangs
	trustFor    = time.Second // the servers may not know yet that who holds it answers pings
)

// A holder is the value of the key.
type holder struct {
	ID    string    `json:"id"`    // of the replica
	Ping  string    `json:"ping"`  // subject where it answers
	Since time.Time `json:"since"` // by its clock
}

// A natsLease is a lease on NATS.
type natsLease struct {
	store    *natsStore
	revision uint64 // of the key; owned by keep
	value    []byte
	pings    *nats.Subscription
	gone     chan struct{} // closed when it is lost
	stop     context.CancelFunc
	kept     sync.WaitGroup
}

// lease implements store.
func (s *natsStore) lease(ctx context.Context, may func(free time.Duration) bool) (lease, error) {
	me := holder{ID: s.config.ID, Ping: s.config.Name + ".lead." + journal.NewEpoch(), Since: time.Now().UTC()}
	value, err := json.Marshal(me)
	if err != nil {
		return nil, err
	}
	pings, err := s.conn.Subscribe(me.Ping, func(m *nats.Msg) { _ = m.Respond(nil) })
	if err != nil {
		return nil, err
	}
	l := &natsLease{store: s, value: value, pings: pings, gone: make(chan struct{})}
	r := rival{may: may}
	for {
		if l.revision, err = s.take(ctx, value, &r); err == nil {
			break
		}
		if err := pause(ctx, standbyLook); err != nil {
			_ = pings.Unsubscribe()
			return nil, err
		}
	}
	renewing, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.kept.Go(func() { l.keep(renewing) })
	return l, nil
}

// A rival is who holds the lease, as far as one who waits has seen.
type rival struct {
	may   func(free time.Duration) bool // see store
	freed time.Time                     // when it was seen that nobody holds it; zero: somebody does
	holder
	seen     time.Time // first
	answered bool      // a ping
	misses   int       // pings without an answer since
}

var errHeld = errors.New("the lease is held")

// take takes the lease if nobody holds it, or who does is seen to be gone. It returns the key's
// revision.
func (s *natsStore) take(ctx context.Context, value []byte, r *rival) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	entry, err := s.leases.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		if !r.mayTake() {
			return 0, errHeld
		}
		return s.leases.Create(ctx, leaseKey, value)
	}
	if err != nil {
		return 0, err
	}
	var now holder
	if err := json.Unmarshal(entry.Value(), &now); err != nil {
		return 0, fmt.Errorf("the key %q: %w", leaseKey, err)
	}
	if now.Ping != r.Ping {
		*r = rival{may: r.may, holder: now, seen: time.Now()}
	}
	if !s.isGone(ctx, r) {
		r.freed = time.Time{}
		return 0, errHeld
	}
	if !r.mayTake() {
		return 0, errHeld
	}
	s.logger.Info("taking over from the replica that led the journal", "id", now.ID, "unanswered_pings", r.misses)
	return s.leases.Update(ctx, leaseKey, value, entry.Revision())
}

// mayTake reports whether the lease, which nobody holds, may be taken now.
func (r *rival) mayTake() bool {
	if r.freed.IsZero() {
		r.freed = time.Now()
	}
	return r.may(time.Since(r.freed))
}

// isGone pings who holds the lease.
func (s *natsStore) isGone(ctx context.Context, r *rival) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_, err := s.conn.RequestWithContext(ctx, r.Ping, nil)
	switch {
	case err == nil:
		r.answered, r.misses = true, 0
		return false
	case errors.Is(err, nats.ErrNoResponders): // its connection is gone
		return r.answered || time.Since(r.seen) >= trustFor
	}
	r.misses++
	return r.misses >= maxMisses
}

// keep renews the lease until ctx is done or it is lost.
func (l *natsLease) keep(ctx context.Context) {
	renewed := time.Now()
	for pause(ctx, leaseEvery) == nil {
		began := time.Now()
		err := l.renew(ctx)
		switch {
		case err == nil:
			renewed = began
		case errors.Is(err, errHeld) || time.Since(renewed) >= leaseLost:
			close(l.gone)
			return
		}
	}
}

func (l *natsLease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	revision, err := l.store.leases.Update(ctx, leaseKey, l.value, l.revision)
	if err == nil {
		l.revision = revision
		return nil
	}
	// The answer to an earlier one may have been lost.
	entry, got := l.store.leases.Get(ctx, leaseKey)
	switch {
	case errors.Is(got, jetstream.ErrKeyNotFound):
		return errHeld
	case got != nil:
		return err
	case string(entry.Value()) != string(l.value):
		return errHeld
	}
	l.revision = max(l.revision, entry.Revision())
	return err
}

func (l *natsLease) lost() <-chan struct{} { return l.gone }

// release deletes the key, so that others need not wait.
func (l *natsLease) release() {
	l.stop()
	l.kept.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := l.store.leases.Delete(ctx, leaseKey, jetstream.LastRevision(l.revision)); err != nil {
		l.store.logger.Info("cannot give up the lease to lead the journal; it runs out", "error", err)
	}
	_ = l.pings.Unsubscribe()
}
