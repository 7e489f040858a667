package commit

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
)

// recordsDedupe begins the names of the records below: one for each key within its window.
const recordsDedupe = "dedupe/"

// maxWindows is how many keys are remembered at the most, in the log too; beyond it some are
// forgotten early.
const maxWindows = 200_000

// minWindows is how many are remembered before it is worth looking for windows that have ended.
const minWindows = 1000

// dedupe knows the keys that rules with dedupe have mapped within their windows. It is not safe for
// concurrent use.
type dedupe struct {
	ends map[string]time.Time // record's name -> end of the window; some have ended
	full int                  // how many make it look for those
}

// newDedupe reads what an earlier Committer has left in the store.
func newDedupe(store Store) (*dedupe, error) {
	d := &dedupe{ends: map[string]time.Time{}, full: minWindows}
	err := store.Records(recordsDedupe, func(r journal.Record) bool {
		d.ends[r.Name] = r.Expires
		return len(d.ends) < maxWindows
	})
	return d, err
}

// seen reports whether the output's key was mapped within its window before the given time; an
// output without one never was. Otherwise it begins a window, whose record, the last of those
// returned, is to be committed with the output.
func (d *dedupe) seen(o mapping.Output, now time.Time) (duplicate bool, records []journal.Record) {
	if o.DedupeKey == "" {
		return false, nil
	}
	sum := sha256.Sum256([]byte(o.Rule + "\x00" + o.DedupeKey))
	name := recordsDedupe + hex.EncodeToString(sum[:16])
	// A window that ends later than one that begins now does is from before the clock was set back.
	if end, ok := d.ends[name]; ok && now.Before(end) && end.Sub(now) <= o.DedupeWindow {
		return true, nil
	}
	if len(d.ends) >= d.full {
		records = d.makeRoom(now)
	}
	end := now.Add(o.DedupeWindow)
	d.ends[name] = end
	return false, append(records, journal.Record{Name: name, Expires: end})
}

// makeRoom drops expired windows, then arbitrary live ones if the table is still full: forgetting a
// key can only let a duplicate through. It returns already-expired records for the live ones, so
// that the log drops them too; of those that have expired it does so by itself.
func (d *dedupe) makeRoom(now time.Time) (forgotten []journal.Record) {
	maps.DeleteFunc(d.ends, func(_ string, end time.Time) bool { return !now.Before(end) })
	room := 0
	if len(d.ends) >= maxWindows {
		room = maxWindows / 10
	}
	for name := range d.ends {
		if len(forgotten) == room {
			break
		}
		delete(d.ends, name)
		forgotten = append(forgotten, journal.Record{Name: name, Expires: time.Unix(0, 0)})
	}
	d.full = min(maxWindows, max(minWindows, 2*len(d.ends)))
	return forgotten
}
