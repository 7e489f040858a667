package operators

import (
	"log/slog"
	"sync"
	"time"
)

// refusals logs that somebody was not let in: at most one line a second, as strangers could fill
// the log.
type refusals struct {
	logger *slog.Logger

	mu      sync.Mutex
	last    time.Time
	skipped int
}

// log logs why; never who it was said to be, since people type passwords into the wrong field.
func (l *refusals) log(remote string, why error) {
	l.mu.Lock()
	now := time.Now()
	if now.Sub(l.last) < time.Second {
		l.skipped++
		l.mu.Unlock()
		return
	}
	skipped := l.skipped
	l.last, l.skipped = now, 0
	l.mu.Unlock()
	l.logger.Warn("operator refused", "remote", remote, "reason", why.Error(), "not_logged", skipped)
}
