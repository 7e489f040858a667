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

// recordsKept begins the names of the records below: one for each letter.
const recordsKept = "refused/"

// Bounds of the dead letters that were refused and are kept.
const (
	maxKept      = 1000
	maxKeptBytes = 16 << 20 // of their payloads
)

// keptLetters are the newest dead letters that the broker has refused, kept in the store as
// records. It is safe for concurrent use.
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

// name is that of the letter's record; the names are in the order of the letters.
func (l keptLetter) name() string { return fmt.Sprintf("%s%016x", recordsKept, l.number) }

// newKeptLetters reads what an earlier Committer has kept in the store.
func newKeptLetters(store Store) (*keptLetters, error) {
	k := &keptLetters{store: store}
	err := store.Records(recordsKept, func(r journal.Record) bool {
		l := keptLetter{}
		if _, err := fmt.Sscanf(strings.TrimPrefix(r.Name, recordsKept), "%x", &l.number); err != nil {
			return true
		}
		if json.Unmarshal(r.Value, &l.message) == nil {
			k.letters = append(k.letters, l)
			k.bytes += len(l.message.Payload)
			k.next = max(k.next, l.number+1)
		}
		return true
	})
	slices.SortFunc(k.letters, func(a, b keptLetter) int { return cmp.Compare(a.number, b.number) })
	return k, err
}

// add keeps a message; the oldest make room. first tells that nothing was kept before. The error
// says that the message is kept in memory alone.
func (k *keptLetters) add(ctx context.Context, m mqtt.Message) (first bool, err error) {
	k.mu.Lock()
	l := keptLetter{k.next, m}
	k.next++
	k.total++
	first = len(k.letters) == 0
	k.letters = append(k.letters, l)
	k.bytes += len(m.Payload)
	var room []string // names
	for len(k.letters) > maxKept || k.bytes > maxKeptBytes && len(k.letters) > 1 {
		room = append(room, k.letters[0].name())
		k.removeLocked(0)
	}
	k.mu.Unlock()

	value, err := json.Marshal(m)
	if err != nil {
		return first, err
	}
	return first, k.store.Append(ctx, journal.Batch{Drop: room, Records: []journal.Record{{Name: l.name(), Value: value}}})
}

func (k *keptLetters) removeLocked(i int) {
	k.bytes -= len(k.letters[i].message.Payload)
	k.letters = slices.Delete(k.letters, i, i+1)
}

// toOffer returns the oldest letter from that number on, and behind the newest the oldest of all.
func (k *keptLetters) toOffer(from uint64) (l keptLetter, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.letters) == 0 {
		return l, false
	}
	i := slices.IndexFunc(k.letters, func(x keptLetter) bool { return x.number >= from })
	return k.letters[max(i, 0)], true
}

// drop forgets a letter that the broker has taken.
func (k *keptLetters) drop(ctx context.Context, l keptLetter) error {
	k.mu.Lock()
	if i := slices.IndexFunc(k.letters, func(x keptLetter) bool { return x.number == l.number }); i >= 0 {
		k.removeLocked(i)
	}
	k.mu.Unlock()
	return k.store.Append(ctx, journal.Batch{Drop: []string{l.name()}})
}

// counts returns how many were refused since the process began, and how many are kept.
func (k *keptLetters) counts() (total int64, kept int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.total, len(k.letters)
}
