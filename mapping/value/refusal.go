package value

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A Refusal says why a value, a payload or an expression was refused.
type Refusal struct {
	Kind    string // short, and without any value of the event: for logs and counters
	Reason  string // the whole reason; it may quote the event
	Payload bool   // the payload itself was refused, whichever expression was the first to look at it
	Line    int    // of a rule's file, if not the value that was asked for but one that it needs was refused; 0: it is the former

	hint string // what a rule could say instead
}

func (r *Refusal) Error() string { return r.Reason }

// Refuse returns a *Refusal.
func Refuse(kind, format string, args ...any) error {
	return &Refusal{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// Within returns the refusal of what an err, also a refusal, was a part of.
func Within(err error, format string, args ...any) *Refusal {
	r := &Refusal{Kind: KindOf(err), Reason: fmt.Sprintf(format, args...) + ": " + err.Error()}
	if inner, ok := err.(*Refusal); ok {
		r.Payload, r.Line = inner.Payload, inner.Line
	}
	return r
}

// KindOf returns the kind of a refusal; "expression" for any other error.
func KindOf(err error) string {
	if r, ok := err.(*Refusal); ok {
		return r.Kind
	}
	return "expression"
}

// Quote returns s in quotes, cut to a length that people read.
func Quote(s string) string {
	const most = 80 // bytes
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut] + "…")
}
