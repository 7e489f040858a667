package auth

import (
	"context"
	"sync"
	"time"
)

// KindPasswordFile is the kind of PasswordFile. It is for operators; clients have no such kind.
const KindPasswordFile Kind = "password_file"

// ErrTooManyTries refuses a login, right or wrong, as there were too many tries before it.
var ErrTooManyTries error = errTooManyTries

var errTooManyTries = &Error{Reason: "too many failed logins, try again later"}

// A PasswordFile lets in whoever has a login of a password file. NewPasswordFile is the only way to
// make one. It remembers failures, so that it should outlive a reload.
//
// Hashes take long to compute on purpose. So there is one computation at a time, few wait, and wrong
// passwords get a tenth of a core in the long run: whoever mistypes one need not wait, and whoever
// guesses does.
type PasswordFile struct {
	limit *loginLimit
	turn  chan struct{} // holds one while a hash is computed
	queue chan struct{} // holds one for each that waits or computes
	spent time.Time     // until when wrong passwords have used up their share of a core; whoever has the turn owns it
	is    func(h PasswordHash, password string) bool

	mu     sync.Mutex
	logins map[string]PasswordHash // login -> its hash
	nobody PasswordHash            // what is computed for a login that does not exist
	good   *goodLogins             // of these logins
}

const (
	goodFor      = time.Minute     // how long a right password is not computed again
	maxComputing = 8               // how many wait or compute; no more than what loginLimit allows at once
	costFactor   = 10              // of a computation, so that it pays for its share of a core
	costAtOnce   = 3 * time.Second // of computation may be spent at once
)

// NewPasswordFile returns an authenticator that lets in nobody yet.
func NewPasswordFile() *PasswordFile {
	return &PasswordFile{limit: newLoginLimit(), turn: make(chan struct{}, 1), queue: make(chan struct{}, maxComputing),
		is: PasswordHash.is, good: newGoodLogins()}
}

// Use replaces the logins. Identities of those that are no longer among them, or have another
// password, do not stand Recheck any more.
func (f *PasswordFile) Use(logins []PasswordHash) {
	byName := map[string]PasswordHash{}
	var nobody PasswordHash
	for _, h := range logins {
		byName[h.name] = h
		if h.iterations > nobody.iterations {
			nobody = PasswordHash{iterations: h.iterations, salt: h.salt}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins, f.nobody, f.good = byName, nobody, newGoodLogins()
}

// Authenticate checks a login and its passcode, which may have to wait for others. It refuses with
// ErrTooManyTries after too many failures, or when too many wait.
func (f *PasswordFile) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	switch {
	case c.Token != "" || c.Login == "" || c.Passcode == "":
		return Identity{}, foreign("no login and passcode")
	case len(c.Login) > maxLogin || len(c.Passcode) > maxToken:
		return Identity{}, refuse("login or passcode is too long")
	}
	hash, good, known := f.find(c.Login)
	if hash.iterations == 0 {
		return Identity{}, refuse("there are no logins")
	}
	digest := good.digest(c)
	if known && good.has(digest, time.Now()) {
		return hash.identity(), nil
	}
	ok, err := f.compute(ctx, c, hash)
	switch {
	case err != nil:
		return Identity{}, err
	case !ok || !known:
		return Identity{}, refuse("login or passcode is not right")
	}
	f.limit.giveBack(c.Login, c.Remote, time.Now())
	f.limit.letIn(c.Login, c.Remote, time.Now())
	good.keep(digest, time.Now(), goodFor)
	return hash.identity(), nil
}

// find returns what the password of a login is computed with.
func (f *PasswordFile) find(login string) (h PasswordHash, good *goodLogins, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h, known = f.logins[login]; !known {
		h = f.nobody
	}
	return h, f.good, known
}

// compute reports whether the passcode is the one that was hashed, when its turn comes. A failure
// has been counted then.
func (f *PasswordFile) compute(ctx context.Context, c Credentials, h PasswordHash) (bool, error) {
	select {
	case f.queue <- struct{}{}:
		defer func() { <-f.queue }()
	default:
		return false, errTooManyTries
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if !f.limit.take(c.Login, c.Remote, time.Now()) {
		return false, errTooManyTries
	}
	if err := sleep(ctx, time.Until(f.spent.Add(-costFactor*costAtOnce))); err != nil {
		return false, err // and it stays counted: who does not wait for the answer must not get more tries
	}
	began := time.Now()
	ok := f.is(h, c.Passcode)
	if !ok {
		f.pay(began)
	}
	return ok, nil
}

// pay counts a computation that has taken since began.
func (f *PasswordFile) pay(began time.Time) {
	if f.spent.Before(began) {
		f.spent = began
	}
	f.spent = f.spent.Add(costFactor * time.Since(began))
}

// sleep waits, as long as ctx lasts.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// identity is whom the login stands for.
func (h PasswordHash) identity() Identity {
	proof := h.proof()
	return Identity{User: h.name, By: KindPasswordFile, proof: &proof}
}

// Recheck looks whether the login is still there, with the same password.
func (f *PasswordFile) Recheck(id Identity) error {
	if err := ofKind(id, KindPasswordFile); err != nil {
		return err
	}
	f.mu.Lock()
	h, known := f.logins[id.User]
	f.mu.Unlock()
	if !known || h.proof() != id.proven() {
		return refuse("login or passcode is not right any more")
	}
	return nil
}
