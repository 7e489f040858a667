package topic

import "slices"

// Disjoint returns filters that together match every topic that one of the given ones matches, no
// topic matched by two of them: a broker that sends one copy for each matching subscription then
// sends one copy. Filters that intersect only partly become their Join. The order is that of the
// given ones.
func Disjoint(filters []string) []string {
	var s disjointSet
	for _, f := range filters {
		s.add(normal(f))
	}
	return slices.DeleteFunc(s.filters, func(f string) bool { return f == "" })
}

// A disjointSet are filters of which no two match the same topic.
type disjointSet struct {
	filters []string // in the order of addition; "": taken out again
	index   Index    // their indices
}

func (s *disjointSet) add(f string) {
	for _, i := range s.index.Intersecting(nil, f) {
		g := s.filters[i]
		joined := Join(f, g)
		if joined == g {
			return
		}
		s.index.removeFilter(g, i)
		s.filters[i] = ""
		if joined != f { // it may reach further than either and meet others of the set
			s.add(joined)
			return
		}
	}
	s.index.AddFilter(f, len(s.filters))
	s.filters = append(s.filters, f)
}
