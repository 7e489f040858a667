//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A contestant is a subject that is there at the same time as others, and takes turns with them.
type contestant struct {
	name      string
	subject   *subject
	crowd     *crowd
	publisher publisher
	tally     *tally
	turns     []result // what each has measured
}

// runAlternate measures load after load, each subject in turn.
func (b *bench) runAlternate(ctx context.Context, stdout io.Writer) error {
	var faults error
	for i, l := range b.loads {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		turns := map[string][]result{}
		for range b.rounds {
			if err := b.alternate(ctx, l, turns); err != nil {
				return err
			}
		}
		writeTurns(stdout, l, b.subjects, turns)
		for _, name := range b.subjects {
			if err := b.faults(median(turns[name])); err != nil {
				faults = err
			}
		}
	}
	return faults
}

// alternate starts all subjects, with sessions of their own, and brings the load to each in turn, many
// times. It adds to the turns by name. What disturbs the machine disturbs two turns that follow each
// other alike, so that small differences show.
func (b *bench) alternate(ctx context.Context, l load, turns map[string][]result) error {
	ctx, fail := context.WithCancelCause(ctx)
	var all []*contestant
	var beating sync.WaitGroup
	defer func() {
		fail(nil)
		beating.Wait()
		for _, c := range all {
			c.leave()
		}
	}()
	for _, name := range b.subjects {
		c := &contestant{name: name}
		all = append(all, c)
		if err := b.place(ctx, c, l, fail); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		beating.Go(func() { c.crowd.keepAlive(ctx) })
	}
	for turn := range b.turns {
		for _, c := range all {
			if err := b.takeTurn(ctx, c, turn, l, fail); err != nil {
				return fmt.Errorf("%s, turn %d: %w", c.name, turn+1, err)
			}
		}
		slices.Reverse(all) // so that nobody always comes behind the same one
	}
	fail(nil)
	for _, c := range all {
		c.crowd.close()
		c.countFaults(b.warm + b.turns*l.events)
		turns[c.name] = append(turns[c.name], c.turns...)
	}
	return nil
}

// place starts a subject and opens its sessions.
func (b *bench) place(ctx context.Context, c *contestant, l load, fail context.CancelCauseFunc) (err error) {
	if c.subject, err = b.start(ctx, c.name); err != nil {
		return err
	}
	c.tally = newTally(l.sessions, b.warm+b.turns*l.events, b.warm, b.bound())
	c.crowd = &crowd{open: c.subject.open, atOnce: fewAtOnce, seen: c.tally, beat: b.heartBeat, broken: fail}
	if err = c.crowd.connect(ctx, 0, l.sessions); err != nil {
		return err
	}
	if c.publisher, err = c.subject.publisher(); err != nil {
		return err
	}
	return b.publishWhole(ctx, c, 0, b.warm, fail)
}

// takeTurn brings the load to a subject once.
func (b *bench) takeTurn(ctx context.Context, c *contestant, turn int, l load, fail context.CancelCauseFunc) error {
	before, err := c.subject.usages()
	if err != nil {
		return err
	}
	first, started := b.warm+turn*l.events, time.Now()
	if err := b.publishWhole(ctx, c, first, first+l.events, fail); err != nil {
		return err
	}
	elapsed, deliveries := time.Since(started), float64(l.events*l.sessions)
	after, err := c.subject.usages()
	c.turns = append(c.turns, result{
		deliveries: deliveries / elapsed.Seconds(),
		server:     usage{cpu: perMillion(after[0].cpu-before[0].cpu, deliveries), memory: after[0].memory},
		broker:     perMillion(after[1].cpu-before[1].cpu, deliveries),
	})
	return err
}

// publishWhole publishes the events from first to before last, and returns when every session has
// them.
func (b *bench) publishWhole(ctx context.Context, c *contestant, first, last int, fail context.CancelCauseFunc) error {
	watching, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { c.tally.watch(watching, fail) })
	defer beside.Wait()
	defer end()
	if err := b.publish(ctx, c.publisher, c.tally, first, last); err != nil {
		return err
	}
	for c.tally.complete.Load() < int64(last) {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// countFaults adds to the last turn what went wrong in all.
func (c *contestant) countFaults(events int) {
	last := &c.turns[len(c.turns)-1]
	for _, x := range c.crowd.sessions {
		last.lost += x.ledger.lost(events)
		last.duplicates += x.ledger.duplicates
		last.disorder += x.ledger.disorder
	}
	last.unacked = unacknowledged(c.publisher, events)
}

// leave ends what there is of the contestant.
func (c *contestant) leave() {
	if c.publisher != nil {
		c.publisher.close()
	}
	if c.crowd != nil {
		c.crowd.close()
	}
	if c.subject != nil {
		c.subject.stop()
	}
}

// writeTurns writes the medians of the turns, in the order of names, and the ratios of turns that
// belong together.
func writeTurns(w io.Writer, l load, names []string, turns map[string][]result) {
	g := grid{{count(l.sessions, "session"), "turns", "deliveries/s", "CPU s/M", "broker s/M", "lost", "twice", "disorder", "unacked", "MiB"}}
	for _, name := range names {
		m := median(turns[name])
		g.add(name, strconv.Itoa(len(turns[name])), fmt.Sprintf("%.0f", m.deliveries), fmt.Sprintf("%.3f", m.server.cpu.Seconds()), figure(m.broker.Seconds()),
			strconv.Itoa(m.lost), strconv.Itoa(m.duplicates), strconv.Itoa(m.disorder), strconv.Itoa(m.unacked), mebibytes(m.server.memory))
	}
	g.write(w)
	if len(names) < 2 {
		return
	}
	g = grid{{"CPU, turn by turn", "all turns", "median", "95 in 100", "half of the turns"}}
	for _, name := range names[1:] {
		r := ratiosOf(turns[name], turns[names[0]])
		from, to := r.confidence()
		g.add(name+" to "+names[0], fmt.Sprintf("%.3fx", float64(cpuOf(turns[name]))/float64(cpuOf(turns[names[0]]))), fmt.Sprintf("%.3fx", r.at(0.5)),
			fmt.Sprintf("%.3fx to %.3fx", from, to), fmt.Sprintf("%.3fx to %.3fx", r.at(0.25), r.at(0.75)))
	}
	fmt.Fprintln(w)
	g.write(w)
}

// cpuOf returns what all turns have taken.
func cpuOf(turns []result) (sum time.Duration) {
	for _, t := range turns {
		sum += t.server.cpu
	}
	return sum
}

// ratios are rising.
type ratios []float64

// ratiosOf returns what the turns have taken for what those of another have.
func ratiosOf(turns, others []result) ratios {
	r := make(ratios, len(turns))
	for i := range turns {
		r[i] = float64(turns[i].server.cpu) / float64(others[i].server.cpu)
	}
	slices.Sort(r)
	return r
}

// at returns the one that the share q of the others does not exceed.
func (r ratios) at(q float64) float64 { return r[int(math.Round(q*float64(len(r)-1)))] }

// confidence returns between which two the median is in 95 of 100 cases: of n values, the number of
// those below it is spread by the square root of n/4.
func (r ratios) confidence() (from, to float64) {
	n := float64(len(r))
	spread := 1.96 * math.Sqrt(n/4)
	return r[int(max(0, math.Floor(n/2-spread)))], r[int(min(n-1, math.Ceil(n/2+spread)))]
}
