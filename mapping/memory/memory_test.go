package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/memory"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// newStore returns a Store with one memory, m.
func newStore(m memory.Settings) *memory.Store {
	m.Name = "m"
	s := memory.New()
	s.Configure([]memory.Settings{m})
	return s
}

// remember makes one event remember the text under the keys of m.
func remember(s *memory.Store, at time.Time, text string, keys ...string) {
	tx := s.Begin(at)
	for _, k := range keys {
		tx.Apply([]memory.Change{{Memory: "m", Key: k, Text: text}})
	}
	tx.Commit()
}

// keys returns all keys of m with their texts.
func keys(s *memory.Store) map[string]string {
	found := map[string]string{}
	for _, k := range s.Page("m", "", 1000) {
		found[k.Key] = k.Text
	}
	return found
}

func wantKeys(t *testing.T, s *memory.Store, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, keys(s)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestTx(t *testing.T) {
	s := newStore(memory.Settings{})
	remember(s, noon, "1", "a", "b")
	tx := s.Begin(noon)
	recall := func(key, want string, there bool) {
		t.Helper()
		if text, ok := tx.Recall("m", key); text != want || ok != there {
			t.Errorf("recall %s: got %q and %t, want %q and %t", key, text, ok, want, there)
		}
	}
	recall("a", "1", true)
	recall("c", "", false)
	tx.Apply([]memory.Change{{Memory: "m", Key: "a", Text: "2"}, {Memory: "m", Key: "b", Forget: true}, {Memory: "m", Key: "c", Forget: true}})
	recall("a", "2", true)
	recall("b", "", false)
	tx.Apply([]memory.Change{{Memory: "m", Key: "a", Text: "3"}, {Memory: "m", Key: "b", Text: "4"}})
	recall("a", "3", true)
	recall("b", "4", true)
	if _, ok := tx.Recall("other", "a"); ok {
		t.Error("a memory that there is not has a key")
	}
	wantKeys(t, s, map[string]string{"a": "1", "b": "1"}) // nothing has happened

	names := []string{}
	for _, r := range tx.Records() {
		names = append(names, r.Name)
	}
	if diff := cmp.Diff([]string{"memory/m/a", "memory/m/b"}, names); diff != "" { // once each, c was not there
		t.Errorf("records (-want +got):\n%s", diff)
	}
	tx.Commit()
	wantKeys(t, s, map[string]string{"a": "3", "b": "4"})
}

// An each of many elements may write many keys, and one of them again and again.
func TestTxOfManyChanges(t *testing.T) {
	s := newStore(memory.Settings{})
	tx := s.Begin(noon)
	for i := range 1000 {
		text, ok := tx.Recall("m", string(rune('A'+i%20)))
		if want := i >= 20; ok != want {
			t.Fatalf("change %d: got %q", i, text)
		}
		tx.Apply([]memory.Change{{Memory: "m", Key: string(rune('A' + i%20)), Text: text + "1"}})
	}
	if n := len(tx.Records()); n != 20 {
		t.Errorf("%d records, want one a key", n)
	}
	tx.Commit()
	for k, text := range keys(s) {
		if len(text) != 50 {
			t.Errorf("%s: written %d times, want 50", k, len(text))
		}
	}
}

func TestKeysEnd(t *testing.T) {
	s := newStore(memory.Settings{For: time.Hour})
	remember(s, noon, "1", "b")
	remember(s, noon.Add(time.Minute), "1", "a")
	remember(s, noon.Add(2*time.Minute), "2", "b") // counts from the last write
	if _, ok := s.Due(noon.Add(61*time.Minute - 1)); ok {
		t.Error("a key is due before its time")
	}
	if at, ok := s.Next(); !ok || !at.Equal(noon.Add(61*time.Minute)) {
		t.Errorf("next: got %v and %t", at, ok)
	}
	if _, ok := s.Begin(noon.Add(61*time.Minute)).Recall("m", "a"); ok {
		t.Error("a key whose time is up is remembered")
	}

	late := noon.Add(24 * time.Hour)
	var got []memory.Expired
	for {
		x, ok := s.Due(late)
		if !ok {
			break
		}
		x.At = x.At.UTC()
		got = append(got, x)
		tx := s.Begin(late)
		tx.Expire(x)
		tx.Commit()
	}
	want := []memory.Expired{
		{Memory: "m", Key: "a", Text: "1", At: noon.Add(61 * time.Minute)},
		{Memory: "m", Key: "b", Text: "2", At: noon.Add(62 * time.Minute)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
	if _, ok := s.Next(); ok {
		t.Error("next: there is a key")
	}
	if diff := cmp.Diff([]memory.Counts{{Memory: "m", Expired: 2}}, s.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// What a rule does when a key's time is up may be to write it again.
func TestExpiredAndRememberedAgain(t *testing.T) {
	s := newStore(memory.Settings{For: time.Hour})
	remember(s, noon, "1", "a")
	x, ok := s.Due(noon.Add(time.Hour))
	if !ok {
		t.Fatal("nothing is due")
	}
	tx := s.Begin(noon.Add(time.Hour))
	tx.Expire(x)
	if _, ok := tx.Recall("m", "a"); ok {
		t.Error("the key is still remembered")
	}
	tx.Apply([]memory.Change{{Memory: "m", Key: "a", Text: "2"}})
	tx.Commit()
	if _, ok := s.Due(noon.Add(2*time.Hour - 1)); ok {
		t.Error("the key is due at once")
	}
	if diff := cmp.Diff([]memory.Counts{{Memory: "m", Keys: 1, Bytes: 2, Expired: 1}}, s.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestBounds(t *testing.T) {
	s := newStore(memory.Settings{MaxKeys: 3, MaxBytes: 10})
	evict := func(max int, want ...string) {
		t.Helper()
		var got []string
		for _, r := range s.Evict(max) {
			got = append(got, r.Name)
			if !r.Expires.Before(noon) {
				t.Errorf("%s: its record stays", r.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("evicted (-want +got):\n%s", diff)
		}
	}
	remember(s, noon, "1", "a")
	remember(s, noon.Add(1), "1", "b", "c")
	remember(s, noon.Add(2), "1", "a") // written again
	evict(100)
	remember(s, noon.Add(3), "1", "e", "d")
	evict(1, "memory/m/b") // as many as may be
	evict(100, "memory/m/c")
	remember(s, noon.Add(4), "123", "f") // too much with two others
	evict(100, "memory/m/a")
	remember(s, noon.Add(4), "12345", "f") // two and two and six are ten
	evict(100)
	remember(s, noon.Add(4), "123456", "f")
	evict(100, "memory/m/d")
	remember(s, noon.Add(5), "1234567890", "g") // more than all may be
	evict(100, "memory/m/e", "memory/m/f", "memory/m/g")
	if diff := cmp.Diff([]memory.Counts{{Memory: "m", Evicted: 7}}, s.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// Other settings apply to what is there.
func TestConfigureAgain(t *testing.T) {
	s := newStore(memory.Settings{For: time.Hour})
	remember(s, noon, "1", "a", "b", "c")
	for _, tt := range []struct {
		settings []memory.Settings
		records  int
		ends     time.Duration
		evicted  int
	}{
		{[]memory.Settings{{Name: "m", For: time.Minute}}, 1, time.Minute, 0},
		{[]memory.Settings{{Name: "m", For: time.Minute}}, 0, time.Minute, 0},
		{[]memory.Settings{{Name: "m", For: 2 * time.Hour, MaxKeys: 2}}, 1, 2 * time.Hour, 1},
		{nil, 0, 2 * time.Hour, 0}, // no longer named: as it was
		{[]memory.Settings{{Name: "other"}}, 1, 2 * time.Hour, 0},
		{[]memory.Settings{{Name: "m", For: 3 * time.Hour, MaxBytes: 2}}, 2, 3 * time.Hour, 1}, // other has gone
	} {
		if n := len(s.Configure(tt.settings)); n != tt.records {
			t.Errorf("%+v: %d records, want %d", tt.settings, n, tt.records)
		}
		if n := len(s.Evict(100)); n != tt.evicted {
			t.Errorf("%+v: %d keys evicted, want %d", tt.settings, n, tt.evicted)
		}
		if at, _ := s.Next(); !at.Equal(noon.Add(tt.ends)) {
			t.Errorf("%+v: ends %v, want %v", tt.settings, at.UTC(), noon.Add(tt.ends))
		}
	}
	wantKeys(t, s, map[string]string{"c": "1"})
}

func TestPage(t *testing.T) {
	s := newStore(memory.Settings{For: time.Hour})
	remember(s, noon, "1", "", "b", "a/b", "c", "a")
	var got []string
	for from := ""; ; {
		page := s.Page("m", from, 2)
		if len(page) == 0 {
			break
		}
		for _, k := range page {
			got = append(got, k.Key)
			if want := (memory.Key{Key: k.Key, Text: "1", Written: noon, Ends: noon.Add(time.Hour)}); !cmp.Equal(k, want) {
				t.Errorf("got %+v, want %+v", k, want)
			}
		}
		from = page[len(page)-1].Key + "\x00"
	}
	if diff := cmp.Diff([]string{"", "a", "a/b", "b", "c"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if k, ok := s.Get("m", "a/b"); !ok || k.Text != "1" {
		t.Errorf("get: got %+v and %t", k, ok)
	}
	if _, ok := s.Get("m", "x"); ok || len(s.Page("x", "", 1)) > 0 {
		t.Error("there is what is not there")
	}
}

// A page ends where it is large enough, and the next goes on there.
func TestPageOfLargeValues(t *testing.T) {
	s := newStore(memory.Settings{})
	text := string(make([]byte, memory.MaxValue))
	for i := range 40 {
		remember(s, noon, text, string(rune('A'+i)))
	}
	first := s.Page("m", "", 100)
	if n := len(first); n != 16 {
		t.Fatalf("%d keys of 64 KiB in a page, want 16", n)
	}
	if second := s.Page("m", first[15].Key+"\x00", 100); second[0].Key != string(rune('A'+16)) {
		t.Errorf("the second page begins with %s", second[0].Key)
	}
}

// Whoever looks from elsewhere sees the keys that are there all the time, and does not disturb.
func TestLookedAtWhileItChanges(t *testing.T) {
	s := newStore(memory.Settings{MaxKeys: 5000})
	stay := map[string]bool{}
	for i := range 3000 {
		key := fmt.Sprint("stays ", i)
		remember(s, noon, "1", key)
		stay[key] = true
	}
	changed, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for more := true; more; {
			select {
			case <-changed:
				more = false
			default:
			}
			lookAt(t, s, stay)
		}
	}()
	for i := range 20_000 {
		tx := s.Begin(noon)
		tx.Apply([]memory.Change{{Memory: "m", Key: fmt.Sprint("comes ", i%1000), Text: "1", Forget: i%3 == 0}})
		tx.Commit()
		s.Evict(1)
	}
	close(changed)
	<-looked
}

func lookAt(t *testing.T, s *memory.Store, stay map[string]bool) {
	found := 0
	for from := ""; ; {
		page := s.Page("m", from, 1000)
		if len(page) == 0 {
			break
		}
		for _, k := range page {
			if stay[k.Key] {
				found++
			}
		}
		from = page[len(page)-1].Key + "\x00"
	}
	if found != len(stay) {
		t.Errorf("%d keys found of %d that were there", found, len(stay))
	}
	if _, ok := s.Get("m", "stays 1"); !ok || s.Counts()[0].Keys < len(stay) {
		t.Error("keys are missing")
	}
}
