package contract

import (
	"time"

	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

func toTime(v any) (time.Time, error) {
	t, err := instant.Of(v)
	if y := t.UTC().Year(); err == nil && (y < 0 || y > 9999) {
		err = value.Refuse("not a time", "the year %d does not have four digits", y)
	}
	return t.UTC().Truncate(time.Millisecond), err
}
