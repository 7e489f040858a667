package jetstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
)

// bothServers runs the test on each server that there is.
func bothServers(t *testing.T, f func(t *testing.T, bin string)) {
	t.Run("distributed", func(t *testing.T) { f(t, natstest.Distributed(t)) })
	t.Run("current", func(t *testing.T) { f(t, natstest.Current(t)) })
}

// restartWith has the server run with these lines from now on.
func restartWith(c *natstest.Cluster, lines ...string) {
	c.Servers[0].Configure(lines)
	c.Servers[0].Stop()
	c.Servers[0].Restart()
}

// appends has the log append, which it can while it is let in.
func appends(t *testing.T, l *jetstream.Log) {
	t.Helper()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Resign()
	if err := w.Append(t.Context(), numbered(0)); err != nil {
		t.Fatal(err)
	}
}

const notLetIn = "nats: authorization violation; see journal.nats.username and password_file, or credentials_file"

// TestPassword changes the password at the server, and later here.
func TestPassword(t *testing.T) {
	bothServers(t, func(t *testing.T, bin string) {
		user := func(password string) string {
			return fmt.Sprintf("authorization { user: bridge, password: %s }", password)
		}
		c := natstest.Start(t, bin, natstest.Options{Config: []string{user("old")}, Connect: []nats.Option{nats.UserInfo("bridge", "old")}})
		var password atomic.Value
		config := jetstream.Config{URLs: c.URLs(), Name: "password", ID: "a", Replicas: 1, Username: "bridge", Password: func() ([]byte, error) {
			if p := password.Load().(string); p != "" {
				return []byte(p), nil
			}
			return nil, errors.New("permission denied")
		}}
		password.Store("wrong")
		if _, err := jetstream.Open(t.Context(), config); err == nil || strings.ToLower(err.Error()) != "journal: connecting to nats: "+notLetIn {
			t.Errorf("Open with another password: %v", err)
		}
		password.Store("")
		if _, err := jetstream.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "reading the password: permission denied") {
			t.Errorf("Open without a password that can be read: %v", err)
		}
		password.Store("old")
		l, err := jetstream.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		restartWith(c, user("new"))
		bridgetest.Eventually(t, "the replica to be kept out", func() bool {
			away := l.Standing().Away
			return away != nil && strings.Contains(strings.ToLower(away.Error()), notLetIn)
		})
		password.Store("new")
		bridgetest.Eventually(t, "the replica to be let in", func() bool { return l.Standing().Away == nil })
		appends(t, l)
	})
}

// TestTLS connects with certificates, which are renewed by another authority while the log is open.
func TestTLS(t *testing.T) {
	bothServers(t, func(t *testing.T, bin string) {
		dir := t.TempDir()
		lines := func(generation string) []string {
			a := newAuthority(t)
			a.write(t, dir, "server", generation)
			a.write(t, dir, "client", generation)
			path := func(name string) string { return filepath.Join(dir, name) }
			return []string{fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }",
				path("server.pem"), path("server.key"), path("ca.pem"))}
		}
		certificate := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
			return &pair, err
		}
		authorities := func() (*x509.CertPool, error) {
			data, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(data)
			return pool, err
		}
		first := lines("first")
		connect := []nats.Option{nats.ClientTLSConfig(nil, authorities), nats.ClientCert(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))}
		c := natstest.Start(t, bin, natstest.Options{Config: first, Connect: connect})
		config := jetstream.Config{URLs: c.URLs(), Name: "tls", ID: "a", Replicas: 1, RootCAs: authorities, TLS: &tls.Config{GetClientCertificate: certificate}}

		for _, test := range []struct {
			name  string
			spoil func(*jetstream.Config)
			want  string
		}{
			{"no certificate", func(c *jetstream.Config) { c.TLS = nil }, "tls"},
			{"another authority", func(c *jetstream.Config) { c.RootCAs = nil }, "certificate signed by unknown authority"},
			{"another name", func(c *jetstream.Config) {
				c.TLS = &tls.Config{GetClientCertificate: certificate, ServerName: "nats.example"}
			}, "nats.example"},
		} {
			spoiled := config
			test.spoil(&spoiled)
			ctx, cancel := contextFor(t, time.Second)
			if _, err := jetstream.Open(ctx, spoiled); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.name, err, test.want)
			}
			cancel()
		}

		l, err := jetstream.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		appends(t, l)
		restartWith(c, lines("second")...)
		appends(t, l)
	})
}

// An authority is a throw-away certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign returns a certificate; the first one signs itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := template, key
	if a.key != nil {
		parent, parentKey = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// write writes the authority's certificate, and a certificate with its key for 127.0.0.1.
func (a *authority) write(t *testing.T, dir, name, organization string) {
	t.Helper()
	c, k := a.sign(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{organization}},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: a.certificate.Raw}, name + ".pem": {Type: "CERTIFICATE", Bytes: c.Raw}, name + ".key": {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCredentials connects with a file that has a user's JWT and key, and with another one once that
// has been replaced.
func TestCredentials(t *testing.T) {
	bothServers(t, func(t *testing.T, bin string) {
		operator, account, system := newIssuer(t, nkeys.CreateOperator), newIssuer(t, nkeys.CreateAccount), newIssuer(t, nkeys.CreateAccount)
		unlimited := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
		stored := map[string]any{"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
		for k, v := range unlimited {
			stored[k] = v
		}
		accountClaims := func(limits map[string]any) map[string]any {
			return map[string]any{"type": "account", "version": 2, "limits": limits}
		}
		lines := []string{
			"operator: " + operator.sign(t, operator.id, map[string]any{"type": "operator", "version": 2}),
			"system_account: " + system.id, "resolver: MEMORY",
			fmt.Sprintf("resolver_preload: { %s: %s, %s: %s }", account.id, operator.sign(t, account.id, accountClaims(stored)),
				system.id, operator.sign(t, system.id, accountClaims(unlimited))),
		}
		file := filepath.Join(t.TempDir(), "user.creds")
		account.writeUser(t, file, time.Hour)
		c := natstest.Start(t, bin, natstest.Options{Config: lines, Connect: []nats.Option{nats.UserCredentials(file)}})
		config := jetstream.Config{URLs: c.URLs(), Name: "creds", ID: "a", Replicas: 1}
		if _, err := jetstream.Open(t.Context(), config); err == nil || strings.ToLower(err.Error()) != "journal: connecting to nats: "+notLetIn {
			t.Errorf("Open without credentials: %v", err)
		}
		config.Credentials = file
		l, err := jetstream.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		appends(t, l)
		account.writeUser(t, file, -time.Hour) // it has expired
		restartWith(c, lines...)
		bridgetest.Eventually(t, "the replica to be kept out", func() bool {
			away := l.Standing().Away
			return away != nil && strings.Contains(away.Error(), "see journal.nats.username and password_file, or credentials_file")
		})
		account.writeUser(t, file, time.Hour)
		appends(t, l)
	})
}

// An issuer signs JSON Web Tokens of NATS.
type issuer struct {
	key nkeys.KeyPair
	id  string
}

func newIssuer(t *testing.T, create func() (nkeys.KeyPair, error)) issuer {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	id, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key, id}
}

// sign returns a token of the subject that does not expire.
func (i issuer) sign(t *testing.T, subject string, claims map[string]any) string {
	t.Helper()
	return i.signUntil(t, subject, 0, claims)
}

func (i issuer) signUntil(t *testing.T, subject string, expires int64, claims map[string]any) string {
	t.Helper()
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	body := map[string]any{"iat": time.Now().Add(-2 * time.Hour).Unix(), "iss": i.id, "sub": subject, "name": "test", "nats": claims}
	if expires != 0 {
		body["exp"] = expires
	}
	sum := sha256.Sum256(encode(body))
	body["jti"] = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + base64.RawURLEncoding.EncodeToString(encode(body))
	signature, err := i.key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// writeUser writes the credentials of a new user.
func (i issuer) writeUser(t *testing.T, file string, lasts time.Duration) {
	t.Helper()
	user := newIssuer(t, nkeys.CreateUser)
	seed, err := user.key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	token := i.signUntil(t, user.id, time.Now().Add(lasts).Unix(), map[string]any{"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
	text := fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", token, seed)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
