package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/mapping/value"
)

// functions are for the templates.
var functions = template.FuncMap{
	"count":    count,
	"many":     many,
	"short":    short,
	"total":    total,
	"bytes":    size,
	"rate":     rate,
	"duration": duration,
	"lasting":  lasting,
	"query":    func(name, value string) template.URL { return template.URL(url.Values{name: {value}}.Encode()) },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"at":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"pretty":   pretty,
	"topic":    brief,
	"millis":   func(t time.Time) string { return t.UTC().Format(".000") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
}

// shownTopic is how many bytes lists show of a topic; MQTT has topics of up to 64 KiB.
const shownTopic = 200

// brief writes a topic where there are many.
func brief(topic string) string {
	if len(topic) <= shownTopic {
		return topic
	}
	return topic[:wholeCharacters(topic, shownTopic)] + "…"
}

// wholeCharacters returns how many of the first n bytes, which are not all, are whole characters.
func wholeCharacters(text string, n int) int {
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// count writes a figure with its thousands apart. The pages' scripts write it in the same way.
func count(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// short writes a figure where there is little room: from 100,000 on in thousands and millions.
func short(n any) string {
	var x float64
	switch n := n.(type) {
	case int64:
		x = float64(n)
	case int:
		x = float64(n)
	}
	switch {
	case x >= 99_950_000:
		return fmt.Sprintf("%.0fM", x/1e6)
	case x >= 999_500:
		return fmt.Sprintf("%.1fM", x/1e6)
	case x >= 100_000:
		return fmt.Sprintf("%.0fk", x/1e3)
	}
	return count(n)
}

// many writes a count of things that are more than one with an s.
func many(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}

// total is for how many subscriptions the tally is.
func total(tally []explain.Tally) (n int) {
	for _, t := range tally {
		n += t.Count
	}
	return n
}

// size writes a number of bytes.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	x, i := float64(n), 0
	for x >= 1024 && i < len(units)-1 {
		x /= 1024
		i++
	}
	if i == 0 || x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64) + " " + units[i]
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") + " " + units[i]
}

// maxWider is how many times longer a text may become that is written on lines of its own.
const maxWider = 10

// pretty writes JSON on lines of its own; as it is, what is none, or nests so deep that it would
// become mostly indentation.
func pretty(text any) string {
	var in []byte
	switch text := text.(type) {
	case json.RawMessage:
		in = text
	case string:
		in = []byte(text)
	}
	var out bytes.Buffer
	if value.CheckDepth(string(in)) != nil || json.Indent(&out, in, "", "  ") != nil || out.Len() > maxWider*len(in) {
		return string(in)
	}
	return out.String()
}

// rate writes a figure a second: with one digit behind the point below 10.
func rate(x float64) string {
	if x < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
	}
	return count(int64(math.Round(x)))
}

// duration writes seconds; 0 is no duration at all.
func duration(seconds float64) string {
	if seconds == 0 {
		return "–"
	}
	x, unit := seconds, " s"
	if seconds < 1 {
		x, unit = seconds*1000, " ms"
	}
	return rate(x) + unit
}

// lasting writes a duration in the units that a person takes.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return many(int(d/day), "day")
	case d >= 2*day:
		return many(int(d/day), "day") + " " + lasting(d%day)
	}
	text := d.Round(time.Second).String()
	if minutes, ok := strings.CutSuffix(text, "m0s"); ok {
		text = minutes + "m"
	}
	if hours, ok := strings.CutSuffix(text, "h0m"); ok {
		text = hours + "h"
	}
	return text
}
