package auth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
)

// identityOf returns ann's identity with further claims, by those settings.
func identityOf(t *testing.T, c auth.JWTConfig, claims string) (auth.Providers, auth.Identity, error) {
	t.Helper()
	p := auth.Providers{jwtOf(t, c)}
	more := strings.TrimSuffix(strings.TrimPrefix(claims, "{"), "}")
	if more != "" {
		more = "," + more
	}
	id, err := p.Authenticate(t.Context(), auth.Credentials{Token: token(`{"sub":"ann","exp":1800000000` + more + `}`)})
	return p, id, err
}

// Groups are texts and whole numbers, where the claim's path leads; where it leads nowhere, that is
// said.
func TestGroups(t *testing.T) {
	tests := []struct {
		name, claim, separator, claims string
		want                           []string
		lacking                        string
	}{
		{"text", "groups", "", `{"groups":"sales"}`, []string{"sales"}, ""},
		{"list", "groups", "", `{"groups":["sales","support","sales"]}`, []string{"sales", "support"}, ""},
		{"whole numbers", "groups", "", `{"groups":[12,15,-1,12.0,1e2,9007199254740993]}`, []string{"12", "15", "-1", "100", "9007199254740993"}, ""},
		{"one number", "groups", "", `{"groups":12}`, []string{"12"}, ""},
		{"path", "realm_access.roles", "", `{"realm_access":{"roles":["sales"]}}`, []string{"sales"}, ""},
		{"long path", `resource_access."my.client".roles`, "", `{"resource_access":{"my.client":{"roles":["sales"]}}}`, []string{"sales"}, ""},
		{"name with dots in quotes", `"https://example.org/roles"`, "", `{"https://example.org/roles":["sales"]}`, []string{"sales"}, ""},
		{"name with dots as it is", `https://example.org/roles`, "", `{"https://example.org/roles":["sales"]}`, []string{"sales"}, ""},
		{"the whole name comes first", `a.b`, "", `{"a.b":"one","a":{"b":"two"}}`, []string{"one"}, ""},
		{"in quotes there is no path", `"a.b"`, "", `{"a":{"b":"two"}}`, nil, `claim "a.b": the token has no claim a.b`},
		{"name with a colon", "cognito:groups", "", `{"cognito:groups":["sales"]}`, []string{"sales"}, ""},
		{"commas", "groups", ",", `{"groups":"sales, support,,"}`, []string{"sales", "support"}, ""},
		{"spaces", "scope", " ", `{"scope":"read  write"}`, []string{"read", "write"}, ""},
		{"text that is not split", "groups", "", `{"groups":"sales,support"}`, []string{"sales,support"}, ""},
		{"list is not split", "groups", ",", `{"groups":["sales,support"]}`, []string{"sales,support"}, ""},

		{"no claim", "groups", "", `{}`, nil, "claim groups: the token has no claim groups"},
		{"path ends early", "realm_access.roles", "", `{"realm_access":{"rolls":[]}}`, nil, "claim realm_access.roles: realm_access has no claim roles"},
		{"path meets a text", "realm_access.roles", "", `{"realm_access":"x"}`, nil, "claim realm_access.roles: realm_access is text, not an object"},
		{"path meets a list", "a.b", "", `{"a":[{"b":"x"}]}`, nil, "claim a.b: a is a list, not an object"},
		{"object", "groups", "", `{"groups":{"sales":true}}`, nil, "claim groups: it is an object, not text, a number or a list of these"},
		{"empty list", "groups", "", `{"groups":[]}`, nil, "claim groups: it is empty"},
		{"empty text", "groups", ",", `{"groups":""}`, nil, "claim groups: it is empty"},
		{"null", "groups", "", `{"groups":null}`, nil, "claim groups: it is null, not text, a number or a list of these"},
		{"true", "groups", "", `{"groups":[true,"sales"]}`, []string{"sales"}, "claim groups: it holds true or false that is no group's name"},
		{"fraction", "groups", "", `{"groups":[1.5,"sales"]}`, []string{"sales"}, "claim groups: it holds a number that is no group's name"},
		{"list in a list", "groups", "", `{"groups":[["sales"]]}`, nil, "claim groups: it holds a list that is no group's name"},
		{"none is asked for", "", "", `{"groups":"sales"}`, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config()
			c.GroupsClaim, c.GroupsSeparator = tt.claim, tt.separator
			p, id, err := identityOf(t, c, tt.claims)
			if err != nil {
				t.Fatal(err)
			}
			got := auth.Chain{auth.Tokens{}, p}.Groups(id)
			if diff := cmp.Diff(auth.Groups{Names: tt.want, Lacking: tt.lacking}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The user and the required claims may stand within others too.
func TestPathsOfClaims(t *testing.T) {
	tests := []struct {
		name, user, required string
		claims               string
		want                 string // the user, or the reason
	}{
		{"user within", "person.name", "", `{"person":{"name":"bob"}}`, "bob"},
		{"user is a number within", "person.id", "", `{"person":{"id":7}}`, "7"},
		{"no user there", "person.name", "", `{"person":{}}`, `token names no user in claim "person.name"`},
		{"user is an object", "person", "", `{"person":{"name":"bob"}}`, `token names no user in claim "person"`},
		{"required within", "", "realm_access.roles=chat", `{"realm_access":{"roles":["x","chat"]}}`, "ann"},
		{"required is not there", "", "realm_access.roles=chat", `{"realm_access":{"roles":["x"]}}`, `token has another "realm_access.roles" than is asked for`},
		{"required in quotes", "", `"https://example.org/a=b"=c=d`, `{"https://example.org/a=b":"c=d"}`, "ann"},
		{"required is a number", "", "level.n=3", `{"level":{"n":3}}`, "ann"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config()
			c.UserClaim = tt.user
			if tt.required != "" {
				required, err := auth.ParseRequiredClaim(tt.required)
				if err != nil {
					t.Fatal(err)
				}
				c.RequiredClaims = []auth.RequiredClaim{required}
			}
			_, id, err := identityOf(t, c, tt.claims)
			got := id.User
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheckClaim(t *testing.T) {
	for path, ok := range map[string]bool{
		"groups": true, "a.b.c": true, `"a.b".c`: true, `a."b.c"`: true, "cognito:groups": true, "https://example.org/roles": true, "a b": true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, `"a`: false, `""`: false, `"a"b`: false, `a"b`: false, "a,b": false, `"a,b"`: true,
	} {
		if err := auth.CheckClaim(path); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, bad := range []string{"", "a", "a=", "=b", `"a=b`, "a.=b"} {
		if _, err := auth.ParseRequiredClaim(bad); err == nil {
			t.Errorf("%s is taken for a required claim", bad)
		}
	}
}

// Claims that a token is made with come where their paths say, and the token is accepted.
func TestSignWithClaims(t *testing.T) {
	var s auth.ClaimSet
	for _, c := range []struct {
		path  string
		value any
	}{{"groups", "sales"}, {"groups", "support"}, {"realm_access.roles", []any{"a", "b"}}, {`"https://example.org/x"`, true}, {"iss", "me"}} {
		if err := s.Set(c.path, c.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("groups.more", "x"); err == nil {
		t.Error("a list has got a claim")
	}
	c := config()
	c.UserClaim, c.Issuers, c.Audiences = "person.name", []string{"you", "me"}, []string{"web", "ios"}
	c.RequiredClaims = []auth.RequiredClaim{{Name: "realm_access.level", Value: "3"}}
	value, err := c.Sign(auth.Grant{User: "ann", TTL: 1e12, Claims: s.Claims})
	if err != nil {
		t.Fatal(err)
	}
	id, err := authenticate(t, c, value)
	if err != nil || id.User != "ann" {
		t.Fatalf("got %v, %v", id, err)
	}
	want := map[string]any{"person": map[string]any{"name": "ann"}, "groups": []any{"sales", "support"}, "iss": "me", "aud": "web", "https://example.org/x": true,
		"realm_access": map[string]any{"roles": []any{"a", "b"}, "level": "3"}, "iat": json.Number("1700000000"), "exp": json.Number("1700001000")}
	if diff := cmp.Diff(want, id.Claims); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
