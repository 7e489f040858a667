package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// authority is a throw-away certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = sign(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign makes a certificate, signed by a or by itself.
func sign(t *testing.T, a *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(time.Hour)
	parent, parentKey := template, key
	if a != nil {
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

// issue returns a certificate and key for 127.0.0.1, or a client of that name, as PEM.
func (a *authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	c, k := sign(t, a, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", c.Raw), encode("PRIVATE KEY", der)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.certificate)
	return p
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *authority) pair(t *testing.T, name string) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(toBytes(a.issue(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func toBytes(a, b string) ([]byte, []byte) { return []byte(a), []byte(b) }

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.issue(t, "broker")
	b := mosquittotest.Start(t, mosquittotest.Options{
		Files: map[string]string{"ca.pem": encode("CERTIFICATE", a.certificate.Raw), "cert.pem": certificate, "key.pem": key},
		Config: []string{
			"cafile {dir}/ca.pem", "certfile {dir}/cert.pem", "keyfile {dir}/key.pem",
			"require_certificate true", "use_identity_as_username true",
		},
	})
	mine := a.pair(t, "bridge")
	c, _ := start(t, b.URL("mqtts"), mqtt.Config{
		Filters: filters("a"),
		TLS:     &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{mine}},
	})
	roundTrip(t, c)

	stranger, log := newClient(t, b.URL("ssl"), mqtt.Config{ClientID: "stranger", TLS: &tls.Config{Certificates: []tls.Certificate{mine}}})
	if err := stranger.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := waitState(t, stranger, "refused", func(s mqtt.State) bool { return s.Receiving.Err != nil })
	if got := s.Receiving.Err.Error(); !strings.Contains(got, "certificate signed by unknown authority") {
		t.Errorf("error %q does not say that the authority is unknown", got)
	}
	bridgetest.Eventually(t, "the log line", func() bool { return len(log.Lines("certificate signed by unknown authority")) == 1 })
}

// roundTrip sends an event to the client by its own sending connection.
func roundTrip(t *testing.T, c *mqtt.Client) {
	t.Helper()
	large := strings.Repeat("x", 200<<10) // several reads and WebSocket messages
	if err := c.Publish(t.Context(), mqtt.Message{Topic: "a", QoS: 1, Payload: []byte(large)}); err != nil {
		t.Fatal(err)
	}
	e := next(t, c)
	if string(e.Payload) != large {
		t.Errorf("the payload of %d bytes differs from the %d sent", len(e.Payload), len(large))
	}
	c.Ack(e)
}

func TestSchemes(t *testing.T) {
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.pair(t, "broker")}}
	tests := []struct {
		scheme string
		config *tls.Config
	}{
		{"tcp", nil}, {"ssl", server}, {"ws", nil}, {"wss", server}, {"unix", nil},
	}
	for _, tt := range tests {
		t.Run(tt.scheme, func(t *testing.T) {
			b := startMochi(t, tt.scheme, tt.config)
			c, _ := start(t, b.u, mqtt.Config{Filters: filters("a"), TLS: &tls.Config{RootCAs: a.pool()}})
			roundTrip(t, c)
			shut(t, c)
		})
	}
}

// The client tries the next URL when one does not answer.
func TestSeveralURLs(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	c, err := mqtt.New(mqtt.Config{
		URLs:     []*url.URL{{Scheme: "mqtt", Host: mosquittotest.FreeAddr(t)}, b.u},
		ClientID: "bridge",
		Filters:  filters("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, c)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	roundTrip(t, c)
}

// A broker that says so when a client identifier is taken over.
func TestTakeOverSaid(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	c, log := start(t, b.u, mqtt.Config{Filters: filters("a")})
	connect(t, b.u.Host, &paho.Connect{ClientID: "bridge"})
	bridgetest.Eventually(t, "the take-over", func() bool { return c.Stats().TakenOver == 1 })
	ready(t, c)
	bridgetest.Eventually(t, "the log line", func() bool {
		return len(log.Lines("another client has taken over the client id")) == 1
	})
}
