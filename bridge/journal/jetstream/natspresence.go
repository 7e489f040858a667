package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Who is present is told by plain messages, which nobody stores:
//
//	<name>.replicas      everybody listens, and answers a request, which has no data
//	<name>.replica.<id>  the one with that id answers
const (
	answersFor   = 500 * time.Millisecond // the first answer may take so long
	answersQuiet = 50 * time.Millisecond  // and so long the others after it
)

// meet implements store.
func (s *natsStore) meet(ctx context.Context, r *roster) (leave func(), err error) {
	all, mine := s.config.Name+".replicas", s.config.Name+".replica."+s.config.ID
	if err := s.askNamesake(ctx, mine, r); err != nil {
		return nil, err
	}
	if err := s.askAll(ctx, all, r); err != nil {
		return nil, err
	}
	var subs []*nats.Subscription
	for _, subject := range []string{all, mine} {
		sub, err := s.conn.Subscribe(subject, func(m *nats.Msg) { s.hear(m, r) })
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		subs = append(subs, sub)
	}
	r.listens()
	listens := r.listens
	s.again.Store(&listens)
	return func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe()
		}
		me := r.me()
		me.Gone = true
		s.announce(me)
		if s.conn.IsConnected() {
			_ = s.conn.FlushTimeout(answersFor)
		}
	}, nil
}

// askNamesake asks who has this replica's ID. Of one that has just ended it hears at once that
// nobody is there, and one that does not answer for long will not come between.
func (s *natsStore) askNamesake(ctx context.Context, subject string, r *roster) error {
	for range maxMisses {
		answer, err := s.ask(ctx, subject)
		switch {
		case err == nil:
			s.hear(answer, r)
			return nil
		case errors.Is(err, nats.ErrNoResponders):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("journal: asking for replicas: %w", ctx.Err())
		}
	}
	return nil
}

// ask sends a request without data.
func (s *natsStore) ask(ctx context.Context, subject string) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return s.conn.RequestWithContext(ctx, subject, nil)
}

// askAll asks who is present. Where somebody does not answer in time, its announcements tell.
func (s *natsStore) askAll(ctx context.Context, subject string, r *roster) error {
	answers, err := s.conn.SubscribeSync(s.conn.NewInbox())
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := s.conn.PublishRequest(subject, answers.Subject, nil); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for wait := answersFor; ; wait = answersQuiet {
		m, err := answers.NextMsg(wait)
		if err != nil || m.Header.Get("Status") == statusNobody {
			return ctx.Err()
		}
		s.hear(m, r)
	}
}

// hear takes a message: a request or an announcement.
func (s *natsStore) hear(m *nats.Msg, r *roster) {
	if m.Reply != "" {
		_ = m.Respond(encodeAnnouncement(r.me()))
	}
	if len(m.Data) == 0 {
		return
	}
	var a announcement
	if err := json.Unmarshal(m.Data, &a); err != nil {
		s.logger.Warn("an announcement of a replica cannot be read", "subject", m.Subject, "error", err)
		return
	}
	r.hear(a)
}

// announce implements store.
func (s *natsStore) announce(a announcement) {
	_ = s.conn.Publish(s.config.Name+".replicas", encodeAnnouncement(a)) // it comes again
}

func encodeAnnouncement(a announcement) []byte {
	data, err := json.Marshal(a)
	if err != nil {
		panic("jetstream: " + err.Error()) // it has texts, numbers and times only
	}
	return data
}
