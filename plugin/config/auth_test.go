package config_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
)

// The kinds of authenticators are tried in the order of the file, those of variables after them.
func TestKinds(t *testing.T) {
	here, err := filepath.Abs("testdata/good/files")
	if err != nil {
		t.Fatal(err)
	}
	static := "tokens_file: " + here + "/tokens"
	tests := []struct {
		name, file string
		environ    []string
		want       []auth.Kind
	}{
		{name: "none", file: "auth: {broker: {cache: 1s}, anonymous: false}\n"},
		{name: "one", file: "auth: {jwt: {secret: " + goodSecret + "}}\n", want: []auth.Kind{auth.KindJWT}},
		{name: "order of the file", file: "auth:\n  anonymous: true\n  " + static + "\n  broker: {enabled: true}\n  jwt: {secret: " + goodSecret + "}\n",
			want: []auth.Kind{auth.KindAnonymous, auth.KindTokensFile, auth.KindBroker, auth.KindJWT}},
		{name: "variables come last, in the order of the reference", file: "auth:\n  anonymous: true\n",
			environ: []string{"BRIDGE_AUTH_TOKENS_FILE=" + here + "/tokens", "BRIDGE_AUTH_BROKER_ENABLED=true", "BRIDGE_AUTH_JWT_SECRET=" + goodSecret},
			want:    []auth.Kind{auth.KindAnonymous, auth.KindJWT, auth.KindBroker, auth.KindTokensFile}},
		{name: "a variable for what stands in the file", file: "auth:\n  broker: {cache: 1s}\n  anonymous: true\n  jwt:\n",
			environ: []string{"BRIDGE_AUTH_BROKER_ENABLED=true", "BRIDGE_AUTH_JWT_SECRET=" + goodSecret},
			want:    []auth.Kind{auth.KindBroker, auth.KindAnonymous, auth.KindJWT}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, write(t, "config.yaml", tt.file), tt.environ...)
			if diff := cmp.Diff(tt.want, slices.Clip(c.Auth.Kinds), onlySettings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := c.CanServe(); (err != nil) != (len(tt.want) == 0) {
				t.Errorf("CanServe: %v", err)
			}
		})
	}
	swapped := func(file string) string { return mustLoad(t, write(t, "config.yaml", file)).Hash }
	if swapped("auth:\n  anonymous: true\n  "+static+"\n") == swapped("auth:\n  "+static+"\n  anonymous: true\n") {
		t.Error("the order has no part in the hash")
	}
}

// Public keys and tokens are read with the configuration, so that they change with it or not at
// all, and are watched.
func TestAuthFiles(t *testing.T) {
	c := mustLoad(t, write(t, "config.yaml", ""), "BRIDGE_AUTH_JWT_PUBLIC_KEY_FILE=testdata/good/files/rsa.pem,testdata/good/files/cert.pem",
		"BRIDGE_AUTH_JWT_ALGORITHM=RS256,ES256", "BRIDGE_AUTH_TOKENS_FILE=testdata/good/files/tokens")
	authority := mustLoad(t, write(t, "config.yaml", ""), "BRIDGE_AUTH_JWT_JWKS_URL=https://id.example.org/jwks.json", "BRIDGE_AUTH_JWT_ALGORITHM=RS256",
		"BRIDGE_AUTH_JWT_JWKS_CA_FILE=testdata/good/files/cert.pem")
	if authority.Auth.JWT.JWKSCAs == nil || !slices.ContainsFunc(authority.Files, func(f string) bool { return filepath.Base(f) == "cert.pem" }) {
		t.Errorf("the authorities are %v, read from %q", authority.Auth.JWT.JWKSCAs, authority.Files)
	}
	if len(c.Auth.JWT.PublicKeys) != 2 || len(c.Auth.Tokens) != 1 || c.Auth.Tokens[0].Name != "reports" {
		t.Errorf("got %d keys and the tokens %v", len(c.Auth.JWT.PublicKeys), c.Auth.Tokens)
	}
	for _, name := range []string{"rsa.pem", "cert.pem", "tokens"} {
		if !slices.ContainsFunc(c.Files, func(f string) bool { return filepath.Base(f) == name }) {
			t.Errorf("Files lacks %s: %q", name, c.Files)
		}
	}
}

// A variable for one source of keys replaces the other ones of the file.
func TestSourceOfKeysByVariable(t *testing.T) {
	file := write(t, "config.yaml", "auth: {jwt: {secret: "+goodSecret+"}}\n")
	c := mustLoad(t, file, "BRIDGE_AUTH_JWT_JWKS_URL=https://id.example.org/jwks.json", "BRIDGE_AUTH_JWT_ALGORITHM=RS256")
	if len(c.Auth.JWT.Secret) != 0 || c.Auth.JWT.JWKSURL == "" {
		t.Error("the variable did not replace the secret of the file")
	}
}

// auth.jwt is one provider or a list of them, each with keys and claims of its own.
func TestProviders(t *testing.T) {
	here, err := filepath.Abs("testdata/good/files")
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, write(t, "config.yaml", `
auth:
  groups_claim: teams
  groups_separator: ","
  jwt:
    - issuer: https://id.example.org/realms/inbox
      jwks_url: https://id.example.org/jwks.json
      algorithm: [RS256, ES256]
      audience: [web, ios, "${NOT_SET:-}"]
      user_claim: preferred_username
      groups_claim: realm_access.roles
    - issuer: [https://partners.example.org, https://partners.example.net]
      public_key_file: `+here+`/rsa.pem
      algorithm: RS256
      user_prefix: "partner:"
    - secret: ${SERVICES}
    - jwks_url: https://id.example.org/jwks.json
      algorithm: RS256
`), "SERVICES="+goodSecret)
	got := c.Auth.Providers
	if len(got) != 4 || len(got[1].PublicKeys) != 1 || len(got[2].Secret) != 1 {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []config.JWT{
		{Name: "https://id.example.org/realms/inbox", UserClaim: "preferred_username", GroupsClaim: "realm_access.roles", GroupsSeparator: ",", Audience: []string{"web", "ios"}},
		{Name: "https://partners.example.org", UserClaim: "sub", UserPrefix: "partner:", GroupsClaim: "teams", GroupsSeparator: ","},
		{Name: "provider 3", UserClaim: "sub", GroupsClaim: "teams", GroupsSeparator: ","},
		{Name: "https://id.example.org/jwks.json", UserClaim: "sub", GroupsClaim: "teams", GroupsSeparator: ","},
	} {
		p := config.JWT{Name: got[i].Name, UserClaim: got[i].UserClaim, UserPrefix: got[i].UserPrefix, GroupsClaim: got[i].GroupsClaim,
			GroupsSeparator: got[i].GroupsSeparator, Audience: got[i].Audience}
		if diff := cmp.Diff(want, p, onlySettings); diff != "" {
			t.Errorf("provider %d (-want +got):\n%s", i+1, diff)
		}
	}
	if diff := cmp.Diff([]auth.Kind{auth.KindJWT}, c.Auth.Kinds); diff != "" {
		t.Errorf("the kinds (-want +got):\n%s", diff)
	}
	none := mustLoad(t, write(t, "config.yaml", "auth: {jwt: [], anonymous: true}\n"))
	if len(none.Auth.Providers) != 0 || none.CanServe() != nil {
		t.Errorf("an empty list: %v, %v", none.Auth.Providers, none.CanServe())
	}
}

// Each provider's settings have a part in the hash, and its secret has none.
func TestHashOfProviders(t *testing.T) {
	hash := func(issuer, secret string) string {
		return mustLoad(t, write(t, "config.yaml", "auth: {jwt: [{secret: "+goodSecret+"}, {issuer: "+issuer+", secret: "+secret+"}]}\n")).Hash
	}
	if hash("a", goodSecret) == hash("b", goodSecret) {
		t.Error("the second provider's issuer has no part in the hash")
	}
	if hash("a", goodSecret) != hash("a", goodSecret+"x") {
		t.Error("a secret has a part in the hash")
	}
}
