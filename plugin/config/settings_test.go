package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/config"
)

// others has for every setting a value that is not its default. Paths are those of testdata/good.
var others = map[string]string{
	"log.level":                           "warn",
	"log.format":                          "json",
	"broker.url":                          "mqtts://broker.example.org:8884",
	"broker.client_id":                    "other",
	"broker.username":                     "bridge",
	"broker.password":                     "a, b",
	"broker.password_file":                "testdata/good/files/password",
	"broker.ca_file":                      "testdata/good/files/cert.pem",
	"broker.cert_file":                    "testdata/good/files/cert.pem",
	"broker.key_file":                     "testdata/good/files/key.pem",
	"broker.key_password":                 "for the key",
	"broker.key_password_file":            "testdata/good/files/password",
	"broker.server_name":                  "other.example.org",
	"broker.status":                       "false",
	"broker.insecure":                     "true",
	"broker.keepalive":                    "20s",
	"broker.session_expiry":               "48h",
	"broker.base_topic":                   "other/bridge",
	"server.listen":                       "0.0.0.0:8081",
	"server.path":                         "/other",
	"server.allowed_origins":              "https://a.example.org",
	"server.hosts":                        "inbox.example.org",
	"server.heartbeat":                    "20s",
	"server.cert_file":                    "testdata/good/files/cert.pem",
	"server.key_file":                     "testdata/good/files/key.pem",
	"server.client_ca_file":               "testdata/good/files/cert.pem",
	"server.trusted_proxies":              "10.0.0.0/8",
	"server.proxy_protocol":               "true",
	"server.limits.on_limit":              "end_oldest",
	"server.limits.unread_bytes":          "7MiB",
	"server.limits.sessions":              "7",
	"server.limits.sessions_per_user":     "7",
	"server.limits.sessions_per_address":  "7",
	"server.limits.connects_per_second":   "7",
	"server.limits.outgoing_bytes":        "7KiB",
	"server.limits.subscriptions":         "7",
	"server.limits.handshake_timeout":     "7s",
	"server.limits.write_timeout":         "7s",
	"server.limits.unauthenticated_bytes": "70KiB",
	"server.limits.message":               "70KiB",
	"server.limits.header_line":           "7KiB",
	"server.limits.headers":               "77",
	"server.limits.body":                  "7KiB",
	"auth.groups_claim":                   "roles",
	"auth.groups_separator":               ";",
	"auth.jwt.secret":                     strings.Repeat("a,", 32),
	"auth.jwt.secret_file":                "testdata/good/files/secret",
	"auth.jwt.secret_encoding":            "base64",
	"auth.jwt.public_key_file":            "testdata/good/files/rsa.pem",
	"auth.jwt.jwks_url":                   "https://id.example.org/jwks.json",
	"auth.jwt.jwks_insecure_http":         "true",
	"auth.jwt.jwks_ca_file":               "testdata/good/files/cert.pem",
	"auth.jwt.algorithm":                  "RS256",
	"auth.jwt.user_claim":                 "user_id",
	"auth.jwt.user_prefix":                "id:",
	"auth.jwt.groups_claim":               "realm_access.roles",
	"auth.jwt.groups_separator":           ";",
	"auth.jwt.issuer":                     "https://id.example.org",
	"auth.jwt.audience":                   "inbox",
	"auth.jwt.required_claims":            "tenant=acme",
	"auth.jwt.leeway":                     "7s",
	"auth.jwt.allow_no_expiry":            "true",
	"auth.broker.enabled":                 "true",
	"auth.broker.cache":                   "7s",
	"auth.broker.max_session":             "7h",
	"auth.broker.user_prefix":             "mqtt:",
	"auth.tokens_file":                    "testdata/good/files/tokens",
	"auth.anonymous":                      "true",
	"journal.dir":                         "testdata/journal",
	"journal.nats.url":                    "nats://nats-1:4223",
	"journal.nats.name":                   "other",
	"journal.nats.replicas":               "1",
	"journal.nats.id":                     "other",
	"journal.nats.username":               "bridge",
	"journal.nats.password_file":          "testdata/good/files/password",
	"journal.nats.credentials_file":       "testdata/good/files/password",
	"journal.nats.ca_file":                "testdata/good/files/cert.pem",
	"journal.nats.cert_file":              "testdata/good/files/cert.pem",
	"journal.nats.key_file":               "testdata/good/files/key.pem",
	"journal.nats.server_name":            "other.example.org",
	"journal.nats.monitor_url":            "http://nats-1:8222",
	"journal.max_age":                     "7h",
	"journal.max_bytes":                   "7MiB",
	"journal.latest.max_keys":             "7",
	"journal.latest.max_age":              "7h",
	"ops.listen":                          "127.0.0.1:9465",
	"ops.hosts":                           "bridge.example.org",
	"ops.show_payloads":                   "true",
	"ops.trail":                           "5MiB",
	"ops.console":                         "false",
	"ops.login.password_file":             "testdata/good/files/operators",
	"ops.login.required_claims":           "role=operator",
	"include":                             "testdata/good/rules.d/*.yaml",
}

// companions are settings that cannot stand alone, or would be warned of.
var companions = map[string][]string{
	"broker.ca_file":                {"broker.url"},
	"broker.cert_file":              {"broker.key_file", "broker.url"},
	"broker.key_file":               {"broker.cert_file", "broker.url"},
	"broker.key_password":           {"broker.cert_file", "broker.key_file", "broker.url"},
	"broker.key_password_file":      {"broker.cert_file", "broker.key_file", "broker.url"},
	"broker.server_name":            {"broker.url"},
	"journal.nats.name":             {"journal.nats.url"},
	"journal.nats.replicas":         {"journal.nats.url"},
	"journal.nats.id":               {"journal.nats.url"},
	"journal.nats.username":         {"journal.nats.url"},
	"journal.nats.password_file":    {"journal.nats.url", "journal.nats.username"},
	"journal.nats.credentials_file": {"journal.nats.url"},
	"journal.nats.ca_file":          {"journal.nats.url"},
	"journal.nats.cert_file":        {"journal.nats.url", "journal.nats.key_file"},
	"journal.nats.key_file":         {"journal.nats.url", "journal.nats.cert_file"},
	"journal.nats.server_name":      {"journal.nats.url"},
	"journal.nats.monitor_url":      {"journal.nats.url"},
	"server.cert_file":              {"server.key_file"},
	"server.key_file":               {"server.cert_file"},
	"server.client_ca_file":         {"server.cert_file", "server.key_file"},
	"ops.login.required_claims":     {"auth.jwt.secret"},
	"auth.jwt.public_key_file":      {"auth.jwt.algorithm"},
	"auth.jwt.jwks_url":             {"auth.jwt.algorithm"},
	"auth.jwt.jwks_ca_file":         {"auth.jwt.jwks_url", "auth.jwt.algorithm"},
}

// environOther returns the variables that set the key, and its companions, to their other values.
func environOther(t *testing.T, k config.Key) []string {
	t.Helper()
	if others[k.Path] == "" {
		t.Fatalf("no value to try for %s", k.Path)
	}
	environ := []string{k.Env() + "=" + others[k.Path]}
	for _, c := range config.Keys() {
		if slices.Contains(companions[k.Path], c.Path) {
			environ = append(environ, c.Env()+"="+others[c.Path])
		}
	}
	return environ
}

// loadOther loads the empty configuration with the variables set; warnings do not matter.
func loadOther(t *testing.T, environ []string) *config.Config {
	t.Helper()
	c, problems := config.Load(write(t, "config.yaml", ""), environ)
	if c == nil {
		t.Fatalf("%q:\n%s", environ, texts(problems))
	}
	return c
}

// TestEveryVariable sets each setting by its variable, and in the file, to the same effect.
func TestEveryVariable(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys() {
		t.Run(k.Path, func(t *testing.T) {
			byVariable := loadOther(t, environOther(t, k))
			if cmp.Equal(config.Default(), byVariable, onlySettings) {
				t.Fatalf("%s has no effect", k.Env())
			}

			settings := map[string]string{}
			for _, path := range append([]string{k.Path}, companions[k.Path]...) {
				settings[path] = strings.Replace(others[path], "testdata/", here+"/testdata/", 1)
			}
			file := yamlFor(t, settings)
			byFile, problems := config.Load(write(t, "config.yaml", file), nil)
			if byFile == nil {
				t.Fatalf("%s\n%s", file, texts(problems))
			}
			if diff := cmp.Diff(byVariable, byFile, onlySettings); diff != "" {
				t.Errorf("(-by variable +by file):\n%s", diff)
			}
		})
	}
}

// yamlFor returns the settings, path -> value, as a configuration.
func yamlFor(t *testing.T, settings map[string]string) string {
	t.Helper()
	root := map[string]any{}
	for path, value := range settings {
		names := strings.Split(path, ".")
		section := root
		for _, name := range names[:len(names)-1] {
			if section[name] == nil {
				section[name] = map[string]any{}
			}
			section = section[name].(map[string]any)
		}
		section[names[len(names)-1]] = value
	}
	text, err := json.Marshal(root) // YAML too
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVariableReplacesTheFile(t *testing.T) {
	path := write(t, "config.yaml", `
broker: {url: [mqtt://a, mqtt://b, mqtt://c], password: in the file}
server: {allowed_origins: [https://a.example.org]}
`)
	c := mustLoad(t, path, "BRIDGE_BROKER_URL=mqtt://d , mqtt://e", "BRIDGE_SERVER_ALLOWED_ORIGINS=*",
		"BRIDGE_BROKER_PASSWORD_FILE=testdata/good/files/password")
	if len(c.Broker.URL) != 2 || c.Broker.URL[0].String() != "mqtt://d:1883" || c.Broker.URL[1].String() != "mqtt://e:1883" {
		t.Errorf("broker.url = %v", c.Broker.URL)
	}
	if diff := cmp.Diff([]string{"*"}, c.Server.AllowedOrigins); diff != "" {
		t.Error(diff)
	}
	if c.Broker.Password != "" || filepath.Base(c.Broker.PasswordFile) != "password" {
		t.Error("password_file did not replace the password of the file")
	}
	c = mustLoad(t, path, "BRIDGE_BROKER_PASSWORD=", "BRIDGE_SERVER_ALLOWED_ORIGINS=")
	if string(c.Broker.Password) != "in the file" || len(c.Server.AllowedOrigins) != 1 {
		t.Error("an empty variable replaced a setting")
	}
}

func TestKeys(t *testing.T) {
	variables := map[string]string{} // variable -> path
	for _, k := range config.Keys() {
		if other := variables[k.Env()]; other != "" {
			t.Errorf("%s and %s have the same variable %s", k.Path, other, k.Env())
		}
		variables[k.Env()] = k.Path
		if !strings.HasSuffix(k.Meaning, ".") {
			t.Errorf("%s: the meaning is not a sentence: %q", k.Path, k.Meaning)
		}
		if d := k.Default(); d != "" {
			c := mustLoad(t, write(t, "config.yaml", ""), k.Env()+"="+d)
			if diff := cmp.Diff(config.Default(), c, onlySettings); diff != "" {
				t.Errorf("%s: %q is not the default (-default +got):\n%s", k.Path, d, diff)
			}
		}
	}
	if got := len(others); got != len(variables) {
		t.Errorf("%d settings are tried, there are %d", got, len(variables))
	}
}

func TestNeedsRestart(t *testing.T) {
	for _, k := range config.Keys() {
		next := loadOther(t, environOther(t, k))
		var want []string
		for _, other := range config.Keys() {
			if !other.Reloaded && (other.Path == k.Path || slices.Contains(companions[k.Path], other.Path)) {
				want = append(want, other.Path)
			}
		}
		if diff := cmp.Diff(want, config.Default().NeedsRestart(next)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k.Path, diff)
		}
		if again := next.NeedsRestart(loadOther(t, environOther(t, k))); again != nil {
			t.Errorf("%s: the same configuration needs a restart for %q", k.Path, again)
		}
	}
}

func TestHash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	included := filepath.Join(dir, "rules.d/a.yaml")
	base := "log: {level: info}\ninclude: rules.d/*.yaml\nbroker: {password: one}\nauth: {jwt: {secret: " + goodSecret + "}}\ntables: {t: {a: b}}\n"
	load := func(main, rules string, environ ...string) string {
		t.Helper()
		putFile(t, path, main)
		putFile(t, included, rules)
		return mustLoad(t, path, environ...).Hash
	}
	first := load(base, "tables: {u: {a: b}}\n")
	if len(first) != 16 {
		t.Errorf("Hash = %q", first)
	}

	elsewhere := filepath.Join(t.TempDir(), "config.yaml")
	putFile(t, elsewhere, base)
	putFile(t, filepath.Join(filepath.Dir(elsewhere), "rules.d/a.yaml"), "tables: {u: {a: b}}\n")
	same := map[string]string{
		"another directory":  mustLoad(t, elsewhere).Hash,
		"comments and order": load("# comment\n"+base, "# comment\ntables:\n  u: {a: b} # comment\n"),
		"a default written":  load(base+"ops: {listen: 127.0.0.1:9464}\n", "tables: {u: {a: b}}\n"),
		"a variable":         load(base, "tables: {u: {a: b}}\n", "BRIDGE_LOG_LEVEL=info"),
		"a secret":           load(strings.Replace(base, goodSecret, strings.Repeat("z", 40), 1), "tables: {u: {a: b}}\n"),
		"a password":         load(strings.Replace(base, "one", "two", 1), "tables: {u: {a: b}}\n"),
	}
	for what, hash := range same {
		if hash != first {
			t.Errorf("%s changed the hash", what)
		}
	}
	other := map[string]string{
		"a setting":        load(strings.Replace(base, "info", "warn", 1), "tables: {u: {a: b}}\n"),
		"a variable":       load(base, "tables: {u: {a: b}}\n", "BRIDGE_LOG_LEVEL=warn"),
		"access":           load(base+"access: [{queue: '*', allow: true}]\n", "tables: {u: {a: b}}\n"),
		"a table":          load(strings.Replace(base, "a: b", "a: c", 1), "tables: {u: {a: b}}\n"),
		"an included file": load(base, "tables: {u: {a: c}}\n"),
	}
	for what, hash := range other {
		if hash == first {
			t.Errorf("%s did not change the hash", what)
		}
	}

	remembers := func(memory string) *config.Config {
		putFile(t, path, "memory: {m: {"+memory+"}}\nrules: [{name: r, topic: t, when: 'memory.m[\"k\"] == nil', remember: {m: {key: k, value: 1}}}]\n")
		return mustLoad(t, path)
	}
	if a, b := remembers("for: 1h"), remembers("for: 2h"); a.Hash == b.Hash || a.RulesHash == b.RulesHash {
		t.Errorf("a memory did not change the hashes %s, %s", a.Hash, a.RulesHash)
	}
}

func TestIncludeOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yaml", "10.yaml", "9.yaml", "B.yaml", ".hidden.yaml", "readme.txt"} {
		putFile(t, filepath.Join(dir, "rules.d", name), "rules: []\n")
	}
	// As Kubernetes mounts a ConfigMap: the files are links through a directory that is swapped.
	putFile(t, filepath.Join(dir, "more.d/..2026/c.yaml"), "rules: []\n")
	for link, target := range map[string]string{"..data": "..2026", "c.yaml": "..data/c.yaml"} {
		if err := os.Symlink(target, filepath.Join(dir, "more.d", link)); err != nil {
			t.Fatal(err)
		}
	}
	// As Emacs marks a file that is being edited: a link to nowhere.
	if err := os.Symlink("user@host.1234", filepath.Join(dir, "rules.d/.#a.yaml")); err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(dir, "config.yaml"), "include: [more.d/*, rules.d/*.yaml, rules.d/a.yaml]\n")
	t.Chdir(dir)
	want := []string{"config.yaml", "more.d/c.yaml",
		"rules.d/10.yaml", "rules.d/9.yaml", "rules.d/B.yaml", "rules.d/a.yaml", "rules.d/b.yaml"}
	if diff := cmp.Diff(want, mustLoad(t, "config.yaml").Files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"${A}":           "a",
		"x${A}y${A}z":    "xayaz",
		"${E}x":          "x",
		"${NONE:-d}":     "d",
		"${E:-d}":        "d",
		"${A:-d}":        "a",
		"${NONE:-}x":     "x",
		"${NONE:-a:b-c}": "a:b-c",
		"${A:?message}":  "a",
		"${B}":           "${A}", // not expanded again
		"$A $ $$ $$$A":   "$A $ $$ $$$A",
		"$${A}":          "${A}",
		"a$$${A}":        "a$${A}",
		"$$${A":          "$${A",
	} {
		c := mustLoad(t, write(t, "config.yaml", "auth: {jwt: {issuer: '"+text+"'}}\n"), "A=a", "B=${A}", "E=")
		if got := c.Auth.JWT.Issuer; !slices.Equal(got, []string{want}) {
			t.Errorf("%s = %q, want %q", text, got, want)
		}
	}
}

// TestVariableSparesTheFile leaves a ${…} alone that a BRIDGE_ variable overrides.
func TestVariableSparesTheFile(t *testing.T) {
	path := write(t, "config.yaml", "broker: {username: '${NONE}', password: '${NONE:?set me}'}\nauth: {jwt: {issuer: '${NONE'}}\n")
	c := mustLoad(t, path, "BRIDGE_BROKER_USERNAME=${NONE}", "BRIDGE_BROKER_PASSWORD_FILE=testdata/good/files/password", "BRIDGE_AUTH_JWT_ISSUER=me")
	if c.Broker.Username != "${NONE}" {
		t.Errorf("username = %q: the value of a variable was expanded", c.Broker.Username)
	}
}

func TestNoExpansionInRules(t *testing.T) {
	mustLoad(t, write(t, "config.yaml", "tables: {t: {a: '${NONE}'}}\n"))
}

// An unquoted null is nothing in YAML, and a page's origin where it is quoted.
func TestOriginNull(t *testing.T) {
	for text, want := range map[string]string{
		`null`:           "quotes",
		`Null`:           "quotes",
		`[null]`:         "quotes",
		`[file://, ~]`:   "one of the list is empty",
		`~`:              "",
		``:               "",
		`"null"`:         "null",
		`['null']`:       "null",
		`[file://, "*"]`: "file://,*",
	} {
		name := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(name, []byte("server: {allowed_origins: "+text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(name, nil)
		got := ""
		if c != nil {
			got = strings.Join(c.Server.AllowedOrigins, ",")
		} else {
			got = problems[0].Message
		}
		if got != want && (c != nil || want == "" || !strings.Contains(got, want)) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Replicas that differ in their names and addresses alone are configured alike; their Hash tells them
// apart.
func TestReplicaHash(t *testing.T) {
	load := func(environ ...string) *config.Config {
		return mustLoad(t, write(t, "config.yaml", "journal: {nats: {url: nats://nats}}\n"), environ...)
	}
	first := load()
	own := load("BRIDGE_SERVER_LISTEN=:8081", "BRIDGE_OPS_LISTEN=:9465", "BRIDGE_JOURNAL_NATS_ID=other", "BRIDGE_JOURNAL_NATS_URL=nats://near", "BRIDGE_LOG_LEVEL=debug")
	if own.ReplicaHash != first.ReplicaHash || own.Hash == first.Hash {
		t.Errorf("of a replica with its own settings: ReplicaHash %s, Hash %s; of the first: %s, %s", own.ReplicaHash, own.Hash, first.ReplicaHash, first.Hash)
	}
	if other := load("BRIDGE_JOURNAL_MAX_AGE=1h"); other.ReplicaHash == first.ReplicaHash {
		t.Error("another max_age has the same ReplicaHash")
	}
}
