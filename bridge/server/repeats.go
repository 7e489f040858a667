package server

import (
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// A repeated end: a client that takes no message of that size, or cannot handle one, ends its
// session, connects again, resumes and gets the same message again, for ever. Neither side's log
// tells that, unless somebody counts.

const (
	endsToTell = 3           // ends after the same message that are said
	soon       = time.Minute // how soon after its beginning a session must end to count
	maxPlaces  = 1000        // of which ends are counted at a time
)

// A place is where a client has resumed.
type place struct{ user, queue, messageID string }

// placeCounts counts ends by place. The zero value is ready to use.
type placeCounts struct {
	mu   sync.Mutex
	ends map[place]int
}

// add counts an end, and returns how many there were.
func (p *placeCounts) add(at place) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ends) >= maxPlaces || p.ends == nil {
		p.ends = map[place]int{}
	}
	p.ends[at]++
	return p.ends[at]
}

// countRepeats says once that the client has ended its session several times after the same
// message. It is called when nothing is written any more.
func (x *session) countRepeats() {
	e := x.ended.Load()
	byClient := e.closed != nil || e.cause == causeLost || e.cause == causeWriteTimeout
	if !byClient || time.Since(time.Unix(x.since, 0)) > soon {
		return
	}
	for _, s := range x.subs {
		if s.resumed == nil || s.resumed.Position == 0 || s.cursor.Position() <= s.resumed.Position {
			continue // it comes back for nothing: it began at the beginning, or nothing came after that message
		}
		id := s.resumed.Epoch + "-" + strconv.FormatUint(s.resumed.Position, 10)
		if x.server.repeats.add(place{x.user(), s.queue, id}) == endsToTell {
			x.log(slog.LevelWarn, "a client ends its session after the same message again and again", "user", x.user(), "queue", s.queue,
				"after", id, "times", endsToTell, "hint", "it may not take or not handle the message that comes next: see its own log for why, "+
					"and server.limits.message if that is too large")
		}
	}
}
