package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	statusEnd     = "204" // of a batch
	statusMissing = "404"
	statusNobody  = "503"              // answers
	pendingHeader = "Nats-Num-Pending" // has each message of a batch
)

// A getting is what answers to requests for messages come to.
type getting struct {
	store   *natsStore
	answers *nats.Subscription
	inbox   string
	found   [][]byte
	next    uint64
	bytes   int // that may still come
}

// read implements store. Any server that has the stream may answer.
func (s *natsStore) read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error) {
	began := time.Now()
	g := &getting{store: s, inbox: s.conn.NewInbox(), next: from, bytes: bytes}
	var err error
	if g.answers, err = s.conn.SubscribeSync(g.inbox); err != nil {
		return nil, err
	}
	defer func() { _ = g.answers.Unsubscribe() }()
	if err := g.ask(from, max, bytes); err != nil {
		return nil, err
	}
	batch, more, err := g.take(ctx)
	for batch && more && err == nil {
		_, more, err = g.take(ctx)
	}
	if !batch && more && err == nil {
		err = g.single(ctx, from+uint64(max))
	}
	if err != nil && len(g.found) == 0 {
		return nil, fmt.Errorf("reading at sequence %d: %w", from, s.explain(began, err))
	}
	return g.found, nil
}

// ask asks for a batch, or with batch 0 for one message. Servers before 2.11 know of no batches,
// and answer with one message.
func (g *getting) ask(from uint64, batch, bytes int) error {
	request := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d}`, from, batch, bytes)
	return g.store.conn.PublishRequest(g.store.direct, g.inbox, request)
}

// take waits for an answer. It reports whether it is one of a batch, and whether there may be more
// messages after it.
func (g *getting) take(ctx context.Context) (batch, more bool, err error) {
	m, err := g.answers.NextMsgWithContext(ctx)
	if err != nil {
		return false, false, err
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case statusEnd, statusMissing:
		return true, false, nil
	case statusNobody:
		return true, false, nats.ErrNoResponders
	default:
		return true, false, fmt.Errorf("%s %s", status, m.Header.Get("Description"))
	}
	if sequence, ok := sequenceOf(m); !ok || sequence != g.next {
		return true, false, nil // what comes next was purged
	}
	g.found = append(g.found, m.Data)
	g.next++
	g.bytes -= len(m.Data)
	return m.Header.Get(pendingHeader) != "", true, nil
}

// single asks for what comes next one by one, some at a time.
func (g *getting) single(ctx context.Context, end uint64) error {
	const atOnce = 32
	for g.next < end && g.bytes > 0 {
		asked := min(atOnce, end-g.next)
		for i := range asked {
			if err := g.ask(g.next+i, 0, 0); err != nil {
				return err
			}
		}
		came := map[uint64][]byte{}
		for range asked {
			m, err := g.answers.NextMsgWithContext(ctx)
			if err != nil {
				return err
			}
			if sequence, ok := sequenceOf(m); ok && m.Header.Get("Status") == "" {
				came[sequence] = m.Data
			}
		}
		for ; came[g.next] != nil; g.next++ {
			g.found = append(g.found, came[g.next])
			g.bytes -= len(came[g.next])
			asked--
		}
		if asked > 0 {
			return nil
		}
	}
	return nil
}
