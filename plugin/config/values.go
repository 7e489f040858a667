package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

const redacted = "***"

// A Secret is text that prints as "***", however it is printed, logged or encoded. Convert it to
// string for its value.
type Secret string

// String returns "***".
func (Secret) String() string { return redacted }

// GoString returns "***".
func (Secret) GoString() string { return redacted }

// Format writes "***" for every verb, also for those that do not fit a string.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "***" in quotes.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Bytes is an amount of memory or storage.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// units are the sizes that can be written, larger ones first where String prefers them.
var units = []struct {
	name string
	size Bytes
}{
	{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// String returns b as it is written in config.yaml: 256MiB.
func (b Bytes) String() string {
	for _, u := range units {
		if b >= u.size && b%u.size == 0 && (u.size == 1 || strings.HasSuffix(u.name, "iB")) {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return "0B"
}

// format returns a setting's value as it is written in config.yaml; "" for none.
func format(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return formatDuration(v)
	case slog.Level:
		return strings.ToLower(v.String())
	case []*url.URL:
		return list(v, (*url.URL).String)
	case []string:
		return list(v, func(s string) string { return s })
	case []Secret:
		return list(v, Secret.String)
	case []netip.Prefix:
		return list(v, netip.Prefix.String)
	case []auth.RequiredClaim:
		return list(v, func(r auth.RequiredClaim) string { return r.Name + "=" + r.Value })
	case Secret:
		if v == "" {
			return ""
		}
	}
	return fmt.Sprint(value)
}

func list[T any](values []T, text func(T) string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = text(v)
	}
	return strings.Join(texts, ", ")
}

// formatDuration returns d without the zero minutes and seconds that time.Duration prints.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseBytes(text string) (Bytes, error) {
	digits := strings.TrimRight(text, "kKMGTiB ")
	unit := strings.TrimSpace(text[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, refuseValue("write it like 256MiB, 64KiB or 1GB", text, " is not a size")
	}
	if unit == "" {
		unit = "B"
	}
	for _, u := range units {
		if strings.EqualFold(u.name, unit) {
			if n > int64(maxBytes/u.size) || n < -int64(maxBytes/u.size) {
				return 0, refuseValue("", text, " is too large a size")
			}
			return Bytes(n) * u.size, nil
		}
	}
	hint := "write it like 256MiB, 64KiB or 1GB"
	if strings.Contains("KMGT", strings.ToUpper(unit)) {
		hint = fmt.Sprintf("write %s%siB", digits, strings.ToUpper(unit))
	}
	return 0, refuseValue(hint, text, " is not a size")
}

const maxBytes = Bytes(1<<63 - 1)

func parseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	if text != "" && strings.Trim(text, "0123456789.") == "" {
		return 0, refuseValue("write it with one: 15s for seconds, 15m for minutes", text, " is a duration without a unit")
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if _, err := strconv.ParseUint(days, 10, 32); err == nil {
			return 0, refuseValue("write hours: 24h for a day", text, ": a day is no unit here, as it is not always 24 hours")
		}
	}
	return 0, refuseValue("write it like 15s, 5m, 24h or 1h30m", text, " is not a duration")
}

// A refusal is why a value is not taken, and what to write instead. It can be told without the
// value, which may be a secret in the wrong place.
type refusal struct {
	value         string // that the message goes on from, if shows
	shows         bool
	message, hint string
	offset, width int // of what is meant in the value, in characters; no width: all of it
}

// refuse is a refusal whose message does not show the value.
func refuse(hint, format string, args ...any) *refusal {
	return &refusal{message: fmt.Sprintf(format, args...), hint: hint}
}

// refuseValue is a refusal of the value that the format goes on from: " is not a size".
func refuseValue(hint, value, format string, args ...any) *refusal {
	r := refuse(hint, format, args...)
	r.value, r.shows = value, true
	return r
}

func (r *refusal) Error() string {
	if r.shows {
		return strconv.Quote(r.value) + r.message
	}
	return r.message
}

// hidden returns the refusal without the value.
func (r *refusal) hidden() *refusal {
	if !r.shows {
		return r
	}
	return refuse(r.hint, "%s%s", redacted, r.message)
}
