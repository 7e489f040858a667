package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

const canary = "hunter22hunter22hunter22hunter22"

// TestSecretIsNeverPrinted prints a secret and a configuration that holds some in every way there
// is.
func TestSecretIsNeverPrinted(t *testing.T) {
	hashes, err := os.ReadFile("testdata/good/files/operators")
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, write(t, "config.yaml", "broker: {password: "+canary+"}\nauth: {jwt: {secret: "+canary+"}}\n"),
		"BRIDGE_OPS_LOGIN_PASSWORD_FILE=testdata/good/files/operators")
	if string(c.Broker.Password) != canary || string(c.Auth.JWT.Secret[0]) != canary {
		t.Fatal("the secrets were not loaded")
	}
	var out bytes.Buffer
	for _, v := range []any{c.Ops.Login.Passwords, c.Ops.Login.Passwords[0], c.Broker.Password, &c.Broker.Password, c.Auth.JWT.Secret, c.Broker, *c, c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%e"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	fmt.Fprintln(&out, c.Broker.Password.String(), c.Broker.Password.GoString(), c.Broker.Password.LogValue())
	hex := fmt.Sprintf("%x", canary)
	if got := out.String(); strings.Contains(got, canary) || strings.Contains(strings.ToLower(got), hex) || !strings.Contains(got, "***") {
		t.Error("a secret was printed")
	}
	for _, field := range strings.FieldsFunc(string(hashes), func(r rune) bool { return r == '$' || r == '\n' }) {
		if len(field) > 10 && strings.Contains(out.String(), field) {
			t.Errorf("a part of a hash was printed: %s", field)
		}
	}
}

// wrongAroundSecrets are files that are wrong around a secret.
var wrongAroundSecrets = []string{
	"broker: {password: hunter22: x}\n",
	"broker:\n  password: hunter22: hunter22\n",
	"broker:\n  password: 'hunter22\n  username: x\n",
	"broker:\n  password: *hunter22\n",
	"broker:\n  password: @hunter22\n",
	"broker:\n  password: `hunter22`\n",
	"broker:\n  password: hunter22\n hunter22\n",
	"broker:\n  password: [hunter22]\n  log:\n",
	"broker:\n  password: {hunter22: hunter22}\n",
	"broker:\n  password: >\n    hunter22\n    hunter22\n  x: y\n",
	"broker:\n  password: |\n    hunter22\n   hunter22: a\n",
	"broker:\n  passwort: hunter22: hunter22\n",
	"broker:\n  \"password\": hunter22: hunter22\n",
	"broker:\n  password : hunter22: hunter22\n",
	"broker:\n\tpassword: hunter22\n",
	"broker:\n  password:\n    hunter22: hunter22: x\n",
	"broker: {url: 'mqtt://u:hunter22@host'}\n",
	"broker: {url: [mqtt://u:hunter22@host, x]}\n",
	"broker: {url: 'mqtt://u:hunter22@ho st:x'}\n",
	"broker: {urls: [mqtt://u:hunter22@host, x]}\n",
	"broker:\n  url: mqtt://u:hunter22@host: 1\n",
	"auth: {jwt: hunter22}\n",
	"auth: hunter22\n",
	"auth: [hunter22]\n",
	"auth:\n  jwt:\n    secret: hunter22\n",
	"auth:\n  jwt:\n    secret:\n    - hunter22\n    - hunter22: x: y\n",
	"auth:\n  jwt:\n    secret:\n    - hunter22\n    - 'hunter22\n    - x\n",
	"auth:\n  jwt:\n    secret: ${hunter22 x}\n",
	"auth:\n  jwt:\n    secret: ${X:hunter22}\n",
	"auth:\n  jwt:\n    secret: ${X:-hunter22}\n",
	"auth:\n  jwt:\n    secret: ${X:-hunter22\n",
	"auth:\n  jwt: {secret_encoding: base64, secret: hunter22-----!}\n",
	"secret: hunter22\n",
	"jwt_secret: hunter22\n",
	"token: hunter22\n",
	"auth: {jwt: {secret: *hunter22}}\n",
	"hunter22hunter22\n",
	"- hunter22hunter22\n",
	"'': {log: {level: info}}\n",
	"'': &a {'': *a}\n",
	"log: {level: x} # \u2028\nbroker:\n  password: hunter22\n",
	"broker: # \u0085\n  password: hunter22\n  client_id: []\n",
	"broker: # \u2029\n  client_id: []\n  password: hunter22\n",
	"broker: # \u2029\n  client_id: a: b\n  password: hunter22\n",
	"passwords: &p\n  hunter22\nlog: *p\n",
	"auth:\n  jwt:\n    hmac_key: hunter22\n",
	"auth:\n  jwt:\n    hmac_key: hunter22: x\n",
	"auth:\n  jwt:\n    hmac_key: 'hunter22\n    x\n",
	"auth:\n  jwt:\n    hmac_key: *hunter22\n",
	"auth:\n  jwt:\n    hmac_key: [hunter22, {x: hunter22}\n",
	"auth: {jwt: {hmac_key: hunter22, issuer: [}}\n",
	"auth: {jwt: {\nhmac_key: hunter22: x}}\n",
	"auth: {jwt: {\nissuer: a, hmac_key: hunter22: x}}\n",
	"auth: {jwt: {hmac_key: 'hun\nhunter22', algorithm: x}}\n",
	"auth:\n  jwt:\n    hmac_key: \"x\nhunter22\"\n    algorithm: x\n",
	"auth:\n  jwt:\n    hmac_key:\n      x\n      hunter22\n    algorithm: x\n",
	"auth:\n  hunter22 key: hunter22\n",
	"\"hunter22 hunter22\": {x: y}\n",
	"auth:\n  jwt: {<<: hunter22}\n",
	"auth:\n  jwt: {<<: {key: hunter22, algorithm: x}}\n",
	"x: &x {key: hunter22, algorithm: hunter22}\nauth: {jwt: {<<: *x}}\n",
	"<<: {auth: {key: hunter22}, log: {level: x}}\n",
	"log: {level: &s hunter22}\nauth: {jwt: {secret: *s}}\n",
	"log: {level: &s hunter22}\nauth: {jwt: {key: [*s]}}\n",
	"auth:\n  jwt:\n    algorithm: hunter22\n    secret_encoding: hunter22\n",
	"auth:\n  jwt:\n    secret_file: hunter22\n",
	"auth:\n  jwt:\n    secret_file: [hunter22/hunter22, \"hunter22\\0\"]\n",
	"auth:\n  jwt:\n    secret_file: " + strings.Repeat("hunter22", 40) + "\n",
	"auth:\n  jwt:\n    public_key_file: hunter22\n    jwks_ca_file: hunter22\n",
	"auth:\n  jwt:\n    jwks_url: hunter22://x\n",
	"auth:\n  tokens_file: hunter22\n",
	"auth:\n  broker: {cache: hunter22, pass: hunter22}\n",
	"ops:\n  login:\n    password_file: hunter22\n    required_claims: role=operator\n",
	"ops:\n  login: {password: hunter22, passwords: [hunter22]}\n",
	"ops:\n  login: hunter22\n",
	"journal:\n  nats: {url: nats://n, username: u, password_file: hunter22}\n",
	"broker: {url: hunter22, keepalive: hunter22}\n",
	"broker: {url: 'mqtt://u%3Ahunter22%40h'}\n",
	"broker: {username: \"hunter22\\0\"}\n",
	"broker: {ca_file: hunter22, cert_file: hunter22, key_file: hunter22, password_file: hunter22}\n",
	"broker:\n  password: hunter22\xe9\n",
	"broker:\n  pass: hunter22\x07\n",
	"broker:\n  password: #hunter22\n",
	"broker:\n  password: &hunter22\n",
	"broker:\n  password: !secret hunter22\n",
	"broker:\n  password: !hunter22\n",
	"broker:\n  password: ${hunter22\n",
	"broker: {client_id: a[0], password: hunter22}\n",
	"broker: {client_id: f(a, b), keepalive: x, y, password: hunter22}\n",
	"auth: {jwt: {issuer: a, b, secret: hunter22}, jwks_url: }\n",
	"broker:\n  password:hunter22\n  client_id: x\n",
	"broker:\n  client_id: {\n    x: y[0],\n    password: hunter22 }\n",
	"key: |\n hunter22\n\nlog: {level: x}\n",
	"rules:\n  - password: hunter22: x\n",
	"rules:\n  - topic: {x: y, password: hunter22: x}\n",
	"rules:\n  - {name: x,\n     'token' : 'hunter22: x\n",
	"rules:\n  - topic: mqtt://u:hunter22@host: x\n",
}

// TestProblemsShowNoSecret loads files that are wrong around a secret.
func TestProblemsShowNoSecret(t *testing.T) {
	for _, text := range wrongAroundSecrets {
		t.Run("", func(t *testing.T) {
			c, problems := config.Load(write(t, "config.yaml", text), nil)
			if c != nil {
				t.Fatalf("%q loads without a mistake", text)
			}
			if got := texts(problems); strings.Contains(got, "hunter22") {
				t.Errorf("%s\nshows the secret:\n%s", text, got)
			}
		})
	}
}

func TestVariablesShowNoSecret(t *testing.T) {
	file := write(t, "config.yaml", "auth: {jwt: {secret: '${S}', issuer: '${S:?}'}}\nbroker: {url: '${U}'}\n")
	for _, environ := range [][]string{
		{"S=hunter22", "U=mqtt://u:hunter22@h"},
		{"S=", "BRIDGE_BROKER_URL=x,mqtt://u:hunter22@h"},
		{"S=hunter22", "U=", "BRIDGE_AUTH_JWT_SECRET=hunter22", "BRIDGE_AUTH_JWT_SECERT=hunter22", "BRIDGE_X=hunter22"},
		{"S=hunter22", "U=", "BRIDGE_BROKER_PASSWORD=hunter22", "BRIDGE_BROKER_PASSWORD_FILE=/none"},
		{"S=hunter22", "U=", "BRIDGE_AUTH_JWT_SECRET_FILE=hunter22", "BRIDGE_AUTH_JWT_ALGORITHM=HS256,hunter22"},
		{"S=hunter22", "U=hunter22", "BRIDGE_BROKER_KEEPALIVE=hunter22", "BRIDGE_BROKER_CA_FILE=/hunter22"},
	} {
		c, problems := config.Load(file, environ)
		if got := texts(problems); c != nil || strings.Contains(got, "hunter22") {
			t.Errorf("%q: loaded: %t, said:\n%s", environ, c != nil, got)
		}
	}
}

// FuzzLoad looks for panics, and for a secret that is shown.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data), "")
		}
	}
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Contains(text, "include") || strings.Contains(text, "_file") || len(text) > 1<<14 {
			return // what is on the machine does not matter here
		}
		putFile(t, path, text+"\nauth: {jwt: {secret: "+canary+"short}}\n")
		c, problems := config.Load(path, []string{"V=" + value, "BRIDGE_BROKER_PASSWORD=" + canary, "BRIDGE_LOG_LEVEL=" + value})
		for _, p := range problems {
			if p.File == "" || p.Line < 1 || p.Column < 1 || p.Width < 1 {
				t.Errorf("a problem without a place: %#v", p)
			}
		}
		if strings.Contains(texts(problems), canary) && !strings.Contains(text+value, canary) {
			t.Errorf("the secret is shown:\n%s", texts(problems))
		}
		if c != nil && c.Hash == "" {
			t.Error("no hash")
		}
	})
}
