package value

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Refusal says why a value, a payload or an expression was refused.
type Refusal struct {
	Kind    string // short, and without any value of the event: for logs and counters
	Reason  string // the whole reason; it may quote the event
	Payload bool   // the payload itself was refused, whichever expression was the first to look at it

	hint string // what a rule could say instead
}

func (r *Refusal) Error() string { return r.Reason }

// Refuse returns a *Refusal.
func Refuse(kind, format string, args ...any) error {
	return &Refusal{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// RefuseZone is the refusal of a time that has only an abbreviation for its zone; the layout is of
// such times. Abbreviations mean different offsets in different places, so none is looked up.
func RefuseZone(time, zone, layout string) error {
	return Refuse("not a time", `%s: %s is not an offset, and can mean several; have the sender write one, or replace it: time(replace(…, %q, "+hh:mm"), %q)`,
		time, zone, zone, strings.Replace(layout, "MST", "Z07:00", 1))
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
