// Package instant reads times, the same on every machine: neither TZ nor the machine's time zones
// have a say.
//
// What cannot be read is a *value.Refusal, whose reason says what a rule should write.
package instant

import (
	"errors"
	"math"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/value"
)

// The bounds of a time given as a number. Between them the ranges of seconds, milliseconds,
// microseconds and nanoseconds do not overlap, so that the unit is never guessed.
const (
	firstSecond = 946684800  // 2000-01-01
	lastSecond  = 4102444800 // 2100-01-01
)

// Of returns the time that a value of an event stands for: a time, text as Parse reads it, or a
// number of seconds, milliseconds, microseconds or nanoseconds since 1970.
func Of(v any) (time.Time, error) {
	if t, ok := v.(time.Time); ok {
		return t, nil
	}
	if text, ok := value.String(v); ok {
		return Parse(text)
	}
	n, ok := value.Number(v)
	if !ok {
		return time.Time{}, value.Refuse("not a time", "%s is not a time", value.TypeName(v))
	}
	return epoch(n)
}

// Parse reads a time that is the same wherever it is read: ISO 8601 with an offset (RFC 3339, Java's
// forms, the basic form) or with the name of a zone in brackets, or a number since 1970, whose size
// tells its unit.
func Parse(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil // or it might be in the machine's zone
	}
	if n, ok := value.Digits(text); ok {
		t, err := epoch(n)
		if _, notLayout := time.Parse(digitsLayout, text); err != nil && notLayout == nil {
			err = refuseLayout(text)
		}
		return t, err
	}
	t, err := isoForm(text)
	if part := outOfRange(err); part != "" {
		return t, value.Refuse("not a time", "%s: there is no such %s", value.Quote(text), part)
	}
	if err != nil {
		return t, refuseLayout(text)
	}
	return t, nil
}

// epoch returns the time that a number of seconds, milliseconds, microseconds or nanoseconds since
// 1970 stands for.
func epoch(n any) (time.Time, error) {
	if n, whole := n.(int64); whole {
		if t, ok := Epoch(n); ok {
			return t, nil
		}
	}
	for unit := int64(1); unit <= 1e9; unit *= 1000 {
		if n, fraction := n.(float64); fraction {
			if n >= firstSecond*float64(unit) && n < lastSecond*float64(unit) {
				second, part := math.Modf(n / float64(unit))
				// Rounded to the microsecond, since a float64 of today has no more.
				return time.Unix(int64(second), int64(math.Round(part*1e6))*1000).UTC(), nil
			}
		}
	}
	return time.Time{}, value.Refuse("not a time", "a number (%v) is not a time between 2000 and 2100 in s, ms, µs or ns", n)
}

// Epoch returns the time that a whole number of seconds, milliseconds, microseconds or nanoseconds
// since 1970 stands for; false where it stands for none.
func Epoch(n int64) (time.Time, bool) {
	switch {
	case n >= firstSecond && n < lastSecond:
		return time.Unix(n, 0).UTC(), true
	case n >= firstSecond*1e3 && n < lastSecond*1e3:
		return time.UnixMilli(n).UTC(), true
	case n >= firstSecond*1e6 && n < lastSecond*1e6:
		return time.UnixMicro(n).UTC(), true
	case n >= firstSecond*1e9 && n < lastSecond*1e9:
		return time.Unix(0, n).UTC(), true
	}
	return time.Time{}, false
}

// errNotISO says that a text has no form that isoForm knows.
var errNotISO = errors.New("not ISO 8601")

// isoForm reads the forms of ISO 8601 that say a time and its offset without ambiguity:
//
//	2021-09-14T06:32:05.123Z  20210914T063205+0200  2021-09-14 06:32 +02  2021-09-14T08:32[Europe/Berlin]
//
// Of an offset and a zone the offset counts, as Java and RFC 9557 have it.
func isoForm(text string) (time.Time, error) {
	text, suffix, bracketed := strings.Cut(text, "[")
	zone := time.UTC
	zoned := false
	if bracketed {
		name, _, _ := strings.Cut(suffix, "]")
		zone, zoned = Zone(name)
	}
	date := len("2006-01-02")
	if len(text) > 4 && text[4] != '-' {
		date = len("20060102")
	}
	if len(text) <= date || len(text) > longest || !strings.Contains("Tt ", text[date:date+1]) {
		return time.Time{}, errNotISO
	}
	clock, offset := cutOffset(text[date+1:])
	layout := isoLayout(date, clock, offset)
	if layout == "" || offset == "" && !zoned {
		return time.Time{}, errNotISO
	}
	t, err := time.ParseInLocation(layout, text[:date]+"T"+clock+offset, time.UTC)
	if offset == "" {
		t = clockTime(t, zone)
	}
	return t.UTC(), err
}

// cutOffset splits the offset from the end of a clock's time; each name of UTC becomes Z.
func cutOffset(text string) (clock, offset string) {
	i := strings.IndexAny(text, "Zz+- ")
	if i < 0 {
		return text, ""
	}
	clock, offset = text[:i], strings.TrimPrefix(text[i:], " ")
	switch offset {
	case "z", "UTC", "GMT":
		offset = "Z"
	}
	return clock, offset
}

// isoLayout returns the layout of a date of that many characters, a clock's time and an offset; "" if
// they have none.
func isoLayout(date int, clock, offset string) string {
	layout := "2006-01-02T"
	if date == len("20060102") {
		layout = "20060102T"
	}
	whole := strings.IndexAny(clock+".", ".,")
	switch {
	case strings.Count(clock, ":") == 2:
		layout += "15:04:05"
	case strings.Count(clock, ":") == 1:
		layout += "15:04"
	case whole == len("150405"):
		layout += "150405"
	case whole == len("1504"):
		layout += "1504"
	default:
		return ""
	}
	switch {
	case offset == "":
		return layout
	case offset == "Z", strings.Contains(offset, ":"):
		return layout + "Z07:00"
	case len(offset) == len("+0200"):
		return layout + "Z0700"
	case len(offset) == len("+02"):
		return layout + "Z07"
	}
	return ""
}
