package mapping

// BreakRule makes the first field of the named rule panic for items whose index is item, as a fault
// of our own would.
func BreakRule(m *Mapper, name string, item int) {
	for _, r := range m.rules {
		if r.name == name {
			f := &r.fields[0]
			f.from = broken{f.from, item}
		}
	}
}

type broken struct {
	valueSource
	item int
}

func (b broken) value(in *input) (any, error) {
	if in.index == b.item {
		panic("a value source that panics")
	}
	return b.valueSource.value(in)
}
