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
		return 0, refuse("write it like 256MiB, 64KiB or 1GB", "%q is not a size", text)
	}
	if unit == "" {
		unit = "B"
	}
	for _, u := range units {
		if strings.EqualFold(u.name, unit) {
			if n > int64(maxBytes/u.size) || n < -int64(maxBytes/u.size) {
				return 0, refuse("", "%q is too large a size", text)
			}
			return Bytes(n) * u.size, nil
		}
	}
	hint := "write it like 256MiB, 64KiB or 1GB"
	if strings.Contains("KMGT", strings.ToUpper(unit)) {
		hint = fmt.Sprintf("write %s%siB", digits, strings.ToUpper(unit))
	}
	return 0, refuse(hint, "%q is not a size", text)
}

const maxBytes = Bytes(1<<63 - 1)

func parseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	if text != "" && strings.Trim(text, "0123456789.") == "" {
		return 0, refuse(fmt.Sprintf("write %ss for seconds, %sm for minutes", text, text), "%q is a duration without a unit", text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n < 1e6 {
			return 0, refuse(fmt.Sprintf("write %dh", 24*n), "%q: a day is no unit here, as it is not always 24 hours", text)
		}
	}
	return 0, refuse("write it like 15s, 5m, 24h or 1h30m", "%q is not a duration", text)
}

// A refusal is why a value is not taken, and what to write instead.
type refusal struct {
	message, hint string
}

func (r *refusal) Error() string { return r.message }

func refuse(hint, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), hint}
}
