package trail_test

import (
	"bytes"
	"fmt"
	"maps"
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
			for _, record := range r.Forward(0) {
				all = append(all, string(record))
				size += len(record)
			}
			first := i + 1 - len(all)
			if i < 3 || i%25 == 0 {
				wantNumbers(t, r, first, i)
			}
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

// wantNumbers has the records from first to last found by their numbers, which begin at 1.
func wantNumbers(t *testing.T, r *trail.Ring, first, last int) {
	t.Helper()
	if got := r.Last(); got != uint64(last)+1 {
		t.Fatalf("the last is %d, want %d", got, last+1)
	}
	for i := range last + 2 {
		record, ok := r.Get(uint64(i) + 1)
		if want := fmt.Sprint("record ", i); ok != (i >= first && i <= last) || ok && string(record) != want {
			t.Fatalf("%d to %d: record %d is %q, %t", first, last, i, record, ok)
		}
	}
	for _, after := range []int{0, max(0, first-1), first, first + 1, last, last + 1, last + 2} {
		number := max(after, first)
		for n, record := range r.Forward(uint64(after)) {
			if want := fmt.Sprint("record ", number); n != uint64(number)+1 || string(record) != want {
				t.Fatalf("after %d: %d is %q, want %d: %q", after, n, record, number+1, want)
			}
			number++
		}
		if want := max(after, last+1); number != want {
			t.Fatalf("after %d: it ends below %d, want %d", after, number, want)
		}
		number = last + 1
		for n, record := range r.Backward(uint64(after)) {
			if want := fmt.Sprint("record ", number-1); n != uint64(number) || string(record) != want {
				t.Fatalf("after %d: %d is %q, want %d: %q", after, n, record, number, want)
			}
			number--
		}
		if want := max(after, first); number != min(want, last+1) {
			t.Fatalf("after %d: it ends above %d, want %d", after, number, want)
		}
	}
}

// Before names a record: none up to it was added at the time or later, and not many after it were
// added before.
func TestBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8000 // chunks of 1000
		r := trail.New(limit)
		began := time.Now()
		for range 5000 {
			r.Add(make([]byte, 10)) // number n at second n
			time.Sleep(time.Second)
		}
		for second := range 5100 {
			number := int(r.Before(began.Add(time.Duration(second) * time.Second)))
			if number > second || second > 4500 && number < second-200-100 {
				t.Fatalf("second %d: before record %d", second, number)
			}
		}
		if n := trail.New(limit).Before(began); n != 0 {
			t.Errorf("an empty one: %d", n)
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
	if all := maps.Collect(r.Forward(0)); len(all) != 1 || !bytes.Equal(all[21], large) {
		t.Errorf("%d records", len(all))
	}
	r.Add([]byte("after"))
	if all := maps.Collect(r.Forward(0)); len(all) != 1 || string(all[22]) != "after" {
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
		for _, record := range r.Forward(0) {
			var n int
			if _, err := fmt.Sscan(string(record), &n); err != nil || before >= 0 && n != before+1 {
				t.Fatalf("%q after %d", record, before)
			}
			before = n
		}
		for number, record := range r.Backward(r.Last() / 2) {
			if got, ok := r.Get(number); string(record) != fmt.Sprint(number-1) || ok && string(got) != string(record) {
				t.Fatalf("%d is %q, %q", number, record, got)
			}
		}
	}
	adding.Wait()
}
