package mqtt

import "time"

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

// pause is how long to wait before attempt n: nothing for the first, then twice as
// long each time up to a limit. jitter, in [0, 1), takes up to half of it away, so
// that clients of one broker do not come back together.
func pause(n int, jitter float64) time.Duration {
	if n <= 0 {
		return 0
	}
	d := maxPause
	if n < 8 { // firstPause << 7 is beyond the limit
		d = min(maxPause, firstPause<<(n-1))
	}
	return d - time.Duration(jitter*float64(d/2))
}
