package commit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// recordsKept begins the names of the marks below: one for each letter.
const recordsKept = "refused/"

// Bounds of the dead letters that were refused and are kept.
const (
	maxKept      = 1000
	maxKeptBytes = 16 << 20 // of their payloads
)

// keptLetters are the newest dead letters that the broker has refused, kept in the journal as marks. It is safe for
// concurrent use.
type keptLetters struct {
	store Store

	mu      sync.Mutex
	letters []keptLetter // oldest first
	bytes   int
	next    uint64 // number of the next letter
	total   int64
}

// A keptLetter is one of them.
type keptLetter struct {
	number  uint64
	message mqtt.Message
}

// name is the letter's mark, in an order that is the letters'.
func (l keptLetter) name() string { return fmt.Sprintf("%s%016x", recordsKept, l.number) }

// newKeptLetters reads what an earlier process has kept in the log.
func newKeptLetters(store Store) (*keptLetters, error) {
	r := &keptLetters{store: store}
	err := store.Records(recordsKept, func(m journal.Record) bool {
		l := keptLetter{}
		if _, err := fmt.Sscanf(strings.TrimPrefix(m.Name, recordsKept), "%x", &l.number); err != nil {
			return true
		}
		if json.Unmarshal(m.Value, &l.message) == nil {
			r.letters = append(r.letters, l)
			r.bytes += len(l.message.Payload)
			r.next = max(r.next, l.number+1)
		}
		return true
	})
	slices.SortFunc(r.letters, func(a, b keptLetter) int { return cmp.Compare(a.number, b.number) })
	return r, err
}

// add keeps a message; the oldest make room. first tells that nothing was kept before. The error says that the message is
// kept in memory alone.
func (r *keptLetters) add(ctx context.Context, m mqtt.Message) (first bool, err error) {
	r.mu.Lock()
	l := keptLetter{r.next, m}
	r.next++
	r.total++
	first = len(r.letters) == 0
	r.letters = append(r.letters, l)
	r.bytes += len(m.Payload)
	var room []string // names
	for len(r.letters) > maxKept || r.bytes > maxKeptBytes && len(r.letters) > 1 {
		room = append(room, r.letters[0].name())
		r.removeLocked(0)
	}
	r.mu.Unlock()

	value, err := json.Marshal(m)
	if err != nil {
		return first, err
	}
	return first, r.store.Append(ctx, journal.Batch{Drop: room, Records: []journal.Record{{Name: l.name(), Value: value}}})
}

func (r *keptLetters) removeLocked(i int) {
	r.bytes -= len(r.letters[i].message.Payload)
	r.letters = slices.Delete(r.letters, i, i+1)
}

// toOffer returns the oldest letter from that number on, and behind the newest the oldest of all.
func (r *keptLetters) toOffer(from uint64) (l keptLetter, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.letters) == 0 {
		return l, false
	}
	i := slices.IndexFunc(r.letters, func(x keptLetter) bool { return x.number >= from })
	return r.letters[max(i, 0)], true
}

// drop forgets a letter that the broker has taken.
func (r *keptLetters) drop(ctx context.Context, l keptLetter) error {
	r.mu.Lock()
	if i := slices.IndexFunc(r.letters, func(x keptLetter) bool { return x.number == l.number }); i >= 0 {
		r.removeLocked(i)
	}
	r.mu.Unlock()
	return r.store.Append(ctx, journal.Batch{Drop: []string{l.name()}})
}

// counts returns how many were refused since the process began, and how many are kept.
func (r *keptLetters) counts() (total int64, kept int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total, len(r.letters)
}
