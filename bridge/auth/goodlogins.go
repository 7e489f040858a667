package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// goodLogins remembers for a time which passwords were right. newGoodLogins is the only way to make
// one.
type goodLogins struct {
	key [sha256.Size]byte // random, so that the digests of passwords are useless elsewhere

	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time // digest -> until when it is good
}

func newGoodLogins() *goodLogins {
	g := &goodLogins{until: map[[sha256.Size]byte]time.Time{}}
	rand.Read(g.key[:])
	return g
}

// digest stands for a login, a password and the address that showed them: a password that is kept
// as good for one address must not tell another that it has guessed right. Without the key a digest
// can be neither made nor guessed from.
func (g *goodLogins) digest(c Credentials) [sha256.Size]byte {
	h := hmac.New(sha256.New, g.key[:])
	for _, part := range []string{c.Remote.String(), c.Login, c.Passcode} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (g *goodLogins) has(digest [sha256.Size]byte, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Before(g.until[digest])
}

func (g *goodLogins) keep(digest [sha256.Size]byte, now time.Time, d time.Duration) {
	if d <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	makeRoom(g.until, func(until time.Time) bool { return !now.Before(until) })
	g.until[digest] = now.Add(d)
}
