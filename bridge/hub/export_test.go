package hub

// Positions is positions, for tests.
type Positions struct{ p positions }

func (p *Positions) Add(position uint64)         { p.p.add(position) }
func (p *Positions) Has(position uint64) bool    { return p.p.has(position) }
func (p *Positions) Remove(position uint64) bool { return p.p.remove(position) }
func (p *Positions) RemoveTo(position uint64)    { p.p.removeTo(position) }
func (p *Positions) Middle() uint64              { return p.p.middle() }
func (p *Positions) Len() int                    { return p.p.n }

// Bytes is about what they take.
func (p *Positions) Bytes() int {
	n := 48 * cap(p.p.blocks)
	for _, b := range p.p.blocks {
		n += cap(b.rest)
	}
	return n
}
