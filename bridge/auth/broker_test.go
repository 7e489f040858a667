package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// logins is a broker's word on passwords.
type logins struct {
	passwords map[string]string // login -> password
	lax       bool              // accepts everybody
	pause     time.Duration     // for an answer

	mu    sync.Mutex
	err   error // instead of an answer
	asked int   // about logins that exist, or might
	most  int   // at one time
	now   int
}

func (l *logins) CheckPassword(ctx context.Context, login, password string) (bool, error) {
	l.mu.Lock()
	l.now++
	l.most = max(l.most, l.now)
	if !strings.HasPrefix(login, "nobody-") {
		l.asked++
	}
	l.mu.Unlock()
	select {
	case <-time.After(l.pause):
	case <-ctx.Done():
		return false, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now--
	good, ok := l.passwords[login]
	return l.lax || ok && password == good, l.err
}

func (l *logins) questions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *logins) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

var annPass = auth.Credentials{Login: "ann", Passcode: "pass", Remote: netip.MustParseAddr("192.0.2.1")}

func TestBroker(t *testing.T) {
	b := auth.NewBroker(auth.BrokerConfig{Checker: &logins{passwords: map[string]string{"ann": "pass", "": "", "bob": ""}}})
	const wrong, none = "login or passcode is not right", "no login and passcode"
	tests := []struct {
		name            string
		login, passcode string
		want            string
		foreign         bool
	}{
		{"right", "ann", "pass", "", false},
		{"wrong passcode", "ann", "pass2", wrong, false},
		{"unknown login", "eve", "pass", wrong, false},
		{"no passcode", "bob", "", none, true},
		{"neither", "", "", none, true},
		{"passcode alone", "", "pass", "no login", true},
		{"login too long", strings.Repeat("a", 1<<10+1), "pass", "login or passcode is too long", false},
		{"passcode too long", "ann", strings.Repeat("a", 16<<10+1), "login or passcode is too long", false},
		{"login that MQTT has no room for", "a\x00b", "pass", wrong, false},
		{"login that is not text", "a\xff", "pass", wrong, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := b.Authenticate(t.Context(), auth.Credentials{Login: tt.login, Passcode: tt.passcode})
			checkError(t, err, tt.want)
			if tt.want == "" && (id.User != "ann" || id.By != auth.KindBroker || !id.Expires.IsZero() || b.Recheck(id) != nil) {
				t.Errorf("got %v, %v", id, b.Recheck(id))
			}
			var refused *auth.Error
			if errors.As(err, &refused) && refused.Foreign != tt.foreign {
				t.Errorf("foreign: %t, want %t", refused.Foreign, tt.foreign)
			}
		})
	}
	_, err := b.Authenticate(t.Context(), auth.Credentials{Token: "abc"})
	checkError(t, err, "no login")
}

func TestMaxSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := auth.NewBroker(auth.BrokerConfig{Checker: &logins{passwords: map[string]string{"ann": "pass"}}, Cache: time.Minute, MaxSession: time.Hour})
		for range 2 { // also from the cache the time begins now
			id, err := b.Authenticate(t.Context(), annPass)
			if want := time.Now().Add(time.Hour); err != nil || !id.Expires.Equal(want) {
				t.Errorf("got %v, %v, want %v", id.Expires, err, want)
			}
			time.Sleep(30 * time.Second)
		}
	})
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{passwords: map[string]string{"ann": "pass"}}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l, Cache: time.Minute})
		ask := func(c auth.Credentials, want string, questions int) {
			t.Helper()
			_, err := b.Authenticate(t.Context(), c)
			checkError(t, err, want)
			if got := l.questions(); got != questions {
				t.Errorf("%d questions, want %d", got, questions)
			}
		}
		ask(annPass, "", 1)
		l.fail(errors.New("away"))
		ask(annPass, "", 1)
		l.fail(nil)
		// The same letters at another border, and with another passcode, are something else.
		ask(auth.Credentials{Login: "an", Passcode: "npass"}, "login or passcode is not right", 2)
		ask(auth.Credentials{Login: "ann", Passcode: "passs"}, "login or passcode is not right", 3)
		time.Sleep(time.Minute - 1)
		ask(annPass, "", 3)
		time.Sleep(time.Nanosecond)
		ask(annPass, "", 4)
	})
	l := &logins{passwords: map[string]string{"ann": "pass"}}
	b := auth.NewBroker(auth.BrokerConfig{Checker: l})
	for range 3 {
		if _, err := b.Authenticate(t.Context(), annPass); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.questions(); got != 3 {
		t.Errorf("without a cache: %d questions, want 3", got)
	}
}

// attempts are logins at a broker that knows ann and bob.
type attempts struct {
	t      *testing.T
	logins *logins
	broker *auth.Broker
}

func newAttempts(t *testing.T) *attempts {
	l := &logins{passwords: map[string]string{"ann": "pass", "bob": "pass"}}
	return &attempts{t, l, auth.NewBroker(auth.BrokerConfig{Checker: l})}
}

// try logs in from the address with that last byte; want is the reason, "" for none.
func (a *attempts) try(login, password string, address int, want string) {
	a.t.Helper()
	c := auth.Credentials{Login: login, Passcode: password, Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(address)})}
	_, err := a.broker.Authenticate(a.t.Context(), c)
	checkError(a.t, err, want)
}

const (
	wrongLogin = "login or passcode is not right"
	manyLogins = "too many failed logins, try again later"
)

// A login may fail ten times at an address, then once in half a minute, and nobody elsewhere
// suffers.
func TestGuessesAtALoginPauseTheirAddressAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t)
		for range 10 {
			a.try("ann", "guess", 1, wrongLogin)
		}
		a.try("ann", "guess", 1, manyLogins)
		a.try("ann", "pass", 1, manyLogins) // not even the right one is told
		if got := a.logins.questions(); got != 10 {
			t.Errorf("%d questions, want 10", got)
		}
		a.try("ann", "pass", 2, "")
		a.try("bob", "pass", 1, "")
		for range 5 * 3600 { // an hour of five guesses a second
			c := auth.Credentials{Login: "ann", Passcode: "guess", Remote: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
			a.broker.Authenticate(t.Context(), c)
			time.Sleep(200 * time.Millisecond)
		}
		if got := a.logins.questions(); got > 10+2+2*60 {
			t.Errorf("%d questions, want two a minute", got)
		}
		a.try("ann", "pass", 2, "")
		a.try("ann", "pass", 3, "")
		time.Sleep(30 * time.Second)
		a.try("ann", "pass", 1, "")
		a.try("ann", "pass", 1, "")
	})
}

// Guesses at a login from everywhere pause it far later, and not where it has come in lately.
func TestGuessesFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t)
		a.try("ann", "pass", 1, "")
		for i := range 200 {
			a.try("ann", "guess", 2+i%100, wrongLogin)
		}
		a.try("ann", "guess", 222, manyLogins)
		a.try("ann", "pass", 223, manyLogins)
		a.try("ann", "pass", 1, "")
		a.try("bob", "pass", 223, "")
		time.Sleep(24 * time.Hour)
		for i := range 300 {
			c := auth.Credentials{Login: "ann", Passcode: "guess", Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i%100)})}
			a.broker.Authenticate(t.Context(), c)
		}
		a.try("ann", "pass", 223, manyLogins)
		a.try("ann", "pass", 1, "")
		time.Sleep(31 * 24 * time.Hour) // too long ago
		for i := range 300 {
			c := auth.Credentials{Login: "ann", Passcode: "guess", Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i%100)})}
			a.broker.Authenticate(t.Context(), c)
		}
		a.try("ann", "pass", 1, manyLogins)
	})
}

// At an address that has let ann in, guesses at her are as slow as anywhere.
func TestAKnownAddressCanGuessNoFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t)
		a.try("ann", "pass", 1, "")
		for range 10 {
			a.try("ann", "guess", 1, wrongLogin)
		}
		a.try("ann", "guess", 1, manyLogins)
	})
}

// From one address 50 logins may fail, then one a second.
func TestGuessesAtManyLoginsPauseTheirAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts(t)
		for range 60 { // a right one costs nothing
			a.try("ann", "pass", 1, "")
		}
		for i := range 50 {
			a.try(fmt.Sprint("user", i), "guess", 1, wrongLogin)
		}
		a.try("user50", "guess", 1, manyLogins)
		a.try("ann", "pass", 1, manyLogins)
		a.try("user50", "guess", 2, wrongLogin)
		time.Sleep(time.Second)
		a.try("ann", "pass", 1, "")
		a.try("user51", "guess", 1, wrongLogin)
		a.try("user52", "guess", 1, manyLogins)
	})
}

// Where a password is remembered as good, failures do not matter, and elsewhere nobody is told that
// a guess was right.
func TestFailuresBesideTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{passwords: map[string]string{"bob": "pass"}}
		a := &attempts{t, l, auth.NewBroker(auth.BrokerConfig{Checker: l, Cache: time.Minute})}
		a.try("bob", "pass", 1, "")
		for _, address := range []int{1, 2} {
			for range 10 {
				a.try("bob", "guess", address, wrongLogin)
			}
		}
		a.try("bob", "pass", 1, "")
		a.try("bob", "pass", 2, manyLogins)
	})
}

// An IPv6 client has a whole /64 to itself; an IPv4 address is the same in both notations.
func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		b := auth.NewBroker(auth.BrokerConfig{Checker: &logins{}})
		fail := func(remote string, i int) string {
			_, err := b.Authenticate(t.Context(), auth.Credentials{Login: fmt.Sprint("user", i), Passcode: "guess", Remote: netip.MustParseAddr(remote)})
			return err.Error()
		}
		for i := range 50 {
			fail(tt.a, i)
		}
		if got := fail(tt.b, 50) == "too many failed logins, try again later"; got != tt.same {
			t.Errorf("%s and %s: the same place: %t, want %t", tt.a, tt.b, got, tt.same)
		}
	}
}

// Many guesses at the same moment are not more than the limit, and the broker is asked a few at a
// time.
func TestGuessesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{passwords: map[string]string{"ann": "pass"}, pause: time.Second}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l})
		var running sync.WaitGroup
		for i := range 100 {
			running.Go(func() {
				b.Authenticate(t.Context(), auth.Credentials{Login: "ann", Passcode: fmt.Sprint(i)})
			})
			running.Go(func() {
				remote := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				b.Authenticate(t.Context(), auth.Credentials{Login: fmt.Sprint("user", i), Passcode: "guess", Remote: remote})
			})
		}
		running.Wait()
		if got := l.questions(); got != 110 {
			t.Errorf("%d questions, want 110", got)
		}
		if l.most != 8 {
			t.Errorf("%d questions at one time, want 8", l.most)
		}
	})
}

// Who leaves before the answer has used up a try.
func TestGuessesThatDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{pause: time.Second}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			b.Authenticate(ctx, annPass)
		}
		if got := l.questions(); got != 10 {
			t.Errorf("%d questions, want 10", got)
		}
	})
}

// A hundred tabs that come back at once behind one proxy are not taken for guesses; of each user
// only the first are asked about.
func TestRightOnesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logins{passwords: map[string]string{"ann": "pass", "bob": "pass"}, pause: 100 * time.Millisecond}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l, Cache: time.Minute})
		var running sync.WaitGroup
		for i := range 100 {
			running.Go(func() {
				c := auth.Credentials{Login: []string{"ann", "bob"}[i%2], Passcode: "pass", Remote: netip.MustParseAddr("192.0.2.1")}
				if _, err := b.Authenticate(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		if got := l.questions(); got > 2*8 {
			t.Errorf("%d questions for two users", got)
		}
	})
}

func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		l := &logins{passwords: map[string]string{"ann": "pass"}, err: errors.New("connection refused")}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l, Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		for range 100 { // none of them counts as a failure
			_, err := b.Authenticate(t.Context(), annPass)
			var refused *auth.Error
			if err == nil || errors.As(err, &refused) || err.Error() != "asking the broker: connection refused" {
				t.Fatalf("got %v, want an error that is no refusal", err)
			}
		}
		l.fail(nil)
		if _, err := b.Authenticate(t.Context(), annPass); err != nil {
			t.Error(err)
		}
		// A client that leaves is no trouble of the broker's.
		l.pause = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Authenticate(ctx, annPass); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := lines.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "cannot check logins") || strings.Contains(got, "pass\"") {
			t.Errorf("logged:\n%s", got)
		}
	})
}

// A broker that lets everybody in knows nothing about passwords.
func TestLaxBroker(t *testing.T) {
	const notStrict = "the broker accepts a login that does not exist, so it cannot check logins"
	synctest.Test(t, func(t *testing.T) {
		l := &logins{passwords: map[string]string{"ann": "pass"}, lax: true}
		b := auth.NewBroker(auth.BrokerConfig{Checker: l})
		_, err := b.Authenticate(t.Context(), annPass)
		var refused *auth.Error
		if err == nil || !strings.HasSuffix(err.Error(), notStrict) || errors.As(err, &refused) {
			t.Errorf("got %v, want %s", err, notStrict)
		}
		l.lax = false
		if _, err := b.Authenticate(t.Context(), annPass); err != nil {
			t.Error(err)
		}
		l.lax = true
		time.Sleep(time.Minute)
		if _, err := b.Authenticate(t.Context(), annPass); err == nil || !strings.HasSuffix(err.Error(), notStrict) {
			t.Errorf("a minute later: got %v, want %s", err, notStrict)
		}
	})
}

// What is remembered of clients is bounded.
func TestMemoryOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // or failures are forgotten while it runs
		b := auth.NewBroker(auth.BrokerConfig{Checker: &everybody{}, Cache: time.Hour})
		for i := range 12_000 {
			remote := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			b.Authenticate(t.Context(), auth.Credentials{Login: fmt.Sprint("good", i), Passcode: "pass", Remote: remote})
			b.Authenticate(t.Context(), auth.Credentials{Login: fmt.Sprint("bad", i), Passcode: "guess", Remote: remote})
		}
		if most, least := b.Kept(); most > 10_000 || least < 9_000 {
			t.Errorf("between %d and %d entries are kept in a table, want up to 10000", least, most)
		}
	})
}

// everybody has the password "pass".
type everybody struct{}

func (everybody) CheckPassword(_ context.Context, _, password string) (bool, error) {
	return password == "pass", nil
}
