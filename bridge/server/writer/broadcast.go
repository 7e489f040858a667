package writer

import (
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/hub"
)

// A broadcast writes to connections that have the same subscriptions and are all up to date: what
// comes next is put together once, and each of them gets it in one write. A member that the kernel
// does not let keep up leaves, with what it has not got.
type broadcast struct {
	shard   *shard
	profile uint64
	queued  atomic.Bool // waits for its turn in the shard

	mu      sync.Mutex
	group   *hub.Group
	members map[*hub.Feed]*Writer
	joiners []*Writer
	pass    uint64 // number of the last write
}

// askToJoin queues the Writer for the broadcast of its profile, if it can be in one.
func (w *Writer) askToJoin() {
	if w.raw == nil && w.sealed == nil || !w.changed || w.blocked || w.ending() {
		return
	}
	// A snapshot may end without a write. One that cannot join otherwise asks again after a write
	// only.
	w.changed = w.feed.Beginning()
	profile, ok := w.feed.Profile()
	if !ok {
		return
	}
	// Found and joined in one critical section, or dismiss might come between the two.
	w.shard.broadcastsMu.Lock()
	defer w.shard.broadcastsMu.Unlock()
	b := w.shard.broadcast(profile, w.feed)
	b.mu.Lock()
	b.joiners = append(b.joiners, w)
	b.mu.Unlock()
	b.Wake()
	w.joining = b
}

// Wake implements hub.Owner.
func (b *broadcast) Wake() {
	if !b.queued.Swap(true) {
		b.shard.add(b)
	}
}

// Serve implements hub.Owner.
func (b *broadcast) Serve() {
	if !b.queued.Swap(true) {
		b.shard.serve(b)
	}
}

// fewMembers are written to by whoever has something for them. More would hold up what comes behind
// it: measured, a hundred cost as much either way, and wait longer.
const fewMembers = 8

func (b *broadcast) quick() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.members)+len(b.joiners) <= fewMembers
}

// turn writes to all members what waits, in one write each, and then takes in who wants to join.
func (b *broadcast) turn() {
	b.queued.Store(false) // before looking: what comes from here on wakes it again
	b.mu.Lock()
	// Taken before the group moves on, so that none of them is ahead of it afterwards. One that
	// asks later may be, and could not be caught up.
	joiners := b.joiners
	b.joiners = nil
	more, err := b.group.Next(writeBytes)
	if b.group.Any() {
		b.pass++
	}
	pass, crowd := b.pass, b.crowd(err != nil)
	b.mu.Unlock()

	if len(crowd) > 0 {
		b.deliver(crowd, pass, err)
	}
	b.mu.Lock()
	b.group.Release()
	b.mu.Unlock()
	for _, w := range joiners {
		w.join(b)
	}
	if more {
		b.Wake() // not a loop: the shard has others to write to
	}
	b.shard.dismiss(b)
}

// crowd returns to whom this pass writes: those that have frames, or everybody.
func (b *broadcast) crowd(everybody bool) []*Writer {
	crowd := b.shard.crowd
	if everybody || b.group.Everybody() {
		for _, w := range b.members {
			crowd = append(crowd, w)
		}
	} else {
		for f := range b.group.Addressed() {
			crowd = append(crowd, b.members[f])
		}
	}
	b.shard.crowd = crowd
	return crowd
}

// deliver writes to those of the crowd that are still members when their turn comes.
func (b *broadcast) deliver(crowd []*Writer, pass uint64, err error) {
	reached := b.shard.reached
	for _, w := range crowd {
		switch {
		case err != nil:
			w.failed(err)
		case w.deliver(b, pass):
			reached = append(reached, w.feed)
		}
	}
	b.mu.Lock()
	b.group.Wrote(reached)
	b.mu.Unlock()
	clear(crowd) // or the arrays would keep what has ended
	clear(reached)
	b.shard.crowd, b.shard.reached = crowd[:0], reached[:0]
}

// deliver writes what the broadcast's members get in this pass, and reports whether it did.
func (w *Writer) deliver(b *broadcast, pass uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broadcast != b || w.pass == pass { // it has left; maybe it has come back, and stands after this pass
		return false
	}
	frames := b.group.Frames(w.feed)
	n, done, err := w.try(frames)
	if done && err == nil {
		w.pass = pass
		return true
	}
	rest := w.leave()
	if err != nil {
		w.finish(err)
		return false
	}
	w.block(unread{pieces: [][]byte{rest[n:]}, shared: rest})
	return false
}

// join makes the Writer a member, if it still wants that and its feed can be brought to where the
// broadcast stands.
func (w *Writer) join(b *broadcast) {
	w.mu.Lock()
	if w.joining != b {
		w.mu.Unlock()
		return
	}
	w.joining = nil
	buffer := getBuffer()
	b.mu.Lock()
	*buffer, _, _ = b.group.Catch(w.feed, *buffer, writeBytes) // an error comes again, from the Writer's own Next
	b.mu.Unlock()
	w.write(buffer)
	if !w.blocked && !w.finished {
		b.take(w)
	}
	w.mu.Unlock()
	w.Wake() // what came meanwhile woke nobody; and if it was not taken, it goes on alone
}

// take makes the Writer a member if its feed stands where the group does: what Catch had to leave
// out, or a newer subscription, may be between the two.
func (b *broadcast) take(w *Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.group.Join(w.feed) {
		w.broadcast, w.pass = b, b.pass
		b.members[w.feed] = w
	}
}

// leave has the feed go on alone. It returns what the broadcast is about to write and has not yet
// written here, nil when there is nothing: it comes before all else. Others may have the same
// bytes.
func (w *Writer) leave() (rest []byte) {
	b := w.broadcast
	if b == nil {
		return nil
	}
	w.broadcast = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	frames := b.group.Frames(w.feed)
	wrote := w.pass == b.pass || len(frames) == 0
	b.group.Leave(w.feed, wrote)
	if !wrote {
		// Not copied: hundreds of clients may stop reading at the same message of a megabyte.
		b.group.Keep()
		rest = frames
	}
	delete(b.members, w.feed)
	if len(b.members) == 0 {
		b.Wake() // to be dismissed
	}
	return rest
}
