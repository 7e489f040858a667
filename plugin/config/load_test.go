package config_test

import (
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

const goodSecret = "0123456789abcdef0123456789abcdef"

// onlySettings compares configurations by their settings, with secrets.
var onlySettings = cmp.Options{
	cmpopts.IgnoreFields(config.Config{}, "Mapper", "Access", "Hash", "ReplicaHash", "RulesHash", "Files"),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b config.Secret) bool { return string(a) == string(b) }),
	cmp.AllowUnexported(auth.PasswordHash{}),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// write puts text into a file below a new directory and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	putFile(t, path, text)
	return path
}

func putFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mustLoad loads a configuration without any problem, but for rules, which most of them do not
// need.
func mustLoad(t *testing.T, path string, environ ...string) *config.Config {
	t.Helper()
	c, problems := config.Load(path, environ)
	problems = slices.DeleteFunc(problems, func(p source.Problem) bool { return p.Warning && strings.HasPrefix(p.Message, "there are no rules") })
	if len(problems) > 0 {
		t.Fatalf("Load(%s):\n%s", path, texts(problems))
	}
	return c
}

func texts(problems []source.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}

// TestBad loads every file under testdata/bad and compares all that is said of it. Lines of the
// file that begin with "#env " set variables.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, problems := config.Load(file, environOf(t, file))
			mistake := slices.ContainsFunc(problems, func(p source.Problem) bool { return !p.Warning })
			if mistake != (c == nil) {
				t.Errorf("Load returned configuration: %t, mistakes: %t", c != nil, mistake)
			}
			got := strings.ReplaceAll(texts(problems), here, "/here")
			generated(t, strings.TrimSuffix(file, ".yaml")+".txt", got)
		})
	}
}

func environOf(t *testing.T, file string) (environ []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "#env "); ok {
			environ = append(environ, strings.TrimSuffix(v, "\n"))
		}
	}
	return environ
}

// TestGood loads every file under testdata/good, which must be without a problem.
func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			mustLoad(t, file, environOf(t, file)...)
		})
	}
}

func TestSampleHasTheDefaults(t *testing.T) {
	c := mustLoad(t, sample)
	if diff := cmp.Diff(config.Default(), c, onlySettings); diff != "" {
		t.Errorf("config.yaml differs from Default (-default +file):\n%s", diff)
	}
	if err := c.CanServe(); err == nil {
		t.Error("CanServe without a secret: no error")
	}
	c = mustLoad(t, sample, "BRIDGE_AUTH_JWT_SECRET="+goodSecret)
	if err := c.CanServe(); err != nil {
		t.Error("CanServe with a secret:", err)
	}
}

// TestAccess loads a configuration whose access and an included file share their tables, and one
// without access.
func TestAccess(t *testing.T) {
	path := write(t, "config.yaml", `
include: staff.yaml
access:
  - {queue: /queue/message, allow: '"inbox" in claims.roles and table.staff[user] != nil'}
  - {queue: [/queue/unread-count, /queue/channel/connected, /queue/channel/disconnected], allow: true}
`)
	putFile(t, filepath.Join(filepath.Dir(path), "staff.yaml"), "tables: {staff: {ada: agent}}\n")
	a := mustLoad(t, path).Access
	claims := map[string]any{"roles": []any{"inbox"}}
	if ok, reason := a.Allow("/queue/message", "ada", claims); !ok {
		t.Errorf("ada: %s", reason)
	}
	ok, reason := a.Allow("/queue/message", "bob", claims)
	if want := "allow (" + path + ":4) is false, where claims.roles is a list"; ok || reason != want {
		t.Errorf("bob: %t, %q, want %q", ok, reason, want)
	}
	if c := mustLoad(t, write(t, "config.yaml", "tables: {staff: {ada: agent}}\n")); c.Access != nil {
		t.Errorf("without access: %+v", c.Access)
	}
}

// TestSampleRules runs the tests that stand beside the example rules.
func TestSampleRules(t *testing.T) {
	results := mustLoad(t, sample).Mapper.Test()
	if len(results) == 0 {
		t.Error("config.yaml has no tests")
	}
	for _, r := range results {
		if r.Problem != nil {
			t.Errorf("%s\n%s", r.Problem, r.Diff)
		}
	}
}

func TestEmptyFileHasTheDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "~\n", "log:\nserver:\n  limits:\nauth:\n", "broker: {url:, keepalive: ~}\n"} {
		c := mustLoad(t, write(t, "config.yaml", text))
		if diff := cmp.Diff(config.Default(), c, onlySettings); diff != "" {
			t.Errorf("%q (-default +got):\n%s", text, diff)
		}
	}
}

func TestEverySetting(t *testing.T) {
	c := mustLoad(t, "testdata/good/full.yaml", environOf(t, "testdata/good/full.yaml")...)
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	want := &config.Config{
		Log: config.Log{Level: slog.LevelDebug, Format: "json"},
		Broker: config.Broker{
			URL: []*url.URL{
				parse("mqtts://broker.example.org:8883"), parse("mqtt://[::1]:1884"),
				parse("wss://broker.example.org:443/mqtt"), parse("unix:///run/mosquitto/mqtt.sock"),
			},
			ClientID:        "0123",
			Username:        "bridge",
			PasswordFile:    filepath.Join(dir, "files/password"),
			CAFile:          filepath.Join(dir, "files/cert.pem"),
			CertFile:        filepath.Join(dir, "files/cert.pem"),
			KeyFile:         filepath.Join(dir, "files/key-encrypted.pem"),
			KeyPasswordFile: filepath.Join(dir, "files/password"),
			ServerName:      "broker.internal",
			Keepalive:       time.Minute,
			SessionExpiry:   90 * time.Minute,
			BaseTopic:       "site/bridge",
		},
		Server: config.Server{
			Listen:         ":8443",
			Path:           "/stomp",
			AllowedOrigins: []string{"https://app.example.org", "https://*.example.net:8443"},
			Hosts:          []string{"inbox.example.org", "*.inbox.example.org"},
			Heartbeat:      10 * time.Second,
			CertFile:       filepath.Join(dir, "files/cert.pem"),
			KeyFile:        filepath.Join(dir, "files/key.pem"),
			ClientCAFile:   filepath.Join(dir, "files/cert.pem"),
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("fd00::/8")},
			ProxyProtocol:  true,
			Limits: config.Limits{
				Sessions: 10, OnLimit: "end_oldest", UnreadBytes: 9 * config.MiB, SessionsPerUser: 5, SessionsPerAddress: 6, ConnectsPerSecond: 7, Message: 2 * config.MiB, OutgoingBytes: 8 * config.KiB, Subscriptions: 4, HandshakeTimeout: 1500 * time.Millisecond, WriteTimeout: 5 * time.Second,
				UnauthenticatedBytes: 32 * config.KiB, HeaderLine: 16 * config.KiB, Headers: 32, Body: 1000,
			},
		},
		Auth: config.Auth{
			GroupsClaim: "teams", GroupsSeparator: ",",
			JWT: config.JWT{
				Secret: []config.Secret{
					"the bytes of a key that has base64 around it",
					"another key that has the URL alphabet ~~~???",
				},
				SecretEncoding: "base64", Algorithm: []string{"HS256"}, UserClaim: "person.id",
				JWKSInsecureHTTP: true, UserPrefix: "id:", GroupsClaim: "realm_access.roles", GroupsSeparator: " ",
				Issuer: []string{"https://id.example.org", "https://old.example.org"}, Audience: []string{"inbox"}, Leeway: 0, AllowNoExpiry: true,
				RequiredClaims: []auth.RequiredClaim{{Name: "tenant", Value: "acme"}, {Name: "https://example.org/level", Value: "7"}},
			},
			Broker:     config.AuthBroker{Enabled: true, MaxSession: 8 * time.Hour, UserPrefix: "mqtt:"},
			TokensFile: filepath.Join(dir, "files/tokens"),
			Tokens:     auth.Tokens{{Name: "reports", Hash: sha256.Sum256([]byte("a token of thirty-two bytes, ok.."))}},
			Anonymous:  true,
			Kinds:      []auth.Kind{auth.KindJWT, auth.KindAnonymous, auth.KindBroker, auth.KindTokensFile},
		},
		Journal: config.Journal{
			NATS: config.NATS{
				URL: []*url.URL{{Scheme: "nats", Host: "nats-1"}, {Scheme: "tls", Host: "nats-2:4223"}}, Name: "inbox", Replicas: 1, ID: "left",
				Username: "bridge", PasswordFile: filepath.Join(dir, "files/password"), CAFile: filepath.Join(dir, "files/cert.pem"),
				CertFile: filepath.Join(dir, "files/cert.pem"), KeyFile: filepath.Join(dir, "files/key.pem"), ServerName: "nats.internal",
				MonitorURL: []*url.URL{{Scheme: "http", Host: "nats-1:8222"}},
			},
			MaxAge: time.Hour, MaxBytes: 2 * config.GiB,
			Latest: config.Latest{MaxKeys: 7, MaxAge: 36 * time.Hour},
		},
		Ops: config.Ops{Listen: "", Trail: 5 * config.MiB, Login: config.OpsLogin{
			PasswordFile: filepath.Join(dir, "files/operators"), Passwords: operators(t),
			RequiredClaims: []auth.RequiredClaim{{Name: "role", Value: "operator"}, {Name: "realm_access.roles", Value: "bridge"}},
		}},
		Include: []string{filepath.Join(dir, "rules.d/*.yaml")},
	}
	provider := want.Auth.JWT
	provider.Name = "https://id.example.org"
	want.Auth.Providers = []config.JWT{provider}
	if diff := cmp.Diff(want, c, onlySettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files := []string{
		"testdata/good/full.yaml", "testdata/good/rules.d/10-a.yaml", "testdata/good/rules.d/9-b.yaml",
		filepath.Join(dir, "files/cert.pem"), filepath.Join(dir, "files/key.pem"), filepath.Join(dir, "files/password"),
		filepath.Join(dir, "files/tokens"), filepath.Join(dir, "files/operators"),
	}
	got := map[string]bool{}
	for _, f := range c.Files {
		got[f] = true
	}
	for _, f := range files {
		if !got[f] {
			t.Errorf("Files lacks %s: %q", f, c.Files)
		}
	}
}

// A file that a test names lies beside the YAML file that has the test. What it holds counts as a
// part of the configuration.
func TestFilesBeside(t *testing.T) {
	name := write(t, "config.yaml", "include: rules.d/*.yaml\n")
	rules, frame := filepath.Join(filepath.Dir(name), "rules.d/rules.yaml"), filepath.Join(filepath.Dir(name), "rules.d/frames/a.bin")
	putFile(t, rules, "tests: [{topic: a, file: frames/a.bin, expect: filtered}]\n")
	putFile(t, frame, "one")
	one := mustLoad(t, name)
	if !slices.Contains(one.Files, frame) {
		t.Errorf("Files lacks %s: %q", frame, one.Files)
	}
	putFile(t, frame, "two")
	if two := mustLoad(t, name); two.Hash == one.Hash || two.RulesHash == one.RulesHash {
		t.Errorf("another frame has the same hashes %s, %s", two.Hash, two.RulesHash)
	}
	putFile(t, frame, "one")
	if again := mustLoad(t, name); again.Hash != one.Hash || again.RulesHash != one.RulesHash {
		t.Errorf("the same frame has other hashes %s, %s", again.Hash, again.RulesHash)
	}
}

func TestMissingFile(t *testing.T) {
	c, problems := config.Load("testdata/none.yaml", nil)
	if c != nil || len(problems) != 1 || problems[0].Error() != "testdata/none.yaml:1:1: cannot be read: no such file or directory" {
		t.Errorf("Load = %v, %q", c, problems)
	}
}

func TestReadOnlyFileBehindSymlink(t *testing.T) {
	target := write(t, "..data/config.yaml", "log: {level: debug}\n")
	if err := os.Chmod(target, 0o444); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if c := mustLoad(t, link); c.Log.Level != slog.LevelDebug {
		t.Errorf("level = %v", c.Log.Level)
	}
}

func TestSecretsInTurn(t *testing.T) {
	other := strings.Repeat("x", 32)
	path := write(t, "config.yaml", "auth:\n  jwt:\n    secret:\n      - "+goodSecret+"\n      - ${NEXT}\n")
	c := mustLoad(t, path, "NEXT="+other)
	if len(c.Auth.JWT.Secret) != 2 || string(c.Auth.JWT.Secret[0]) != goodSecret || string(c.Auth.JWT.Secret[1]) != other {
		t.Errorf("%d secrets, not those of the file", len(c.Auth.JWT.Secret))
	}
	putFile(t, filepath.Join(filepath.Dir(path), "one"), other+"\r\n")
	c = mustLoad(t, path, "NEXT="+other, "BRIDGE_AUTH_JWT_SECRET_FILE="+filepath.Join(filepath.Dir(path), "one"))
	if len(c.Auth.JWT.Secret) != 1 || string(c.Auth.JWT.Secret[0]) != other {
		t.Error("the variable did not replace the secrets of the file")
	}
}

// operators are the logins in testdata/good/files/operators.
func operators(t *testing.T) []auth.PasswordHash {
	t.Helper()
	data, err := os.ReadFile("testdata/good/files/operators")
	if err != nil {
		t.Fatal(err)
	}
	logins, errs := auth.ParsePasswords(data)
	if len(logins) != 2 || errs != nil {
		t.Fatalf("%d logins, %v", len(logins), errs)
	}
	return logins
}
