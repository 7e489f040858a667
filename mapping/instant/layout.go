package instant

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/value"
)

// ParseLayout reads a time in a layout of Go's package time. Where the text says no offset it is one
// of the zone; of an hour that the zone's clocks have twice, the first, and of one that they skip, the
// time that the offset before the change gives.
//
// An abbreviation for an offset is taken when it is UTC, GMT or Z, or one that the zone has; no other
// is looked up, since it means different offsets in different places.
func ParseLayout(text, layout string, zone *time.Location) (time.Time, error) {
	named := strings.Contains(layout, "MST")
	if !named && !hasOffset(layout) {
		t, err := time.ParseInLocation(layout, text, time.UTC)
		if err != nil {
			return t, refuseText(text, layout, err)
		}
		return clockTime(t, zone), nil
	}
	t, err := time.ParseInLocation(layout, text, zone)
	if err != nil && named && outOfRange(err) == "" {
		// MST takes neither Z nor an offset.
		t, err = time.ParseInLocation(strings.Replace(layout, "MST", "Z07:00", 1), text, zone)
	}
	if err != nil {
		return t, refuseText(text, layout, err)
	}
	if name, _ := t.Zone(); named && !hasOffset(layout) && t.Location() != zone && unknown(name) {
		return t, refuseZone(text, name, layout, zone)
	}
	return t.UTC(), nil
}

// ParseLayouts reads a time in the first of the layouts, at least one, that it has.
func ParseLayouts(text string, layouts []string, zone *time.Location) (time.Time, error) {
	var refused error // of a text that has a layout, or would have it if there were such a day
	for _, layout := range layouts {
		t, err := ParseLayout(text, layout, zone)
		if err == nil || len(layouts) == 1 {
			return t, err
		}
		_, unreadable := time.ParseInLocation(layout, text, time.UTC)
		if refused == nil && (unreadable == nil || outOfRange(unreadable) != "") {
			refused = err
		}
	}
	if refused != nil {
		return time.Time{}, refused
	}
	return time.Time{}, value.Refuse("not a time", "%s has none of the %d layouts", value.Quote(text), len(layouts))
}

func refuseText(text, layout string, err error) error {
	if part := outOfRange(err); part != "" {
		return value.Refuse("not a time", "%s, read as %s: there is no such %s", value.Quote(text), value.Quote(layout), part)
	}
	return value.Refuse("not a time", "%s does not have the layout %s", value.Quote(text), value.Quote(layout))
}

// outOfRange names the part of a time that does not exist, such as the day of 31 June; "" if the text
// could not be read for another reason.
func outOfRange(err error) string {
	var e *time.ParseError
	if !errors.As(err, &e) {
		return ""
	}
	part, ok := strings.CutSuffix(e.Message, " out of range")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(part, ": ")
}

// clockTime returns the first time at which clocks of the zone show what those of UTC show at shown.
// An hour that they skip is counted from before the change. Go's own choice depends on the zone.
func clockTime(shown time.Time, zone *time.Location) time.Time {
	before := minusOffset(shown, shown.Add(-36*time.Hour).In(zone))
	if after := minusOffset(shown, shown.Add(36*time.Hour).In(zone)); !shows(before, zone, shown) && shows(after, zone, shown) {
		return after
	}
	return before
}

// minusOffset returns the time that is shown with the offset that is in force at the other time.
func minusOffset(shown, at time.Time) time.Time {
	_, offset := at.Zone()
	return shown.Add(-time.Duration(offset) * time.Second)
}

func shows(t time.Time, zone *time.Location, shown time.Time) bool {
	return minusOffset(shown, t.In(zone)).Equal(t)
}

// hasOffset reports whether times of the layout say their offset in digits.
func hasOffset(layout string) bool {
	return strings.Contains(layout, "-07") || strings.Contains(layout, "Z07")
}

// unknown reports whether the abbreviation, which has come from a text, is none that means the same
// everywhere. It is empty where the text had an offset in its place.
func unknown(abbreviation string) bool {
	return abbreviation != "UTC" && abbreviation != "GMT" && abbreviation != ""
}

const digitsLayout = "20060102150405"

// commonLayouts are layouts that need to be named, none of which can be taken for another.
var commonLayouts = [...]string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
	"2006/01/02 15:04:05", "2006/01/02 15:04", "2006/01/02", "02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006",
	"20060102T150405", digitsLayout, time.ANSIC,
}

// offsetLayouts are such layouts of times that say their offset.
var offsetLayouts = [...]string{
	time.RFC1123Z, time.RFC822Z, time.RubyDate, "02.01.2006 15:04:05 -0700", "2006/01/02 15:04:05 -0700",
}

// zoneLayouts are such layouts whose offset is an abbreviation.
var zoneLayouts = [...]string{
	time.RFC1123, time.RFC850, time.UnixDate, time.RFC822,
	"2006-01-02 15:04:05 MST", "2006-01-02T15:04:05 MST", "2006-01-02 15:04 MST", "02.01.2006 15:04:05 MST", "02.01.2006 15:04 MST",
}

const longest = 100 // bytes that a time may have

// refuseLayout says how a time that Parse cannot read is written in a rule.
func refuseLayout(text string) error {
	quoted := value.Quote(text)
	if len(text) > longest {
		return value.Refuse("not a time", "%s is not a time", quoted)
	}
	if _, suffix, ok := strings.Cut(text, "["); ok {
		name, _, _ := strings.Cut(suffix, "]")
		if _, ok := Zone(name); !ok {
			return value.Refuse("not a time", "%s: %s is not a time zone; %s", quoted, value.Quote(name), ZoneHint(name))
		}
	}
	for _, layout := range commonLayouts {
		if fits(layout, text) {
			return value.Refuse("not a time", `%s has no time zone; give the layout and the zone: time(…, %q, "Europe/Berlin")`, quoted, layout)
		}
	}
	for _, layout := range offsetLayouts {
		if fits(layout, text) {
			return value.Refuse("not a time", "%s is not an ISO 8601 time; give the layout: time(…, %q)", quoted, layout)
		}
	}
	for _, layout := range zoneLayouts {
		t, err := time.ParseInLocation(layout, text, time.UTC)
		if err != nil {
			continue
		}
		if name, _ := t.Zone(); unknown(name) {
			return refuseZone(text, name, layout, time.UTC)
		}
		return value.Refuse("not a time", "%s is not an ISO 8601 time; give the layout: time(…, %q)", quoted, layout)
	}
	return value.Refuse("not a time", "%s is not an ISO 8601 time; give the layout, which is how 2 January 2006, 15:04:05, would look: time(…, %q)",
		quoted, commonLayouts[0])
}

func fits(layout, text string) bool {
	_, err := time.ParseInLocation(layout, text, time.UTC)
	return err == nil
}

// refuseZone refuses an abbreviation that the zone does not have.
func refuseZone(text, abbreviation, layout string, zone *time.Location) error {
	problem := abbreviation + " means different offsets in different places"
	if zone != time.UTC {
		problem = abbreviation + " is not used in " + zone.String()
	}
	hint := fmt.Sprintf("write the offset that it stands for, such as +02:00: time(replace(…, %q, \"+02:00\"), %q)",
		abbreviation, strings.Replace(layout, "MST", "Z07:00", 1))
	if place := places[abbreviation]; place != "" {
		hint = fmt.Sprintf("name the place: time(…, %q, %q)", layout, place)
	}
	return value.Refuse("not a time", "%s: %s; %s", value.Quote(text), problem, hint)
}
