package retention_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// TestClockReopened opens a clock again after a day, with a wall clock that is off at first, and
// later.
func TestClockReopened(t *testing.T) {
	const lived, day, year = time.Hour, 24 * time.Hour, 365 * 24 * time.Hour
	for _, test := range []struct {
		name           string
		atOpen, at5min time.Duration // how far the wall clock is off then
		appendedAt     time.Duration // 9 minutes after opening
		late           time.Duration // lived 11 minutes after opening
	}{
		{"right", 0, 0, lived + day + 9*time.Minute, lived + day + 11*time.Minute},
		{"ahead, then right", year, 0, lived + day + year + 9*time.Minute, lived + day + 11*time.Minute},
		{"right, then ahead", 0, year, lived + day + 9*time.Minute, lived + day + 11*time.Minute},
		{"behind, then right", -year, 0, lived + 9*time.Minute, lived + 11*time.Minute},
		{"right, then behind", 0, -year, lived + day + 9*time.Minute, lived + 11*time.Minute},
		{"ahead all the time", year, year, lived + day + year + 9*time.Minute, lived + day + year + 11*time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := time.Now()
				time.Sleep(day)
				off := test.atOpen
				c := retention.NewClock(func() time.Time { return time.Now().Round(0).Add(off) }, lived, left)
				time.Sleep(5 * time.Minute)
				off = test.at5min
				time.Sleep(4 * time.Minute)
				early := c.Read()
				if want := lived + 9*time.Minute; early.Lived != want {
					t.Errorf("9 minutes on: lived %v, want %v", early.Lived, want)
				}
				if early.AppendedAt != test.appendedAt {
					t.Errorf("9 minutes on: appended at %v, want %v", early.AppendedAt, test.appendedAt)
				}
				time.Sleep(2 * time.Minute)
				late := c.Read()
				if late.Lived != test.late {
					t.Errorf("11 minutes on: lived %v, want %v", late.Lived, test.late)
				}
				if late.AppendedAt != test.late {
					t.Errorf("11 minutes on: appended at %v, want %v", late.AppendedAt, test.late)
				}
				if got, want := early.AppendedAt-late.Ahead, test.late-2*time.Minute; got != want || !late.Settled {
					t.Errorf("11 minutes on: appended at 9 minutes, as corrected: %v, want %v", got, want)
				}
				if late.Began != early.Began-late.Ahead {
					t.Errorf("11 minutes on: began at %v, before that at %v", late.Began, early.Began)
				}
			})
		})
	}
}

// TestClockReopenedSoon closes a clock before it has settled: the time closed before that counts in
// the end.
func TestClockReopenedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := retention.NewClock(time.Now, 0, time.Now())
		for range 5 {
			time.Sleep(5 * time.Minute)
			r := c.Read()
			time.Sleep(time.Hour)
			c = retention.NewClock(time.Now, r.Lived, r.Left)
		}
		time.Sleep(retention.Settle)
		if got, want := c.Read().Lived, 5*(time.Hour+5*time.Minute)+retention.Settle; got != want {
			t.Errorf("lived %v, want %v", got, want)
		}
	})
}
