package retention

import (
	"cmp"
	"time"
)

// Limits bound a log.
type Limits struct {
	MaxAge    time.Duration // of entries
	MaxBytes  int64         // of entries, and again of those that are kept only as the newest of their key
	MaxKeys   int           // that the newest entry is kept of
	KeyMaxAge time.Duration // of the newest entry of a key
}

// Defaults of Limits.
const (
	DefaultMaxAge    = 24 * time.Hour
	DefaultMaxBytes  = 256 << 20
	DefaultMaxKeys   = 100_000
	DefaultKeyMaxAge = 720 * time.Hour
)

// WithDefaults returns l with the defaults in its zero fields.
func (l Limits) WithDefaults() Limits {
	l.MaxAge = cmp.Or(l.MaxAge, DefaultMaxAge)
	l.MaxBytes = cmp.Or(l.MaxBytes, DefaultMaxBytes)
	l.MaxKeys = cmp.Or(l.MaxKeys, DefaultMaxKeys)
	l.KeyMaxAge = cmp.Or(l.KeyMaxAge, DefaultKeyMaxAge)
	return l
}

// Exceeded reports whether the oldest entry, of the age given, in a log of so many bytes must go.
func (l Limits) Exceeded(age time.Duration, bytes int64) bool {
	return age > l.MaxAge || bytes > l.MaxBytes
}

// KeyExceeded reports whether the key used longest ago must go, by the age of its newest entry, the
// number of keys, and the bytes of entries beyond retention.
func (l Limits) KeyExceeded(age time.Duration, keys int, bytes int64) bool {
	return age > l.KeyMaxAge || keys > l.MaxKeys || bytes > l.MaxBytes
}

// Size is what an entry counts for whose queue, key and body take so many bytes: those, and about
// what holding it takes.
func Size(bytes int) int64 { return int64(bytes) + 128 }

// A Step bounds how much one commit trims, so that catching up never stalls it: a few hundred
// entries, or twice what the commit adds if that is more, which keeps a log within its limits.
type Step struct {
	Entries int   // added
	Bytes   int64 // added

	entries int // taken
	bytes   int64
}

const stepEntries = 256

// Take reports whether an entry of the size may still go in this step.
func (s *Step) Take(size int64) bool {
	if s.entries >= max(stepEntries, 2*s.Entries) && s.bytes >= 2*s.Bytes {
		return false
	}
	s.entries++
	s.bytes += size
	return true
}
