package mapping_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// access compiles the access section of one YAML file, in which there is no mistake.
func access(t testing.TB, text string) *mapping.Access {
	t.Helper()
	var report source.Report
	s := mapping.ParseSource("config.yaml", []byte(text), &report)
	a := mapping.CompileAccess([]mapping.Source{s}, &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return a
}

// claims decodes the claims of a token as the authenticator does.
func claims(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestNoAccess(t *testing.T) {
	for _, text := range []string{"", "tables: {a: {b: c}}"} {
		if a := access(t, text); a != nil {
			t.Errorf("%q: %+v", text, a)
		} else if ok, reason := a.Allow("/queue/message", "x", nil); !ok {
			t.Errorf("%q: %s", text, reason)
		}
	}
}

func TestAccessByQueue(t *testing.T) {
	a := access(t, `
access:
  - queue: /queue/message
    allow: '"inbox" in claims.roles'
  - queue: [/queue/unread-count, /queue/message]
    allow: user == "ada"
  - {queue: '*', allow: claims.admin}
  - {queue: /queue/channel/connected, allow: false}
`)
	type asked struct{ queue, user, claims string }
	for ask, want := range map[asked]string{
		{"/queue/message", "bob", `{"roles":["inbox","x"]}`}:   "",
		{"/queue/message", "ada", `{}`}:                        "",
		{"/queue/message", "bob", `{"admin":true}`}:            "",
		{"/queue/unread-count", "ada", `{}`}:                   "",
		{"/queue/channel/connected", "x", `{"admin":true}`}:    "",
		{"/queue/channel/disconnected", "x", `{"admin":true}`}: "",

		{"/queue/message", "bob", `{"roles":["other"],"admin":false}`}: "allow (config.yaml:4) is false, where claims.roles is a list; " +
			"allow (config.yaml:6) is false; allow (config.yaml:7) is false, where claims.admin is true or false",
		{"/queue/message", "bob", `{}`}: "allow (config.yaml:4) is false, where claims.roles is nothing; " +
			"allow (config.yaml:6) is false; allow (config.yaml:7) is false, where claims.admin is nothing",
		{"/queue/message", "bob", `{"roles":"inbox"}`}: "allow (config.yaml:4) cannot be evaluated: expression, where claims.roles is text; " +
			"allow (config.yaml:6) is false; allow (config.yaml:7) is false, where claims.admin is nothing",
		{"/queue/unread-count", "bob", `{"roles":["inbox"],"admin":"yes"}`}: "allow (config.yaml:6) is false; " +
			"allow (config.yaml:7) cannot be evaluated: not a condition, where claims.admin is text",
		{"/queue/channel/connected", "bob", `{}`}: "allow (config.yaml:7) is false, where claims.admin is nothing; allow (config.yaml:8) is false",
		{"/queue/other", "ada", `{"admin":true}`}: "no access entry is for /queue/other",
	} {
		ok, reason := a.Allow(ask.queue, ask.user, claims(t, ask.claims))
		if ok != (want == "") || reason != want {
			t.Errorf("%+v: %t, %q, want %q", ask, ok, reason, want)
		}
	}
	if ok, _ := a.Allow("/queue/message", "ada", nil); !ok {
		t.Error("without claims: no")
	}
	if ok, _ := a.Allow("/queue/channel/connected", "ada", nil); ok {
		t.Error("without claims: yes")
	}
}

func TestAccessExpressions(t *testing.T) {
	const token = `{"sub":"7","level":3,"big":9007199254740993,"share":0.5,"ids":[1,2,9007199254740993],"aud":["a","b"],
		"realm_access":{"roles":["inbox"]},"scope":"read write","https://example.org/team":"sales","on":true,"none":null}`
	for allow, want := range map[string]bool{
		`claims.level == 3`:                             true,
		`claims.level >= 3`:                             true,
		`claims.level > 3`:                              false,
		`claims.big == 9007199254740993`:                true,
		`claims.big == 9007199254740992`:                false,
		`claims.share == 0.5`:                           true,
		`9007199254740993 in claims.ids`:                true,
		`3 in claims.ids`:                               false,
		`any(claims.ids, # > 2)`:                        true,
		`"inbox" in claims.realm_access.roles`:          true,
		`"inbox" in claims.none.roles`:                  false,
		`"write" in split(claims.scope, " ")`:           true,
		`"x" in split(claims.missing, " ")`:             false,
		`claims["https://example.org/team"] == "sales"`: true,
		`claims[user] == nil`:                           true,
		`user in ["7", "8"]`:                            true,
		`user == claims.sub`:                            true,
		`user matches "^[0-9]+$"`:                       true,
		`table.staff[user] == "agent"`:                  true,
		`table.staff[claims.sub] == "agent"`:            true,
		`table.staff["8"] == nil`:                       true,
		`claims.on`:                                     true,
		`not claims.off`:                                true,
		`claims.off`:                                    false,
		`claims.none`:                                   false,
		`claims.missing < 3`:                            false, // refused
		`claims.scope > 3`:                              false,
		`int(claims.scope) == 1`:                        false,
		`claims.realm_access == claims.realm_access`:    true,
		`true`:                         true,
		`let u = claims.level; u == 3`: true,
		`len(claims) == 11 and "sub" in keys(claims)`:     true,
		`all(claims.missing, # == "x")`:                   true, // as everywhere: of no elements
		`claims.level == "3" or claims.sub == 7`:          false,
		`string(claims.level) == "3" and claims.sub=="7"`: true,
	} {
		a := access(t, "tables:\n  staff: {'7': agent}\naccess:\n  - queue: '*'\n    allow: |\n      "+allow+"\n")
		if ok, reason := a.Allow("/queue/message", "7", claims(t, token)); ok != want || ok != (reason == "") {
			t.Errorf("%s: %t, %q", allow, ok, reason)
		}
	}
}

// The reason of a no is logged: nothing of a token may stand in it.
func TestAccessReasonQuotesNothing(t *testing.T) {
	token := claims(t, `{"text":"swordfish","list":["swordfish"],"object":{"swordfish":"swordfish"},"number":31337}`)
	for _, allow := range []string{
		`int(claims.text) > 1`, `float(claims.text) > 1`, `time(claims.text, "2006") > claims.list`, `json(claims.text).a`, `claims.text`,
		`claims.list`, `claims.object`, `claims.number`, `claims.object.missing.deeper > 1`, `claims.text + 1 == 2`, `uuid(claims.text, "")=="x"`,
		`"x" in claims.text`, `claims.text in claims.number`, `claims[claims.text] > 3`, `table.t[claims.text] > 1`, `upper(claims.number) == ""`,
		`claims.number / 0 > claims.text`, `join(claims.list, claims.text) > claims.number`, `claims.text.x.y > 1`, `claims.object[claims.text]`, `round(claims.text) == 1`,
		`all(claims.text, # == 1)`, `claims.number ** 99999 > 1`, `len(claims.number) > 1`, `len(keys(claims.list)) > 1`, `claims.text matches "^$"`,
	} {
		a := access(t, "tables:\n  t: {a: b}\naccess:\n  - queue: '*'\n    allow: '"+allow+"'\n")
		ok, reason := a.Allow("/queue/message", "swordfish", token)
		if ok || reason == "" || strings.Contains(reason, "swordfish") || strings.Contains(reason, "31337") {
			t.Errorf("%s: %t, %q", allow, ok, reason)
		}
	}
}

func TestAccessDoesNotChangeClaims(t *testing.T) {
	a := access(t, `access: [{queue: '*', allow: 'claims.a[0] == 1 and claims.b.c == 2'}]`)
	token := claims(t, `{"a":[1],"b":{"c":2}}`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if ok, reason := a.Allow("/queue/message", "x", token); !ok {
					t.Error(reason)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(claims(t, `{"a":[1],"b":{"c":2}}`), token); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// A mistake in a table is reported once, although both the rules and access read the tables.
func TestAccessAndRulesShareTables(t *testing.T) {
	_, report := compile("rules.yaml", "tables:\n  bad name: {a: b}\naccess: [{queue: '*', allow: true}]\n")
	if n := len(report.Problems()); n != 1 {
		t.Errorf("%d problems: %v", n, report.Problems())
	}
}

func BenchmarkAccess(b *testing.B) {
	a := access(b, `access: [{queue: '*', allow: '"inbox" in claims.roles'}]`)
	token := claims(b, `{"sub":"ada","exp":1900000000,"iat":1800000000,"roles":["other","inbox"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if ok, reason := a.Allow("/queue/message", "ada", token); !ok {
			b.Fatal(reason)
		}
	}
}
