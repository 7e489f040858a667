package disk

import (
	"log/slog"
	"time"
)

const progressEvery = 2 * time.Second

// A progress says in the log, every now and then, how far something is that takes long.
type progress struct {
	logger      *slog.Logger
	what        string
	start, last time.Time
	calls       int
}

func newProgress(logger *slog.Logger, what string) progress {
	now := time.Now()
	return progress{logger: logger, what: what, start: now, last: now}
}

// at is called often.
func (p *progress) at(done, of uint64) {
	if p.calls++; p.calls%1024 != 0 || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	p.logger.Info(p.what, "percent", done*100/of)
}

func (p *progress) report() {
	p.logger.Info(p.what, "for", time.Since(p.start).Round(time.Second))
}
