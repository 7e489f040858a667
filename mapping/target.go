package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/source"
)

// A target is the type of a field. It converts what a rule gives, and refuses what does not fit.
type target struct {
	wants   string                 // for messages: a UUID
	convert func(any) (any, error) // as the field's setter does, for values that are known at load
	fits    func(reflect.Type) bool
	hint    string // what to do about a text that does not fit
}

var (
	uuidTarget     = &target{"a UUID", checked(toUUID), isAnyOf(stringType), `an id of another kind becomes a UUID by =uuid("a name for this kind of id", …)`}
	timeTarget     = &target{"a time", checked(toTime), isAnyOf(stringType, numberTypes, timeType), "an expression starts with =, such as =payload.ts or =received"}
	countTarget    = &target{"a whole number", checked(toCount), isAnyOf(stringType, numberTypes), "an expression starts with =, such as =payload.unread"}
	contentTarget  = &target{"text or an object", checked(toContent), func(reflect.Type) bool { return true }, ""}
	deliveryTarget = &target{"one of " + deliveryStates.String(), checked(deliveryStates.convert), isAnyOf(stringType), ""}
	senderTarget   = &target{"one of " + senderTypes.String(), checked(senderTypes.convert), isAnyOf(stringType), ""}
	textTarget     = &target{"text", checked(toText), isAnyOf(stringType, integerTypes), ""}
)

func checked[T any](convert func(any) (T, error)) func(any) (any, error) {
	return func(v any) (any, error) { return convert(v) }
}

func stringType(t reflect.Type) bool { return t.Kind() == reflect.String }

func integerTypes(t reflect.Type) bool { return t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64 }

func numberTypes(t reflect.Type) bool { return integerTypes(t) || t.Kind() == reflect.Float64 }

func timeType(t reflect.Type) bool { return t == reflect.TypeFor[time.Time]() }

func sliceType(t reflect.Type) bool { return t.Kind() == reflect.Slice }

func isAnyOf(kinds ...func(reflect.Type) bool) func(reflect.Type) bool {
	return func(t reflect.Type) bool {
		for _, is := range kinds {
			if is(t) {
				return true
			}
		}
		return false
	}
}

func toUUID(v any) (uuid.UUID, error) {
	text, ok := v.(string)
	if !ok {
		return uuid.UUID{}, refuse("not a UUID", `%s is no UUID; derive one with uuid("a name for this kind of id", …)`, typeName(v))
	}
	// Of 38 characters google/uuid looks only at those between the first and the last.
	braced := len(text) != 38 || text[0] == '{' && text[37] == '}'
	if u, err := uuid.Parse(text); err == nil && braced {
		return u, nil
	}
	return uuid.UUID{}, refuse("not a UUID", `%s is not a UUID; derive one with uuid("a name for this kind of id", …)`, quote(text))
}

// The bounds of a time given as a number. Between them the ranges of seconds, milliseconds, microseconds and nanoseconds do
// not overlap, so that the unit is never guessed.
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
		t, err = parseTime(v)
	default:
		n, ok := number(v)
		if !ok {
			return t, refuse("not a time", "%s is no time", typeName(v))
		}
		t, err = epoch(n)
	}
	if y := t.UTC().Year(); err == nil && (y < 0 || y > 9999) {
		err = refuse("not a time", "the year %d has no four digits", y)
	}
	return t.UTC().Truncate(time.Millisecond), err
}

// javaTime is RFC 3339 but for the offset, which Java's Z writes as +0100.
const javaTime = "2006-01-02T15:04:05Z0700"

// commonLayouts are others of which one cannot be taken for another.
var commonLayouts = [...]string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04", "2006-01-02T15:04",
	"2006-01-02", "02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006", time.RFC1123, time.RFC1123Z,
}

func parseTime(text string) (time.Time, error) {
	if n, ok := digits(text); ok {
		return epoch(n)
	}
	for _, layout := range [...]string{time.RFC3339, javaTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	meant := commonLayouts[0]
	for _, layout := range commonLayouts {
		if _, err := time.Parse(layout, text); err == nil {
			meant = layout
			break
		}
	}
	return time.Time{}, refuse("not a time", "%s is not an RFC 3339 time; give the layout: time(…, %q)", quote(text), meant)
}

// epoch returns the time that a number of seconds, milliseconds, microseconds or nanoseconds since 1970 stands for.
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
	return time.Time{}, refuse("not a time", "a number (%v) is no time between 2000 and 2100 in s, ms, µs or ns", n)
}

func toCount(v any) (int64, error) {
	if text, ok := v.(string); ok {
		if n, err := strconv.ParseUint(text, 10, 63); err == nil {
			return int64(n), nil
		}
		return 0, refuse("not a count", "%s is no whole number of 0 or more", quote(text))
	}
	n, ok := number(v)
	if !ok {
		return 0, refuse("not a count", "%s is no whole number", typeName(v))
	}
	if f, ok := n.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		n = int64(f)
	}
	if i, ok := n.(int64); ok && i >= 0 {
		return i, nil
	}
	return 0, refuse("not a count", "%v is no whole number of 0 or more", n)
}

// toContent gives text as it is, anything else as its JSON text.
func toContent(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	b, err := appendJSON(nil, v)
	return string(b), err
}

func toText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v.String(), nil
		}
	}
	if n, ok := number(v); ok {
		if i, ok := n.(int64); ok {
			return strconv.FormatInt(i, 10), nil
		}
		return "", refuse("not text", "%v has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant", v)
	}
	return "", refuse("not text", "%s is no text", typeName(v))
}

// number returns v as an int64 or a float64; false when it is no number. What neither holds exactly becomes a float64.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return v, true
	case json.Number:
		f, _ := v.Float64() // out of range: infinite
		return f, true
	}
	return nil, false
}

// digits returns the number that the text consists of.
func digits(text string) (any, bool) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return nil, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// An enumeration is a closed set of texts, taken in any letter case and sent in the document's.
type enumeration []string

var (
	deliveryStates = enumeration{"PENDING", "FAILED", "DELIVERED"}
	senderTypes    = enumeration{"source_contact", "source_user", "app_user"}
)

func (e enumeration) String() string { return strings.Join(e, ", ") }

func (e enumeration) convert(v any) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", refuse("not one of the values", "%s is not one of %s", typeName(v), e)
	}
	for _, value := range e {
		if strings.EqualFold(text, value) {
			return value, nil
		}
	}
	meant := ""
	if near := source.Nearest(text, e); near != "" {
		meant = fmt.Sprintf("; did you mean %s?", near)
	}
	return "", refuse("not one of the values", "%s is not one of %s%s", quote(text), e, meant)
}
