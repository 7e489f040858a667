package disk

import (
	"log/slog"
	"time"
)

const progressEvery = 2 * time.Second

// A progress says in the log, every now and then, how far something is that takes long.
type progress struct {
	logger *slog.Logger
	now    func() time.Time
	what   string
	last   time.Time // of the last line, or when it began
	calls  int
}

func (l *Log) newProgress(what string) *progress {
	return &progress{logger: l.logger, now: l.now, what: what, last: l.now()}
}

// due is called often, and reports whether it is time for a line.
func (p *progress) due() bool {
	if p.calls++; p.calls%1024 != 0 || p.now().Sub(p.last) < progressEvery {
		return false
	}
	p.last = p.now()
	return true
}

// at writes the line: so much is done of the whole, and where that is.
func (p *progress) at(done, of uint64, where ...any) {
	p.logger.Info(p.what, append([]any{"percent", done * 100 / max(of, 1)}, where...)...)
}
