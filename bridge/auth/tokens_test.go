package auth_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
)

const serviceToken = "R5XK2Q7D4WJ3N6ZVBTYHLMPCGA2SFE5U"

func hashed(t testing.TB, name, token string) auth.NamedHash {
	t.Helper()
	n, err := auth.HashToken(name, token)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseTokens(t *testing.T) {
	one, two := hashed(t, "reports", serviceToken), hashed(t, "a.b-c_d@1", serviceToken+"x")
	const malformed, notHash = "is not NAME:HASH", "the hash is not a SHA-256 in 64 hexadecimal digits"
	empty := sha256.Sum256(nil)
	tests := []struct {
		name, text string
		tokens     []auth.NamedHash
		errs       []auth.LineError
	}{
		{"nothing", "", nil, nil},
		{"two", one.String() + "\n" + two.String() + "\n", []auth.NamedHash{one, two}, nil},
		{"comments, blank lines, Windows lines", "\ufeff"[:0] + "# for all\r\n\r\n  # indented\r\n" + one.String() + "\r\n\t\r\n" + two.String(), []auth.NamedHash{one, two}, nil},
		{"upper case, spaces", " reports: " + strings.ToUpper(one.String()[8:]) + " \n", []auth.NamedHash{one}, nil},
		{"two of one name", one.String() + "\n" + hashed(t, "reports", serviceToken+"x").String() + "\n",
			[]auth.NamedHash{one, hashed(t, "reports", serviceToken+"x")}, nil},

		{"every mistake", strings.Join([]string{
			"hunter22", one.String(), "reports:hunter22", "reports:" + strings.Repeat("x", 64), "reports:" + strings.Repeat("0", 62),
			":" + one.String()[8:], "re ports:" + one.String()[8:], strings.Repeat("n", 65) + one.String()[7:],
			"other:" + one.String()[8:], auth.NamedHash{Name: "reports", Hash: empty}.String(), "-:" + one.String()[8:],
		}, "\n"), []auth.NamedHash{one}, []auth.LineError{
			{1, malformed}, {3, notHash}, {4, notHash}, {5, notHash},
			{6, "the name must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"},
			{7, "the name must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"},
			{8, "the name must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"},
			{9, "is the token of line 2 again"}, {10, "is the hash of an empty token"},
			{11, "the name must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens, errs := auth.ParseTokens([]byte(tt.text))
			if diff := cmp.Diff(tt.tokens, tokens); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.errs, errs); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHashToken(t *testing.T) {
	sum := sha256.Sum256([]byte(serviceToken))
	if diff := cmp.Diff(auth.NamedHash{Name: "reports", Hash: sum}, hashed(t, "reports", serviceToken)); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct{ name, token, want string }{
		{"reports", serviceToken[:31], "the token has 31 bytes: it needs at least 32, random ones"},
		{"reports", serviceToken[:31] + " ", "the token must be one word of printable ASCII, of at most 16384 bytes"},
		{"reports", serviceToken + "\n" + serviceToken, "the token must be one word of printable ASCII, of at most 16384 bytes"},
		{"reports", serviceToken + "é", "the token must be one word of printable ASCII, of at most 16384 bytes"},
		{"reports", strings.Repeat("x", 16<<10+1), "the token must be one word of printable ASCII, of at most 16384 bytes"},
		{"", serviceToken, `name "": must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit`},
		{"a:b", serviceToken, `name "a:b": must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit`},
	} {
		if _, err := auth.HashToken(tt.name, tt.token); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens := auth.Tokens{hashed(t, "reports", serviceToken), hashed(t, "backup", serviceToken+"x"), hashed(t, "reports", serviceToken+"y")}
	tests := []struct {
		name  string
		shown auth.Credentials
		user  string
		want  string
	}{
		{"first", auth.Credentials{Token: serviceToken}, "reports", ""},
		{"second", auth.Credentials{Token: serviceToken + "x"}, "backup", ""},
		{"last", auth.Credentials{Token: serviceToken + "y"}, "reports", ""},
		{"as passcode", auth.Credentials{Passcode: serviceToken}, "reports", ""},
		{"as passcode of its name", auth.Credentials{Passcode: serviceToken, Login: "reports"}, "reports", ""},
		{"as passcode of another", auth.Credentials{Passcode: serviceToken, Login: "backup"}, "", "login is not the token's user"},
		{"another", auth.Credentials{Token: serviceToken + "z"}, "", "token is not known"},
		{"the hash", auth.Credentials{Token: tokens[0].String()[8:]}, "", "token is not known"},
		{"the line", auth.Credentials{Token: tokens[0].String()}, "", "token is not known"},
		{"none", auth.Credentials{}, "", "no token"},
		{"too long", auth.Credentials{Token: strings.Repeat("x", 16<<10+1)}, "", "token is too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := tokens.Authenticate(t.Context(), tt.shown)
			checkError(t, err, tt.want)
			if id.User != tt.user || !id.Expires.IsZero() {
				t.Errorf("got %q, %v", id.User, id.Expires)
			}
			if err != nil {
				return
			}
			if err := tokens.Recheck(id); err != nil {
				t.Errorf("Recheck: %v", err)
			}
			var others auth.Tokens
			for _, n := range tokens {
				if n.Name != id.User {
					others = append(others, n)
				}
			}
			checkError(t, others.Recheck(id), "token is not known any more")
		})
	}
}
