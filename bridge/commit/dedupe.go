package commit

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
)

// recordsDedupe begins the names of the marks below: one for each key within its window.
const recordsDedupe = "dedupe/"

// maxWindows is how many keys are remembered at the most, in the log too; beyond it some are forgotten early.
const maxWindows = 200_000

// minWindows is how many are remembered before it is worth the while to look for windows that have ended.
const minWindows = 1000

// dedupe knows the keys that rules with dedupe have mapped within their windows. It is not safe for concurrent use.
type dedupe struct {
	ends map[string]time.Time // mark's name -> end of the window; some have ended
	full int                  // how many ends make it look for those
}

// newDedupe reads what an earlier process has left in the log.
func newDedupe(store Store) (*dedupe, error) {
	r := &dedupe{ends: map[string]time.Time{}, full: minWindows}
	err := store.Records(recordsDedupe, func(m journal.Record) bool {
		r.ends[m.Name] = m.Expires
		return len(r.ends) < maxWindows
	})
	return r, err
}

// seen reports whether the output's key was mapped within its window before the given time; an output without one never was.
// Otherwise it begins a window, whose mark, the last of those returned, is to be committed with the output.
func (r *dedupe) seen(o mapping.Output, now time.Time) (duplicate bool, marks []journal.Record) {
	if o.DedupeKey == "" {
		return false, nil
	}
	sum := sha256.Sum256([]byte(o.Rule + "\x00" + o.DedupeKey))
	name := recordsDedupe + hex.EncodeToString(sum[:16])
	// A window that ends later than one that begins now does is from before the clock was set back.
	if end, ok := r.ends[name]; ok && now.Before(end) && end.Sub(now) <= o.DedupeWindow {
		return true, nil
	}
	if len(r.ends) >= r.full {
		marks = r.makeRoom(now)
	}
	end := now.Add(o.DedupeWindow)
	r.ends[name] = end
	return false, append(marks, journal.Record{Name: name, Expires: end})
}

// makeRoom forgets the windows that have ended, and if too many are left, others: dropping nothing is the safe side. It returns
// the marks by which the log forgets those, too, as they have expired long ago; the ones that have ended it forgets by itself.
func (r *dedupe) makeRoom(now time.Time) (forgotten []journal.Record) {
	maps.DeleteFunc(r.ends, func(_ string, end time.Time) bool { return !now.Before(end) })
	room := 0
	if len(r.ends) >= maxWindows {
		room = maxWindows / 10
	}
	for name := range r.ends {
		if len(forgotten) == room {
			break
		}
		delete(r.ends, name)
		forgotten = append(forgotten, journal.Record{Name: name, Expires: time.Unix(0, 0)})
	}
	r.full = min(maxWindows, max(minWindows, 2*len(r.ends)))
	return forgotten
}
