package hub

import (
	"fmt"
	"slices"
)

// A Filter selects the entries of which what its name stands for, see Queue.Filters, has one of the
// values.
type Filter struct {
	Name   string
	Values []string // at least one
}

// A filter is the Filter of a subscription, or what those of a Group's members have in common.
type filter struct {
	name   string
	value  func(body []byte) []byte
	values []string // in order

	// Of a Group's cursor, in place of values: value -> the members that select it.
	watchers map[string]map[*Feed]struct{}
}

func (r *ring) filter(f *Filter) *filter {
	if f == nil {
		return nil
	}
	value := r.filters[f.Name]
	if value == nil {
		panic(fmt.Sprintf("hub: unknown filter %q", f.Name))
	}
	values := slices.Sorted(slices.Values(f.Values))
	return &filter{name: f.Name, value: value, values: slices.Compact(values)}
}

// shared returns the filter of a Group's cursor, for members whose filters have the same name.
func (f *filter) shared() *filter {
	if f == nil {
		return nil
	}
	return &filter{name: f.name, value: f.value, watchers: map[string]map[*Feed]struct{}{}}
}

// selects reports whether the entry is one of those, in a Group for any member.
func (f *filter) selects(e *Entry) bool {
	if f.watchers != nil {
		return len(f.watchersOf(e)) > 0
	}
	_, found := slices.BinarySearchFunc(f.values, f.value(e.Body), func(v string, value []byte) int {
		switch {
		case v < string(value):
			return -1
		case v > string(value):
			return 1
		}
		return 0
	})
	return found
}

// watchersOf returns the members of a Group that select the entry.
func (f *filter) watchersOf(e *Entry) map[*Feed]struct{} { return f.watchers[string(f.value(e.Body))] }

// watch notes that a member selects its filter's values, unwatch that it does so no more.
func (f *filter) watch(member *Feed, its *filter) {
	for _, value := range its.values {
		if f.watchers[value] == nil {
			f.watchers[value] = map[*Feed]struct{}{}
		}
		f.watchers[value][member] = struct{}{}
	}
}

func (f *filter) unwatch(member *Feed, its *filter) {
	for _, value := range its.values {
		if delete(f.watchers[value], member); len(f.watchers[value]) == 0 {
			delete(f.watchers, value)
		}
	}
}
