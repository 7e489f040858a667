package mqtt

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

const (
	// maxReadAhead bounds the bytes of retained messages that wait to be committed.
	maxReadAhead = 64 << 20
	// roundQuiet is the time without a retained message after which a round is over: MQTT has no
	// mark for the last one.
	roundQuiet = 300 * time.Millisecond
	// fewCopies are certain to come whole: no broker's queue is so short.
	fewCopies = 50
	// maxRounds and maxTopics bound a reading.
	maxRounds = 250
	maxTopics = 1 << 20
)

var errUnanswered = errors.New("the broker does not answer")

// A retainedReader reads the retained messages under some topic filters, all of them, from a broker
// that drops what it cannot send fast enough. Mosquitto does so beyond max_queued_messages, 1000 by
// default, also at QoS 0 and also to a client that reads: it sends all of them in one go. It drops
// other ones each time. So the reader subscribes again, round by round, until a round has brought
// nothing new and so many of the known ones that an unknown one would very probably have been among
// them.
type retainedReader struct {
	visit   *Visit
	filters []Filter
	hand    func(*Event) error // takes each retained message once

	seed  maphash.Seed
	known map[uint64]int // hash of a topic -> the last round that brought its retained message; 0: live only

	taken  uint64  // events of the visit
	copies int     // handed over
	round  int     // from 1
	fresh  int     // retained messages that this round was the first to bring
	again  int     // those that it has brought again
	doubt  float64 // how many are unknown after the rounds without a new one, at most and about
}

func newRetainedReader(v *Visit, topics []string, hand func(*Event) error) *retainedReader {
	r := &retainedReader{visit: v, hand: hand, seed: maphash.MakeSeed(), known: map[uint64]int{}}
	for _, t := range topics {
		r.filters = append(r.filters, Filter{Topic: t})
	}
	return r
}

// readAll returns when all retained messages have been handed over.
func (r *retainedReader) readAll(ctx context.Context) error {
	for r.round < maxRounds {
		if err := r.readRound(ctx); err != nil {
			return err
		}
		if r.complete() {
			return nil
		}
	}
	return fmt.Errorf("the broker drops too many of them each time: %d have come so far; "+
		"raise its limit for queued messages (Mosquitto: max_queued_messages)", r.copies)
}

// complete reports whether another round would be of no use.
func (r *retainedReader) complete() bool {
	switch {
	case r.round == 1:
		r.doubt = float64(r.copies)
		return r.copies < fewCopies
	case len(r.known) >= maxTopics:
		return r.fresh == 0
	case r.fresh > 0:
		r.doubt = float64(r.copies)
		return false
	}
	// The share of the known ones that this round lacks is about the chance that it lacks any.
	r.doubt *= 1 - float64(r.again)/float64(r.copies)
	return r.doubt < 0.1
}

// readRound subscribes, and takes retained messages until no more come.
func (r *retainedReader) readRound(ctx context.Context) error {
	r.round++
	r.fresh, r.again = 0, 0
	var subscribing sync.WaitGroup
	defer subscribing.Wait()
	bound, cancel := context.WithCancel(ctx)
	defer cancel()
	subscribed := make(chan error, 1)
	subscribing.Go(func() { // its answer may come behind the first of the messages, and before others
		_, err := r.visit.Subscribe(bound, 0, r.filters...)
		if err == nil {
			err = r.visit.conn.ping(bound) // a broker that stood still in between goes on
		}
		subscribed <- err
	})
	quiet, pause, granted := time.NewTimer(2*visitTimeout), 2*visitTimeout, false
	defer quiet.Stop()
	var behind uint64 // how many events this process must have taken before silence counts
	for {
		select {
		case e := <-r.visit.Events():
			r.taken++
			if err := r.take(e); err != nil {
				return err
			}
			// Live events say nothing about the retained ones: where they never cease, neither
			// would the round.
			if !e.Retained && r.taken != behind {
				continue
			}
			if e.Retained {
				behind = 0
			} else if granted {
				return nil
			}
		case err := <-subscribed:
			if err != nil {
				return err
			}
			granted, pause = true, roundQuiet
		case <-quiet.C:
			switch behind = r.visit.conn.publishes.Load(); {
			case r.taken < behind: // it is this process that stood still
			case granted:
				return nil
			default:
				return errUnanswered
			}
		case <-r.visit.Done():
			return r.visit.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		quiet.Reset(pause)
	}
}

// take hands over a retained message that is new. What is live comes through the session, too.
func (r *retainedReader) take(e *Event) error {
	topic := maphash.String(r.seed, e.Topic)
	round, known := r.known[topic]
	if !known && len(r.known) >= maxTopics {
		return nil
	}
	switch {
	case !e.Retained:
		if !known {
			r.known[topic] = 0
		}
		return nil
	case !known:
		r.fresh++
	case round == r.round:
		return nil
	case round > 0:
		r.known[topic] = r.round
		r.again++
		return nil
	}
	r.known[topic] = r.round
	r.copies++
	e.Reading = ReadingCopy
	return r.hand(e)
}
