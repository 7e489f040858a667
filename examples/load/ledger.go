//go:build linux

package main

import "slices"

// A ledger notes which events one session got, and in what order. The zero value is ready to use.
type ledger struct {
	next       int    // one more than the highest number that came
	missing    []span // numbers below next that have not come; rising, not touching
	duplicates int
	disorder   int // events that came after a later one
}

type span struct{ from, to int } // to is not in it

// note takes in the arrival of event n and reports whether it is the first one.
func (l *ledger) note(n int) bool {
	if n >= l.next {
		if n > l.next {
			l.missing = append(l.missing, span{l.next, n})
		}
		l.next = n + 1
		return true
	}
	i := slices.IndexFunc(l.missing, func(s span) bool { return s.from <= n && n < s.to })
	if i < 0 {
		l.duplicates++
		return false
	}
	l.disorder++
	s := l.missing[i]
	l.missing = slices.Delete(l.missing, i, i+1)
	if n+1 < s.to {
		l.missing = slices.Insert(l.missing, i, span{n + 1, s.to})
	}
	if s.from < n {
		l.missing = slices.Insert(l.missing, i, span{s.from, n})
	}
	return true
}

// lost returns how many of the events have not come.
func (l *ledger) lost(events int) int {
	lost := events - l.next
	for _, s := range l.missing {
		lost += s.to - s.from
	}
	return lost
}
