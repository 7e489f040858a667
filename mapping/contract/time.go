package contract

import (
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

func toTime(v any) (time.Time, error) {
	var t time.Time
	var err error
	switch v := v.(type) {
	case time.Time:
		t = v
	case string:
		t, err = ParseTime(v)
	default:
		n, ok := value.Number(v)
		if !ok {
			return t, value.Refuse("not a time", "%s is not a time", value.TypeName(v))
		}
		t, err = epoch(n)
	}
	if y := t.UTC().Year(); err == nil && (y < 0 || y > 9999) {
		err = value.Refuse("not a time", "the year %d does not have four digits", y)
	}
	return t.UTC().Truncate(time.Millisecond), err
}

// javaTime is RFC 3339 except for the offset, which Java's pattern Z writes as +0100.
const javaTime = "2006-01-02T15:04:05Z0700"

// commonLayouts are other layouts, none of which can be taken for another.
var commonLayouts = [...]string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04", "2006-01-02T15:04",
	"2006-01-02", "02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006", time.RFC1123Z, time.RubyDate,
}

// zoneLayouts are layouts whose zone is an abbreviation. None is recommended as it is: only UTC and
// GMT mean the same everywhere.
var zoneLayouts = [...]string{
	time.RFC1123, time.RFC850, time.UnixDate, time.RFC822,
	"2006-01-02 15:04:05 MST", "2006-01-02T15:04:05 MST", "2006-01-02 15:04 MST", "02.01.2006 15:04:05 MST", "02.01.2006 15:04 MST",
}

// ParseTime parses RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds
// since 1970, which its size tells apart. An error is a *value.Refusal.
func ParseTime(text string) (time.Time, error) {
	if n, ok := value.Digits(text); ok {
		return epoch(n)
	}
	for _, layout := range [...]string{time.RFC3339, javaTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, refuseLayout(text)
}

// refuseLayout says how a time in another layout is written in a rule.
func refuseLayout(text string) error {
	meant := commonLayouts[0]
	for _, layout := range commonLayouts {
		if _, err := time.Parse(layout, text); err == nil {
			meant = layout
			break
		}
	}
	for _, layout := range zoneLayouts {
		t, err := time.ParseInLocation(layout, text, time.UTC)
		if err != nil {
			continue
		}
		zone, _ := t.Zone()
		if zone != "UTC" && zone != "GMT" {
			return value.RefuseZone(value.Quote(text), zone, layout)
		}
		meant = strings.Replace(layout, "MST", zone, 1)
	}
	return value.Refuse("not a time", "%s is not an RFC 3339 time; give the layout: time(…, %q)", value.Quote(text), meant)
}

// epoch returns the time that a number of seconds, milliseconds, microseconds or nanoseconds since
// 1970 stands for.
func epoch(n any) (time.Time, error) {
	for unit := int64(1); unit <= 1e9; unit *= 1000 {
		switch n := n.(type) {
		case int64:
			if n >= firstSecond*unit && n < lastSecond*unit {
				return time.Unix(n/unit, n%unit*(1e9/unit)), nil
			}
		case float64:
			if n >= firstSecond*float64(unit) && n < lastSecond*float64(unit) {
				second, part := math.Modf(n / float64(unit))
				// Rounded to the microsecond, since a float64 of today has no more.
				return time.Unix(int64(second), int64(math.Round(part*1e6))*1000), nil
			}
		}
	}
	return time.Time{}, value.Refuse("not a time", "a number (%v) is not a time between 2000 and 2100 in s, ms, µs or ns", n)
}
