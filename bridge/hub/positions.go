package hub

import (
	"encoding/binary"
	"slices"
	"sort"
)

// positions are positions in rising order, kept as the differences between neighbours: one byte or
// two for most. A client that acknowledges nothing may make a session remember very many.
type positions struct {
	blocks []block
	n      int // in all blocks
}

// A block is at least one position.
type block struct {
	first, last uint64
	rest        []byte // what each position after the first is above the one before it, as uvarints
	n           int
}

// maxBlock bounds the positions of a block, and so the work of taking one out.
const maxBlock = 128

// add adds a position beyond all others.
func (p *positions) add(position uint64) {
	p.n++
	if len(p.blocks) > 0 {
		if b := &p.blocks[len(p.blocks)-1]; b.n < maxBlock {
			b.add(position)
			return
		}
	}
	p.blocks = append(p.blocks, block{first: position, last: position, n: 1})
}

func (b *block) add(position uint64) {
	b.rest = binary.AppendUvarint(b.rest, position-b.last)
	b.last = position
	b.n++
}

// all appends the block's positions to dst.
func (b *block) all(dst []uint64) []uint64 {
	position := b.first
	dst = append(dst, position)
	for rest := b.rest; len(rest) > 0; {
		difference, size := binary.Uvarint(rest)
		position, rest = position+difference, rest[size:]
		dst = append(dst, position)
	}
	return dst
}

// set makes the block hold the positions, at least one.
func (b *block) set(all []uint64) {
	*b = block{first: all[0], last: all[0], rest: b.rest[:0], n: 1}
	for _, position := range all[1:] {
		b.add(position)
	}
}

// find returns the block that may hold the position, and which position there it is.
func (p *positions) find(position uint64, scratch []uint64) (at int, all []uint64, i int, found bool) {
	at = sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].last >= position })
	if at == len(p.blocks) || p.blocks[at].first > position {
		return at, nil, 0, false
	}
	all = p.blocks[at].all(scratch)
	i, found = slices.BinarySearch(all, position)
	return at, all, i, found
}

// has reports whether the position is among them.
func (p *positions) has(position uint64) bool {
	var scratch [maxBlock]uint64
	_, _, _, found := p.find(position, scratch[:0])
	return found
}

// remove takes the position out, and reports whether it was there.
func (p *positions) remove(position uint64) bool {
	var scratch [2 * maxBlock]uint64
	at, all, i, found := p.find(position, scratch[:0])
	if !found {
		return false
	}
	p.n--
	all = slices.Delete(all, i, i+1)
	// Joined with the next when both are small, or a client could have blocks of one position each.
	if next := at + 1; next < len(p.blocks) && len(all)+p.blocks[next].n <= maxBlock/2 {
		all = p.blocks[next].all(all)
		p.blocks = slices.Delete(p.blocks, next, next+1)
	}
	if len(all) == 0 {
		p.blocks = slices.Delete(p.blocks, at, at+1)
	} else {
		p.blocks[at].set(all)
	}
	return true
}

// removeTo takes out all up to the position, which must be among them.
func (p *positions) removeTo(position uint64) {
	var scratch [maxBlock]uint64
	at, all, i, _ := p.find(position, scratch[:0])
	for j := range at {
		p.n -= p.blocks[j].n
	}
	p.n -= i + 1
	if rest := all[i+1:]; len(rest) > 0 {
		p.blocks[at].set(rest)
	} else {
		at++
	}
	clear(p.blocks[:at]) // or the array would keep their bytes
	p.blocks = p.blocks[at:]
}

// middle returns a position with about as many before as behind it; there must be two blocks.
func (p *positions) middle() uint64 { return p.blocks[len(p.blocks)/2-1].last }
