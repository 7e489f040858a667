package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// claimsIn returns the claims of a token, without its times.
func claimsIn(t *testing.T, token string) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(data, &claims); err != nil {
		t.Fatal(err)
	}
	delete(claims, "iat")
	delete(claims, "exp")
	return claims
}

// A token can be made with groups and other claims, so that access and audience can be tried.
func TestTokenWithClaims(t *testing.T) {
	s := prepareSidecar(t, "auth: {jwt: {audience: [web, ios], required_claims: [realm_access.tenant=acme]}}\n")
	file := filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(file, []byte(`{"groups":["x"],"level":3,"realm_access":{"azp":"web"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	acme := map[string]any{"tenant": "acme"}
	tests := []struct {
		name string
		args []string
		want map[string]any
	}{
		{"none", nil, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme}},
		{"a list", []string{"--claim", "groups=sales,support"}, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme, "groups": []any{"sales", "support"}}},
		{"one by one", []string{"--claim", "groups=sales", "--claim", "groups=support"}, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme, "groups": []any{"sales", "support"}}},
		{"a list of one", []string{"--claim", "groups=sales,"}, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme, "groups": []any{"sales"}}},
		{"numbers", []string{"--claim", "groups=12,15", "--claim", "level=3"}, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme, "groups": []any{12., 15.}, "level": 3.}},
		{"JSON", []string{"--claim", `x={"y":[true,null]}`, "--claim", `text="3"`}, map[string]any{"sub": "ann", "aud": "web", "realm_access": acme, "x": map[string]any{"y": []any{true, nil}}, "text": "3"}},
		{"a path", []string{"--claim", "realm_access.roles=agent", "--claim", `"https://example.org/x"=a=b`},
			map[string]any{"sub": "ann", "aud": "web", "realm_access": map[string]any{"tenant": "acme", "roles": "agent"}, "https://example.org/x": "a=b"}},
		{"a file", []string{"--claims", file, "--claim", "groups=sales", "--claim", "aud=ios"},
			map[string]any{"sub": "ann", "aud": "ios", "groups": "sales", "level": 3., "realm_access": map[string]any{"azp": "web", "tenant": "acme"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, token, told := s.command(append([]string{"token", "-u", "ann"}, tt.args...)...)
			if code != exitOK {
				t.Fatalf("code %d: %s", code, told)
			}
			if diff := cmp.Diff(tt.want, claimsIn(t, token)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-u", "ann", "--claim", "groups"}, `--claim: "groups" is not CLAIM=VALUE`},
		{[]string{"-u", "ann", "--claim", "a=1", "--claim", "a.b=2"}, "--claim: claim a.b: a claim that it should stand in is not an object"},
		{[]string{"-u", "ann", "--claim", "a..b=2"}, "--claim: a name in the path is empty"},
		{[]string{"-u", "ann", "--claims", "none.json"}, "--claims: open none.json: no such file"},
		{[]string{"-u", "ann", "--claims", s.config}, "is not a JSON object"},
		{[]string{"--hash", "x", "--claim", "a=1"}, "--claim and --claims need -u USER"},
		{[]string{"-u", "ann", "--explain", "x"}, "takes one of -u, --explain and --hash"},
		{[]string{"-u", "ann", "--claim", "realm_access=x"}, "claim realm_access.tenant: realm_access is text, not an object"},
	} {
		if code, _, told := s.command(append([]string{"token"}, tt.args...)...); code == exitOK || !strings.Contains(told, tt.want) {
			t.Errorf("%q: code %d, told %s, want %s", tt.args, code, told, tt.want)
		}
	}
}

// What a token is for the bridge can be asked, without a bridge.
func TestTokenIsExplained(t *testing.T) {
	s := prepareSidecar(t, "auth:\n  groups_claim: realm_access.roles\n  jwt:\n    - {issuer: people, secret: '"+bridgetest.Secret+"', user_prefix: 'id:'}\n"+
		"    - {issuer: services, secret: another-secret-of-thirty-two-bytes}\n")
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	explain := func(token string, wantCode int, want ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, shown, told := s.command("token", "--explain", file)
		for _, w := range want {
			if code != wantCode || !strings.Contains(shown, w) {
				t.Errorf("code %d, want %d and %q:\n%s%s", code, wantCode, w, shown, told)
			}
		}
		if strings.Contains(shown+told, strings.TrimPrefix(token, "Bearer ")) {
			t.Error("the token is shown")
		}
	}
	made := func(args ...string) string {
		t.Helper()
		code, token, told := s.command(append([]string{"token", "-u", "ann"}, args...)...)
		if code != exitOK {
			t.Fatal(told)
		}
		return strings.TrimSpace(token)
	}
	good := made("--claim", "realm_access.roles=sales,12")
	explain(good, exitOK, "alg       HS256\n", "iss       people\n", "claims    exp, iat, iss, realm_access.roles, sub\n",
		"provider  people\naccepted  yes\nuser      id:ann\nexpires   ", "groups    sales, 12\n")
	explain("Bearer "+good, exitOK, "accepted  yes\n")
	explain(made("--claim", "realm_access.rolls=sales"), exitOK, "accepted  yes\n", "lacking   claim realm_access.roles: realm_access has no claim roles\n")
	explain(made("--claim", "exp=1", "--claim", "realm_access.roles=sales"), exitFailure, "accepted  no: token expired\n", "groups    sales\n")
	explain(made("--claim", "iss=others"), exitFailure, "accepted  no: no provider in auth.jwt names this issuer\n")
	explain(made("--claim", "iss=services"), exitFailure, "provider  services\naccepted  no: signature is not valid\n")
	explain("ya29.a0AfH6SMBx-opaque_token", exitFailure, "accepted  no: token is opaque")
	if code, _, told := s.command("token", "--explain", "none"); code != exitFailure || !strings.Contains(told, "--explain: open none") {
		t.Errorf("code %d: %s", code, told)
	}
}

// listen can be somebody of a group.
func TestListenWithClaims(t *testing.T) {
	b := startDemoBroker(t)
	s := prepareSidecar(t, "auth: {groups_claim: realm_access.roles}\naccess:\n  - {queue: '*', allow: '\"agent\" in claims.realm_access.roles'}\n"+sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	s.start()
	s.waitReady()
	for claim, want := range map[string]int{"realm_access.roles=agent,": exitWaited, "realm_access.roles=guest,": exitFailure} {
		if code, _, told := s.command("listen", "-u", "ann", "--claim", claim, "-q", "/queue/message", "-W", "0.3"); code != want {
			t.Errorf("%s: code %d, want %d: %s", claim, code, want, told)
		}
	}
	if code, _, told := s.command("listen", "--claim", "a=b"); code != exitUsage || !strings.Contains(told, "need -u USER") {
		t.Errorf("code %d: %s", code, told)
	}
}
