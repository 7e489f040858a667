package memory_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/memory"
)

// A model is what a Store promises, written as simply as can be.
type model struct {
	settings map[string]memory.Settings // also of memories that are no longer named
	named    map[string]bool
	keys     map[modelKey]modelValue
	windows  map[string]time.Time // rule and key -> end
	evicted  map[string]int64
	expired  map[string]int64
}

type modelKey struct{ memory, key string }

type modelValue struct {
	text    string
	written time.Time
}

func newModel() *model {
	return &model{settings: map[string]memory.Settings{}, keys: map[modelKey]modelValue{}, windows: map[string]time.Time{},
		evicted: map[string]int64{}, expired: map[string]int64{}}
}

func (m *model) clone() *model {
	return &model{settings: maps.Clone(m.settings), named: maps.Clone(m.named), keys: maps.Clone(m.keys),
		windows: maps.Clone(m.windows), evicted: maps.Clone(m.evicted), expired: maps.Clone(m.expired)}
}

func (m *model) configure(settings []memory.Settings) {
	m.named = map[string]bool{}
	for _, s := range settings {
		m.settings[s.Name], m.named[s.Name] = s, true
	}
	for name := range m.settings {
		if !m.named[name] && len(m.of(name)) == 0 {
			delete(m.settings, name)
			delete(m.evicted, name)
			delete(m.expired, name)
		}
	}
}

// of returns the keys of a memory, those written longest ago first.
func (m *model) of(name string) []modelKey {
	found := slices.DeleteFunc(slices.Collect(maps.Keys(m.keys)), func(k modelKey) bool { return k.memory != name })
	slices.SortFunc(found, func(a, b modelKey) int {
		return cmp.Or(m.keys[a].written.Compare(m.keys[b].written), cmp.Compare(a.key, b.key))
	})
	return found
}

func (m *model) ends(k modelKey) time.Time { return m.keys[k].written.Add(m.settings[k.memory].For) }

func (m *model) recall(name, key string, now time.Time) (string, bool) {
	k := modelKey{name, key}
	v, ok := m.keys[k]
	if !ok || !now.Before(m.ends(k)) {
		return "", false
	}
	return v.text, true
}

// due returns the keys whose time is up in the order in which it was.
func (m *model) due(now time.Time) (due []memory.Expired) {
	for k, v := range m.keys {
		if end := m.ends(k); !now.Before(end) {
			due = append(due, memory.Expired{Memory: k.memory, Key: k.key, Text: v.text, At: end})
		}
	}
	slices.SortFunc(due, func(a, b memory.Expired) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Memory, b.Memory), cmp.Compare(a.Key, b.Key))
	})
	return due
}

func (m *model) bytes(name string) (sum int64) {
	for _, k := range m.of(name) {
		sum += int64(len(k.key) + len(m.keys[k].text))
	}
	return sum
}

func (m *model) evict() {
	for name := range m.named {
		for keys := m.of(name); len(keys) > m.settings[name].MaxKeys || m.bytes(name) > m.settings[name].MaxBytes; keys = keys[1:] {
			delete(m.keys, keys[0])
			m.evicted[name]++
		}
	}
}

func (m *model) counts() (counts []memory.Counts) {
	for _, name := range slices.Sorted(maps.Keys(m.settings)) {
		counts = append(counts, memory.Counts{Memory: name, Keys: len(m.of(name)), Bytes: m.bytes(name),
			Evicted: m.evicted[name], Expired: m.expired[name]})
	}
	return counts
}

// A trial is a Store beside its model, in a journal.
type trial struct {
	t       *testing.T
	rand    *rand.Rand
	now     time.Time
	latest  time.Time // that now has been
	store   *memory.Store
	model   *model
	journal map[string]memory.Record
}

// Whatever happens, in whatever order, with the clock set forward and back, reloads and restarts: a
// Store is what the model is.
func TestAgainstTheModel(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := &trial{t: t, rand: rand.New(rand.NewPCG(seed, 17)), now: noon, latest: noon, store: memory.New(), model: newModel(),
				journal: map[string]memory.Record{}}
			r.reload()
			for step := range 1000 {
				r.step()
				r.check()
				if t.Failed() {
					t.Fatalf("at step %d", step)
				}
			}
		})
	}
}

func (r *trial) step() {
	switch r.rand.IntN(100) {
	case 0:
		r.now = r.now.Add(time.Duration(r.rand.IntN(7200)-3600) * time.Second) // somebody sets the clock
	case 1, 2:
		r.reload()
	case 3, 4:
		r.restart()
	default:
		r.now = r.now.Add(time.Duration(r.rand.IntN(3)) * time.Second) // often two at one time
	}
	if r.now.After(r.latest) {
		r.latest = r.now
	}
	r.expire()
	r.event()
	r.evict()
}

func (r *trial) write(records []memory.Record) {
	for _, rec := range records {
		r.journal[rec.Name] = rec
		if rec.Expires.Equal(time.Unix(0, 0)) {
			delete(r.journal, rec.Name)
		}
	}
}

func (r *trial) reload() {
	var settings []memory.Settings
	for _, name := range []string{"a", "b", "c"} {
		if name == "a" || r.rand.IntN(3) > 0 {
			settings = append(settings, memory.Settings{Name: name, For: time.Duration(1+r.rand.IntN(60)) * time.Second,
				MaxKeys: 1 + r.rand.IntN(12), MaxBytes: int64(10 + r.rand.IntN(60))})
		}
	}
	r.write(r.store.Configure(settings))
	r.model.configure(settings)
}

// restart makes another Store of what the journal holds.
func (r *trial) restart() {
	r.store = memory.New()
	for _, rec := range r.journal { // in any order
		if rec.Expires.IsZero() || r.now.Before(rec.Expires) {
			r.store.Load(rec)
		}
	}
	var settings []memory.Settings
	for name := range r.model.named {
		settings = append(settings, r.model.settings[name])
	}
	r.write(r.store.Configure(settings))
	r.model.configure(settings)
	clear(r.model.evicted)
	clear(r.model.expired)
}

func (r *trial) expire() {
	for _, want := range r.model.due(r.now) {
		if at, ok := r.store.Next(); !ok || !at.Equal(want.At) {
			r.t.Errorf("next: got %v and %t, want %v", at, ok, want.At)
		}
		got, ok := r.store.Due(r.now)
		if !ok || !gocmp.Equal(got, want) {
			r.t.Fatalf("due: got %+v and %t, want %+v", got, ok, want)
		}
		tx := r.store.Begin(r.now)
		tx.Expire(got)
		r.write(tx.Records())
		tx.Commit()
		delete(r.model.keys, modelKey{want.Memory, want.Key})
		r.model.expired[want.Memory]++
	}
	if got, ok := r.store.Due(r.now); ok {
		r.t.Errorf("due: got %+v", got)
	}
}

// event has some rules read and change what they know of a few keys; now and then it comes to
// nothing.
func (r *trial) event() {
	tx, model := r.store.Begin(r.now), r.model.clone()
	for range 1 + r.rand.IntN(2)*r.rand.IntN(15) {
		var changes []memory.Change
		for range r.rand.IntN(3) {
			changes = append(changes, r.change(model))
		}
		r.read(tx, model)
		tx.Apply(changes)
		for _, c := range changes {
			k := modelKey{c.Memory, c.Key}
			model.keys[k] = modelValue{c.Text, r.now}
			if c.Forget {
				delete(model.keys, k)
			}
		}
		r.dedupe(tx, model)
		r.read(tx, model)
	}
	if r.rand.IntN(4) == 0 {
		return
	}
	r.write(tx.Records())
	tx.Commit()
	r.model = model
}

func (r *trial) change(model *model) memory.Change {
	names := slices.Sorted(maps.Keys(model.named))
	c := memory.Change{Memory: names[r.rand.IntN(len(names))], Key: fmt.Sprint("k/", r.rand.IntN(15))}
	if r.rand.IntN(4) == 0 {
		c.Forget = true
		return c
	}
	c.Text = strings.Repeat("1", 1+r.rand.IntN(20))
	return c
}

func (r *trial) read(tx *memory.Tx, model *model) {
	name, key := string(rune('a'+r.rand.IntN(4))), fmt.Sprint("k/", r.rand.IntN(15))
	want, there := model.recall(name, key, r.now)
	if got, ok := tx.Recall(name, key); got != want || ok != there {
		r.t.Errorf("recall %s[%s]: got %q and %t, want %q and %t", name, key, got, ok, want, there)
	}
}

// dedupe asks for a key unless its window had ended before the clock was set back: then the Store
// may know it or not.
func (r *trial) dedupe(tx *memory.Tx, model *model) {
	key := fmt.Sprint(r.rand.IntN(10))
	window := time.Duration(1+r.rand.IntN(20)) * time.Second
	end, had := model.windows[key]
	if had && !r.latest.Before(end) && r.now.Before(end) {
		return
	}
	want := had && r.now.Before(end) && end.Sub(r.now) <= window
	if got := tx.Repeats("rule", key, window); got != want {
		r.t.Errorf("repeats %s: got %t", key, got)
	}
	if !want {
		tx.Note("rule", key, window)
		model.windows[key] = r.now.Add(window)
	}
}

func (r *trial) evict() {
	for {
		records := r.store.Evict(1 + r.rand.IntN(3))
		if len(records) == 0 {
			break
		}
		r.write(records)
	}
	r.model.evict()
}

func (r *trial) check() {
	if diff := gocmp.Diff(r.model.counts(), r.store.Counts()); diff != "" {
		r.t.Errorf("counts (-want +got):\n%s", diff)
	}
	for name, settings := range r.model.settings {
		if got, named := r.store.Settings(name); got.For != settings.For || named != r.model.named[name] {
			r.t.Errorf("settings of %s: got %+v and %t", name, got, named)
		}
		want := []memory.Key{}
		for _, k := range r.model.of(name) {
			v := r.model.keys[k]
			want = append(want, memory.Key{Key: k.key, Text: v.text, Written: v.written, Ends: r.model.ends(k)})
		}
		slices.SortFunc(want, func(a, b memory.Key) int { return cmp.Compare(a.Key, b.Key) })
		if diff := gocmp.Diff(want, append([]memory.Key{}, r.store.Page(name, "", math.MaxInt)...)); diff != "" {
			r.t.Errorf("memory %s (-want +got):\n%s", name, diff)
		}
	}
	for name := range r.journal { // and the journal keeps nothing else
		if place, ok := strings.CutPrefix(name, "memory/"); ok {
			m, key, _ := strings.Cut(place, "/")
			if _, ok := r.model.keys[modelKey{m, key}]; !ok {
				r.t.Errorf("the journal keeps %s", name)
			}
		}
	}
}
