package jetstream

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// An index finds the newest entry per key. While the stream is read, entries come in any order of
// positions, and it answers get alone.
type index struct {
	newest  *retention.Newest
	loading map[string]queued // by key; nil: all is loaded
}

// A queued item is one with its queue.
type queued struct {
	queue string
	item  retention.Item
}

func newIndex() index { return index{newest: retention.NewNewest(), loading: map[string]queued{}} }

// loaded ends the time of loading.
func (x *index) loaded() {
	byPosition := func(a, b queued) int { return cmp.Compare(a.item.Position, b.item.Position) }
	for _, q := range slices.SortedFunc(maps.Values(x.loading), byPosition) {
		x.newest.Put(q.queue, q.item)
	}
	x.loading = nil
}

func (x *index) get(key string) (retention.Item, bool) {
	if x.loading != nil {
		q, ok := x.loading[key]
		return q.item, ok
	}
	return x.newest.Get(key)
}

func (x *index) put(queue string, it retention.Item) {
	if x.loading != nil {
		x.loading[it.Key] = queued{queue, it}
		return
	}
	x.newest.Put(queue, it)
}

func (x *index) remove(key string) {
	if x.loading != nil {
		delete(x.loading, key)
		return
	}
	x.newest.Remove(key)
}

func (x *index) restamp(at func(retention.Item) time.Duration) {
	for key, q := range x.loading {
		q.item.AppendedAt = at(q.item)
		x.loading[key] = q
	}
	x.newest.Restamp(at)
}
