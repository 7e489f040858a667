package auth_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// passwordLine is what mosquitto_passwd writes.
func passwordLine(t testing.TB, name, password string, iterations int) string {
	t.Helper()
	salt := []byte("salt of " + name)
	sum, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s:$7$%d$%s$%s\n", name, iterations, encode(salt), encode(sum))
}

func passwordFile(t testing.TB, text string) *auth.PasswordFile {
	t.Helper()
	logins, errs := auth.ParsePasswords([]byte(text))
	if errs != nil {
		t.Fatal(errs)
	}
	f := auth.NewPasswordFile()
	f.Use(logins)
	return f
}

func login(name, password string) auth.Credentials {
	return auth.Credentials{Login: name, Passcode: password, Remote: netip.MustParseAddr("192.0.2.1")}
}

func TestParsePasswords(t *testing.T) {
	ada, bob := passwordLine(t, "ada", "x", 101), passwordLine(t, "b o b@example.org", "y", 1000)
	hash := strings.TrimPrefix(strings.TrimSpace(ada), "ada:")
	for _, test := range []struct {
		name, text string
		logins     int
		errs       []auth.LineError
	}{
		{"nothing", "", 0, nil},
		{"two", ada + bob, 2, nil},
		{"comments, blank lines, Windows lines, no last line break", "# for all\r\n\r\n" + strings.TrimSpace(ada) + "\r\n\t\n" + strings.TrimSpace(bob), 2, nil},
		{"every mistake", strings.Join([]string{
			"hunter22", "ada:hunter22", "bob:$6$c2FsdA==$hunter22", "eve:$argon2id$v=19$m=1,t=1,p=1$c2FsdA$hunter22", "a:$2y$hunter22", ":" + hash, "ada:", ada + ada,
		}, "\n"), 1, []auth.LineError{
			{1, "is not NAME:HASH"},
			{2, "the password is not hashed"},
			{3, "the hash is of the kind sha512, which is quick to guess from: it must be sha512-pbkdf2"},
			{4, "the hash is of the kind argon2id: it must be sha512-pbkdf2"},
			{5, "the hash is of an unknown kind: it must be sha512-pbkdf2"},
			{6, "is not NAME:HASH"},
			{7, "the password is not hashed"},
			{9, "has the login of line 8 again"},
		}},
		{"wrong parts", strings.Join([]string{
			"a:$7$101$c2FsdA==", "a:$7$0" + hash[6:], "a:$7$10000001" + hash[6:], "a:$7$x" + hash[6:],
			"a:$7$101$$" + strings.Split(hash, "$")[4], "a:$7$101$c2FsdA==$aHVudGVyMjI=", "a:$7$101$c2FsdA==$hunter22!",
		}, "\n"), 0, []auth.LineError{
			{1, "the hash is not $7$ITERATIONS$SALT$HASH"},
			{2, "the iterations are not a number from 1 to 10000000"},
			{3, "the iterations are not a number from 1 to 10000000"},
			{4, "the iterations are not a number from 1 to 10000000"},
			{5, "the salt and the hash are not in base64, the hash with 64 bytes"},
			{6, "the salt and the hash are not in base64, the hash with 64 bytes"},
			{7, "the salt and the hash are not in base64, the hash with 64 bytes"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			logins, errs := auth.ParsePasswords([]byte(test.text))
			if diff := cmp.Diff(test.errs, errs); diff != "" || len(logins) != test.logins {
				t.Errorf("%d logins, want %d; mistakes (-want +got):\n%s", len(logins), test.logins, diff)
			}
		})
	}
}

// A file of the program itself, as an operator makes it.
func TestMosquittosPasswordFile(t *testing.T) {
	program := mosquittotest.Look(t, "mosquitto_passwd")
	name := filepath.Join(t.TempDir(), "operators")
	if err := os.WriteFile(name, []byte("carl:in clear before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-U", name}, {"-b", name, "ada", "correct horse: battery"}, {"-b", "-H", "sha512-pbkdf2", name, "bob", "übung"}} {
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd %q: %v\n%s", args, err, out)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := passwordFile(t, string(data))
	for _, test := range []struct {
		login, password string
		ok              bool
	}{
		{"ada", "correct horse: battery", true},
		{"bob", "übung", true},
		{"carl", "in clear before", true},
		{"ada", "correct horse", false},
		{"ada", "übung", false},
		{"Ada", "correct horse: battery", false},
		{"nobody", "correct horse: battery", false},
	} {
		id, err := f.Authenticate(t.Context(), login(test.login, test.password))
		if test.ok != (err == nil) || test.ok && (id.User != test.login || id.By != auth.KindPasswordFile || f.Recheck(id) != nil) {
			t.Errorf("%s, %q: %v, %v", test.login, test.password, id.User, err)
		}
		if !test.ok {
			checkReason(t, id, err, "login or passcode is not right")
		}
	}
}

// What stands in no password file: an empty one lets in nobody, and nothing is no login.
func TestNoLogin(t *testing.T) {
	empty := passwordFile(t, "")
	full := passwordFile(t, passwordLine(t, "ada", "x", 1))
	for _, test := range []struct {
		f    *auth.PasswordFile
		c    auth.Credentials
		want string
	}{
		{auth.NewPasswordFile(), login("ada", "x"), "there are no logins"},
		{empty, login("ada", "x"), "there are no logins"},
		{full, login("ada", ""), "no login and passcode"},
		{full, login("", "x"), "no login and passcode"},
		{full, auth.Credentials{Token: "x", Login: "ada", Passcode: "x"}, "no login and passcode"},
		{full, login("ada", strings.Repeat("x", 16<<10+1)), "login or passcode is too long"},
	} {
		id, err := test.f.Authenticate(t.Context(), test.c)
		checkReason(t, id, err, test.want)
	}
}

// A new password and a login that has gone end what they let in; others stay.
func TestRecheckOfPasswords(t *testing.T) {
	f := passwordFile(t, passwordLine(t, "ada", "x", 1)+passwordLine(t, "bob", "y", 1)+passwordLine(t, "eve", "z", 1))
	var ids []auth.Identity
	for _, c := range []auth.Credentials{login("ada", "x"), login("bob", "y"), login("eve", "z")} {
		id, err := f.Authenticate(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	logins, _ := auth.ParsePasswords([]byte(passwordLine(t, "ada", "x", 1) + passwordLine(t, "bob", "new", 1)))
	f.Use(logins)
	for i, stays := range []bool{true, false, false} {
		if err := f.Recheck(ids[i]); stays != (err == nil) {
			t.Errorf("%s: %v", ids[i].User, err)
		}
	}
	if _, err := f.Authenticate(t.Context(), login("bob", "y")); err == nil {
		t.Error("the old password is still good")
	}
	if f.Recheck(auth.Identity{User: "ada", By: auth.KindJWT}) == nil {
		t.Error("somebody else's identity is accepted")
	}
}

// Who guesses has to wait, and keeps nobody out who is elsewhere.
func TestGuessingPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := passwordFile(t, passwordLine(t, "ada", "x", 1))
		computed := f.Slow(0)
		for i := range 10 {
			if _, err := f.Authenticate(t.Context(), login("ada", fmt.Sprint(i))); errors.Is(err, auth.ErrTooManyTries) {
				t.Fatalf("try %d: %v", i, err)
			}
		}
		if _, err := f.Authenticate(t.Context(), login("ada", "x")); !errors.Is(err, auth.ErrTooManyTries) {
			t.Errorf("after 10 failures: %v", err)
		}
		if n := computed.Load(); n != 10 {
			t.Errorf("%d hashes were computed, want 10", n)
		}
		elsewhere := login("ada", "x")
		elsewhere.Remote = netip.MustParseAddr("192.0.2.2")
		if _, err := f.Authenticate(t.Context(), elsewhere); err != nil {
			t.Errorf("elsewhere: %v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := f.Authenticate(t.Context(), login("ada", "x")); err != nil {
			t.Errorf("after half a minute: %v", err)
		}
	})
}

// Wrong passwords take a tenth of a core in the long run, whoever tries: hashes are computed one at a
// time, three seconds of it at once, and few wait. Right ones do not count.
func TestCostOfPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := passwordFile(t, passwordLine(t, "ada", "x", 1))
		const cost = 100 * time.Millisecond
		f.Slow(cost)
		began := time.Now()
		for i := range 60 {
			c := login(fmt.Sprint("name ", i), "wrong")
			c.Remote = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			if _, err := f.Authenticate(t.Context(), c); err == nil || errors.Is(err, auth.ErrTooManyTries) {
				t.Fatalf("try %d: %v", i, err)
			}
			want := max(time.Duration(i)*cost, time.Duration(i)*10*cost-30*time.Second) + cost
			if got := time.Since(began); got != want {
				t.Errorf("try %d ends after %s, want %s", i, got, want)
			}
		}

		time.Sleep(time.Hour)
		began = time.Now()
		for i := range 200 {
			c := login("ada", "x")
			c.Remote = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			if _, err := f.Authenticate(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(began); got != 200*cost {
			t.Errorf("200 right ones take %s", got)
		}
	})
}

// When many try at once, few wait and the others are refused.
func TestFewPasswordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := passwordFile(t, passwordLine(t, "ada", "x", 1))
		computed := f.Slow(time.Second)
		var refused atomic.Int32
		var tries sync.WaitGroup
		for i := range 12 {
			tries.Go(func() {
				c := login("ada", "wrong")
				c.Remote = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
				if _, err := f.Authenticate(t.Context(), c); errors.Is(err, auth.ErrTooManyTries) {
					refused.Add(1)
				}
			})
		}
		tries.Wait()
		if computed.Load() != 8 || refused.Load() != 4 {
			t.Errorf("%d hashes were computed and %d tries refused, want 8 and 4", computed.Load(), refused.Load())
		}
	})
}

// A right password is not computed again within a minute.
func TestRightPasswordIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := passwordFile(t, passwordLine(t, "ada", "x", 1))
		computed := f.Slow(0)
		for range 100 {
			if _, err := f.Authenticate(t.Context(), login("ada", "x")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := f.Authenticate(t.Context(), login("ada", "x")); err != nil || computed.Load() != 2 {
			t.Errorf("after a minute: %v, %d computations, want 2", err, computed.Load())
		}
	})
}

// Who does not wait for the answer has tried all the same.
func TestLeavingBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := passwordFile(t, passwordLine(t, "ada", "x", 1))
		f.Slow(time.Second)
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, err := f.Authenticate(ctx, login("ada", "wrong"))
			cancel()
			if i > 10 && !errors.Is(err, auth.ErrTooManyTries) {
				t.Fatalf("try %d: %v", i, err)
			}
		}
	})
}

// A hash is not printed: a weak password could be guessed from it.
func TestHashesAreNotPrinted(t *testing.T) {
	line := passwordLine(t, "ada", "x", 101)
	logins, _ := auth.ParsePasswords([]byte(line))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, logins); !strings.Contains(got, "ada:***") || strings.Contains(line, strings.Trim(got, "[]")) {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
