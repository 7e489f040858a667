package commit

import (
	"log/slog"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
)

// evictionPause is the time between two lines about one memory.
const evictionPause = time.Minute

// evictions say that memories are full. The zero value is ready to use.
type evictions struct {
	said map[string]saidEvictions // memory -> its last line
}

type saidEvictions struct {
	at    time.Time
	count int64
}

// say says of each memory how many keys a bound has taken since its last line, unless that was just
// now.
func (v *evictions) say(logger *slog.Logger, counts []memory.Counts) {
	now := time.Now()
	for _, c := range counts {
		last, ok := v.said[c.Memory]
		if c.Evicted == last.count || ok && now.Sub(last.at) < evictionPause {
			continue
		}
		logger.Warn("a memory is full, and those of its keys that were written longest ago are forgotten", "memory", c.Memory,
			"evicted", c.Evicted-last.count, "keys", c.Keys, "bytes", c.Bytes,
			"hint", "raise max_keys or max_bytes of the memory, or shorten its for")
		if v.said == nil {
			v.said = map[string]saidEvictions{}
		}
		v.said[c.Memory] = saidEvictions{now, c.Evicted}
	}
}
