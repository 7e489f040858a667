package trail_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/trail"
)

// What does not fit any more goes, the oldest first, and Since says from when on all is there.
func TestRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1000
		r := trail.New(limit)
		began := time.Now()
		for i := range 500 {
			time.Sleep(time.Second)
			r.Add(fmt.Appendf(nil, "record %d", i))
			var all []string
			size := 0
			for record := range r.All() {
				all = append(all, string(record))
				size += len(record)
			}
			first := i + 1 - len(all)
			for n, record := range all {
				if want := fmt.Sprint("record ", first+n); record != want {
					t.Fatalf("after %d: record %d is %q, want %q", i, n, record, want)
				}
			}
			if size > limit || first > 0 && size < limit*3/4 {
				t.Fatalf("after %d: %d bytes of %d", i, size, limit)
			}
			want := time.Duration(0)
			if first > 0 {
				want = time.Duration(first+1) * time.Second
			}
			if since := r.Since().Sub(began); since != want {
				t.Fatalf("after %d: all since %v, want %v", i, since, want)
			}
		}
	})
}

// A record larger than all the room is there alone.
func TestLargeRecord(t *testing.T) {
	r := trail.New(100)
	for range 20 {
		r.Add([]byte("small"))
	}
	large := bytes.Repeat([]byte("x"), 300)
	r.Add(large)
	if all := slices.Collect(r.All()); len(all) != 1 || !bytes.Equal(all[0], large) {
		t.Errorf("%d records", len(all))
	}
	r.Add([]byte("after"))
	if all := slices.Collect(r.All()); len(all) != 1 || string(all[0]) != "after" {
		t.Errorf("%d records after it", len(all))
	}
}

// Who reads is not disturbed by what is added meanwhile.
func TestReadWhileAdding(t *testing.T) {
	r := trail.New(2000)
	var adding sync.WaitGroup
	adding.Go(func() {
		for i := range 20_000 {
			r.Add(fmt.Appendf(nil, "%d", i))
		}
	})
	for range 200 {
		before := -1
		for record := range r.All() {
			var n int
			if _, err := fmt.Sscan(string(record), &n); err != nil || before >= 0 && n != before+1 {
				t.Fatalf("%q after %d", record, before)
			}
			before = n
		}
	}
	adding.Wait()
}
