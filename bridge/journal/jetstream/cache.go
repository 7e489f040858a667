package jetstream

import (
	"container/list"
	"context"
	"sync"
)

const (
	rowBlocks = 128     // of a row
	rowBytes  = 4 << 20 // of a row, unless one block is larger
	readers   = 4       // rows that are read at a time
)

// A cache keeps blocks that were read or have just come. Those that want to read at about the same
// place, as clients do that resume, share what is read: a row of blocks.
type cache struct {
	ctx   context.Context // of reading
	read  func(ctx context.Context, r row) ([]*block, error)
	limit int64         // bytes
	busy  chan struct{} // holds a token for each row that is being read
	wg    sync.WaitGroup

	mu      sync.Mutex
	blocks  map[uint64]*list.Element // sequence -> a cached
	recent  *list.List               // of cached, those used last in front
	bytes   int64
	flights map[uint64]*flight // first sequence of a row -> who reads it
}

// A row is a run of blocks that is read at once.
type row struct {
	first uint64
	max   int
}

type cached struct {
	sequence uint64
	block    *block
	size     int64
}

// A flight is one reading of a row.
type flight struct {
	done   chan struct{}
	blocks []*block // from the row's first on
	err    error
}

func newCache(ctx context.Context, limit int64, read func(context.Context, row) ([]*block, error)) *cache {
	return &cache{
		ctx: ctx, read: read, limit: limit, busy: make(chan struct{}, readers),
		blocks: map[uint64]*list.Element{}, recent: list.New(), flights: map[uint64]*flight{},
	}
}

// put keeps the block.
func (c *cache) put(sequence uint64, b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(sequence, b)
}

// What a block and an entry in memory take besides their bytes, about.
const blockOverhead, entryOverhead = 256, 128

func (c *cache) putLocked(sequence uint64, b *block) {
	if c.blocks[sequence] != nil {
		return
	}
	kept := cached{sequence, b, blockOverhead + int64(b.size) + entryOverhead*int64(len(b.entries)+len(b.carried))}
	c.blocks[sequence] = c.recent.PushFront(kept)
	for c.bytes += kept.size; c.bytes > c.limit && c.recent.Len() > 1; {
		c.removeLocked(c.recent.Back())
	}
}

func (c *cache) removeLocked(e *list.Element) {
	old := c.recent.Remove(e).(cached)
	delete(c.blocks, old.sequence)
	c.bytes -= old.size
}

// peek returns the blocks from the sequence on that are at hand, until they have so many entries.
func (c *cache) peek(sequence uint64, entries int) []*block {
	blocks := make([]*block, 0, min(entries, rowBlocks))
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; entries > 0; sequence++ {
		e := c.blocks[sequence]
		if e == nil {
			break
		}
		c.recent.MoveToFront(e)
		b := e.Value.(cached).block
		blocks = append(blocks, b)
		entries -= max(1, len(b.entries))
	}
	return blocks
}

// get returns the block, which lies in the row. It is nil where who was asked does not have it.
func (c *cache) get(ctx context.Context, sequence uint64, r row) (*block, error) {
	b, f := c.find(sequence, r)
	if b != nil {
		return b, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.done:
	}
	if i := sequence - r.first; f.err == nil && i < uint64(len(f.blocks)) {
		return f.blocks[i], nil
	}
	return nil, f.err
}

// find returns the block, or who reads its row.
func (c *cache) find(sequence uint64, r row) (*block, *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.blocks[sequence]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(cached).block, nil
	}
	f := c.flights[r.first]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		c.flights[r.first] = f
		c.wg.Go(func() { c.fly(f, r) })
	}
	return nil, f
}

func (c *cache) fly(f *flight, r row) {
	c.busy <- struct{}{}
	f.blocks, f.err = c.read(c.ctx, r)
	<-c.busy
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range f.blocks {
		c.putLocked(r.first+uint64(i), b)
	}
	delete(c.flights, r.first)
	close(f.done)
}

// wait waits until nobody reads any more, once ctx is done.
func (c *cache) wait() { c.wg.Wait() }
