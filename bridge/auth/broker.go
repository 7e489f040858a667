package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// PasswordChecker knows logins and their passwords.
type PasswordChecker interface {
	// CheckPassword reports whether the login has that password. An error means that the question
	// has no answer; it holds neither of the two.
	CheckPassword(ctx context.Context, login, password string) (bool, error)
}

// BrokerConfig says how logins are checked.
type BrokerConfig struct {
	Checker    PasswordChecker  // the broker; must be given
	Cache      time.Duration    // how long a good password is not checked again; zero: it always is
	MaxSession time.Duration    // how long an identity lasts; zero: for ever
	UserPrefix string           // before the login, in the name of each user
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default: discard
}

// Broker lets in clients that have a login and a password at the broker. NewBroker is the only way
// to make one.
type Broker struct {
	config BrokerConfig
	good   *goodLogins
	limit  *loginLimit
	asking chan struct{} // holds one for each question that is on its way

	mu      sync.Mutex
	checked time.Time // when the broker was last seen to refuse a login that does not exist
	failing bool      // the last question was not answered
}

const (
	// maxAsking is how many questions the broker gets at the same time.
	maxAsking = 8
	// maxLogin is the size of the longest login that the broker is asked about, in bytes.
	maxLogin = 1 << 10
	// strictFor is how long a broker is trusted after it has refused a login that does not exist.
	strictFor = time.Minute
)

// NewBroker returns an authenticator that asks the broker. What it remembers goes with it: it
// should outlive a reload.
func NewBroker(c BrokerConfig) *Broker {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Broker{config: c, good: newGoodLogins(), limit: newLoginLimit(), asking: make(chan struct{}, maxAsking)}
}

// Authenticate asks the broker, unless it has accepted the same a short time ago, or there were too
// many failures: then a right password is refused too.
func (b *Broker) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	switch {
	case c.Token != "" || c.Login == "" && c.Passcode != "":
		return Identity{}, foreign("no login")
	case c.Login == "" || c.Passcode == "":
		// Without a password the broker might let anybody in: MQTT 5, 3.1.2.8.
		return Identity{}, foreign("no login and passcode")
	case len(c.Login) > maxLogin || len(c.Passcode) > maxToken:
		return Identity{}, refuse("login or passcode is too long")
	case !utf8.ValidString(c.Login) || strings.ContainsRune(c.Login, 0): // MQTT 5, 1.5.4
		return Identity{}, refuse("login or passcode is not right")
	}
	digest := b.good.digest(c)
	if b.good.has(digest, b.config.Now()) {
		return b.identity(c.Login), nil
	}
	select { // failures are counted in advance only for those who are being asked about
	case b.asking <- struct{}{}:
		defer func() { <-b.asking }()
	case <-ctx.Done():
		return Identity{}, ctx.Err()
	}
	if b.good.has(digest, b.config.Now()) { // by another session of the same client
		return b.identity(c.Login), nil
	}
	if !b.limit.take(c.Login, c.Remote, b.config.Now()) {
		return Identity{}, errTooManyTries
	}
	ok, err := b.ask(ctx, c.Login, c.Passcode)
	if ok || err != nil && !errors.Is(err, context.Canceled) { // a client that does not wait for the answer must not get more tries
		b.limit.giveBack(c.Login, c.Remote, b.config.Now())
	}
	switch {
	case err != nil:
		return Identity{}, fmt.Errorf("asking the broker: %w", err)
	case !ok:
		return Identity{}, refuse("login or passcode is not right")
	}
	b.limit.letIn(c.Login, c.Remote, b.config.Now())
	b.good.keep(digest, b.config.Now(), b.config.Cache)
	return b.identity(c.Login), nil
}

// Recheck accepts identities of its own: their password is not kept, so that they end after
// MaxSession at the latest.
func (b *Broker) Recheck(id Identity) error {
	if err := ofKind(id, KindBroker); err != nil {
		return err
	}
	if id.User != b.config.UserPrefix+id.proven() {
		return errOtherUser
	}
	return nil
}

func (b *Broker) identity(login string) Identity {
	id := Identity{User: b.config.UserPrefix + login, By: KindBroker, proof: &login}
	if b.config.MaxSession > 0 {
		id.Expires = b.config.Now().Add(b.config.MaxSession)
	}
	return id
}

// ask asks the broker. Its yes counts only if it can say no.
func (b *Broker) ask(ctx context.Context, login, password string) (bool, error) {
	ok, err := b.config.Checker.CheckPassword(ctx, login, password)
	if ok && err == nil {
		err = b.checkStrict(ctx)
	}
	if ctx.Err() == nil {
		b.note(err)
	}
	return ok && err == nil, err
}

// note logs once that the broker does not answer any more, and once that it answers again.
func (b *Broker) note(err error) {
	b.mu.Lock()
	changed := b.failing != (err != nil)
	b.failing = err != nil
	b.mu.Unlock()
	switch {
	case changed && err != nil:
		b.config.Logger.Warn("the broker cannot check logins", "error", err)
	case changed:
		b.config.Logger.Info("the broker can check logins again")
	}
}

// errNotStrict means that a broker lets everybody in: it may allow anonymous clients and have no
// passwords at all, or look only at the bridge's own certificate.
var errNotStrict = errors.New("the broker accepts a login that does not exist, so it cannot check logins")

// checkStrict makes sure that the broker refuses a login that does not exist.
func (b *Broker) checkStrict(ctx context.Context) error {
	b.mu.Lock()
	recent := b.config.Now().Sub(b.checked) < strictFor
	b.mu.Unlock()
	if recent {
		return nil
	}
	anybody, err := b.config.Checker.CheckPassword(ctx, "nobody-"+rand.Text(), rand.Text())
	switch {
	case err != nil:
		return err
	case anybody:
		return errNotStrict
	}
	b.mu.Lock()
	b.checked = b.config.Now()
	b.mu.Unlock()
	return nil
}
