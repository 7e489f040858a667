package doctor_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	mochipackets "github.com/mochi-mqtt/server/v2/packets"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/doctor"
)

// serve starts a server on the loopback interface that does the same with each connection, one by
// one.
func serve(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, do)
}

func serveOn(t *testing.T, l net.Listener, do func(net.Conn)) string {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			do(c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// answering starts a server that answers a CONNECT with the bytes, and closes at the next packet;
// none: it closes at once.
func answering(t *testing.T, answer string) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		packets.ReadPacket(c)
		if answer != "" {
			io.WriteString(c, answer)
			packets.ReadPacket(c)
		}
	})
}

// certificate makes a self-signed one for 127.0.0.1 or for a name.
func certificate(t *testing.T, name string, expires time.Duration) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(expires),
		IsCA: true, BasicConstraintsValid: true}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// secured starts a server that does the handshake and then closes.
func secured(t *testing.T, c *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func(c net.Conn) { c.Read(make([]byte, 1024)) })
}

func TestUnreachable(t *testing.T) {
	good, goodPool := certificate(t, "127.0.0.1", time.Hour)
	named, namedPool := certificate(t, "broker.example.org", time.Hour)
	expired, expiredPool := certificate(t, "127.0.0.1", -24*time.Hour)
	mosquitto := mosquittotest.Start(t, mosquittotest.Options{})
	garbling := serve(t, func(c net.Conn) {
		c.Read(make([]byte, 4096)) // the whole ClientHello
		io.WriteString(c, "no TLS, and more than a record's header")
		io.Copy(io.Discard, c)
	})
	tests := []struct {
		name string
		url  string
		tls  *tls.Config
		want []string
	}{
		{"nobody", nobody(t), nil, []string{"connection refused", "means: nothing listens there; without a listener line Mosquitto 2 listens on its own loopback only", "set:   BRIDGE_BROKER_URL; or in mosquitto.conf: listener "}},
		{"no such name", "mqtt://no-such-name.invalid:1883", nil, []string{`means: the name "no-such-name.invalid" cannot be resolved from here`}},
		{"MQTT 3.1.1", "mqtt://" + answering(t, "\x20\x02\x00\x01"), nil, []string{"the broker does not speak MQTT 5: it answers as MQTT 3.1.1 does", "the bridge needs MQTT 5"}},
		{"old version refused as MQTT 5 has it", "mqtt://" + answering(t, "\x20\x03\x00\x84\x00"), nil, []string{"unsupported protocol version: the broker does not speak MQTT 5 (0x84)", "the broker does not speak MQTT 5"}},
		{"not MQTT", "mqtt://" + answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), nil, []string{"the broker does not speak MQTT: its first packet is not a CONNACK"}},
		{"busy", "mqtt://" + answering(t, "\x20\x03\x00\x89\x00"), nil, []string{"server busy (0x89)"}},
		{"full, as Mosquitto is", "mqtt://" + serve(t, func(net.Conn) {}), nil, []string{"the broker closed the connection without an answer", "Mosquitto does when max_connections is reached"}},
		{"closes", "mqtt://" + answering(t, ""), nil, []string{"the broker closed the connection without an answer", "set:   BRIDGE_BROKER_URL: mqtts:// for TLS"}},
		{"TLS where there is none", "mqtts://" + garbling, nil, []string{"means: the broker does not speak TLS on this port", "set:   BRIDGE_BROKER_URL: mqtt:// or another port"}},
		{"TLS to a plain Mosquitto", "mqtts://" + mosquitto.Addr, nil, []string{"means: the broker does not speak TLS on this port"}},
		{"no TLS where there is", "mqtt://" + secured(t, &tls.Config{Certificates: []tls.Certificate{good}}), nil, []string{"set:   BRIDGE_BROKER_URL: mqtts:// for TLS"}},
		{"unknown authority", "mqtts://" + secured(t, &tls.Config{Certificates: []tls.Certificate{good}}), nil, []string{"means: the broker's certificate is not signed by an authority that is trusted here", "broker.ca_file"}},
		{"another name", "mqtts://" + secured(t, &tls.Config{Certificates: []tls.Certificate{named}}), &tls.Config{RootCAs: namedPool}, []string{"means: the broker's certificate is for broker.example.org, not for 127.0.0.1"}},
		{"expired", "mqtts://" + secured(t, &tls.Config{Certificates: []tls.Certificate{expired}}), &tls.Config{RootCAs: expiredPool}, []string{"means: the broker's certificate is valid from ", "certfile in mosquitto.conf"}},
		{"client certificate wanted", "mqtts://" + secured(t, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}), &tls.Config{RootCAs: goodPool},
			[]string{"with require_certificate true the broker wants a certificate from the bridge", "broker.cert_file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, counts := look{yaml: rules, url: test.url, tls: test.tls}.run(t)
			holds(t, out, append(test.want, "fail  connect: "+test.url+", as an anonymous client: ")...)
			if counts[doctor.Fail] != 1 {
				t.Errorf("%d findings of level fail, want 1:\n%s", counts[doctor.Fail], out)
			}
		})
	}
}

// Of several addresses the first that lets the bridge in is looked at; the ones before it are only
// a warning.
func TestSecondAddress(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	first := nobody(t)
	out, counts := look{yaml: rules, url: first + ",mqtt://" + broker.Addr}.run(t)
	holds(t, out, "warn  connect: "+first, "ok    connect: mqtt://"+broker.Addr)
	if counts[doctor.Fail] > 0 {
		t.Error(out)
	}
}

// A refusing hook lets everybody in, and refuses what it is told to.
type refusing struct {
	mochi.HookBase
	refuses func(topic string, write bool) bool
}

func (*refusing) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*refusing) OnConnectAuthenticate(*mochi.Client, mochipackets.Packet) bool { return true }
func (r *refusing) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return !r.refuses(topic, write)
}

// startMochi starts a broker that says what it refuses, as Mosquitto does with the dynamic security
// plugin.
func startMochi(t *testing.T, refuses func(topic string, write bool) bool) string {
	t.Helper()
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(&refusing{refuses: refuses}, nil); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(listeners.NewNet("l", l)); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return "mqtt://" + l.Addr().String()
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		refuses func(topic string, write bool) bool
		want    []string
	}{
		{"the subscription is refused", func(topic string, _ bool) bool { return topic == "a/+" },
			[]string{"fail  subscribe: topic filter \"a/+\": the broker refuses the subscription: not authorized (0x87)", "read a/+ for an anonymous client", "!filter: a/+"}},
		{"nothing may be published", func(_ string, write bool) bool { return write },
			[]string{"fail  base_topic: an anonymous client may not publish below mqtt-stomp-bridge: not authorized (0x87)", "topic readwrite mqtt-stomp-bridge/#"}},
		{"the own topic cannot be read", func(topic string, write bool) bool { return !write && strings.HasPrefix(topic, "mqtt-stomp-bridge/") },
			[]string{"warn  base_topic: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _ := look{yaml: rules, url: startMochi(t, test.refuses)}.run(t)
			holds(t, out, test.want...)
			if strings.Contains(out, "second connection") {
				t.Error(out)
			}
		})
	}
}

// connack is a CONNACK with the properties.
func connack(p *packets.Properties) string {
	var b bytes.Buffer
	c := packets.NewControlPacket(packets.CONNACK)
	c.Content.(*packets.Connack).Properties = p
	if _, err := c.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.String()
}

func pointer[T any](v T) *T { return &v }

func TestBrokerLimits(t *testing.T) {
	tests := []struct {
		name       string
		properties packets.Properties
		want       []string
	}{
		{"none", packets.Properties{}, []string{
			"ok    session-expiry: 24h0m0s", "warn  max_packet_size: the broker accepts packets of any size",
			"ok    limits: Receive Maximum 65535, Maximum QoS 2, Maximum Packet Size none, Topic Alias Maximum 0, retain yes, wildcards yes, shared subscriptions yes"}},
		{"sessions end early", packets.Properties{SessionExpiryInterval: pointer(uint32(600))}, []string{"fail  session-expiry: asked for 24h0m0s, granted 10m0s", "DIR/config.yaml: broker.session_expiry"}},
		{"QoS 0", packets.Properties{MaximumQOS: pointer(byte(0))}, []string{"fail  max-qos: the broker accepts and grants QoS 0 only", "Maximum QoS 0", "in mosquitto.conf: max_qos 1"}},
		{"nothing retained", packets.Properties{RetainAvailable: pointer(byte(0))}, []string{"fail  retain: ", "retain no"}},
		{"no wildcards", packets.Properties{WildcardSubAvailable: pointer(byte(0))}, []string{"fail  wildcards: ", "wildcards no"}},
		{"small packets", packets.Properties{MaximumPacketSize: pointer(uint32(1000))}, []string{"warn  max_packet_size: the broker accepts packets of 1000 bytes"}},
		{"large packets", packets.Properties{MaximumPacketSize: pointer(uint32(2_000_000))}, []string{"warn  max_packet_size: the broker accepts packets of 2000000 bytes, the bridge up to 1048576 bytes"}},
		{"packets that fit", packets.Properties{MaximumPacketSize: pointer(uint32(1 << 20))}, []string{"!max_packet_size:", "Maximum Packet Size 1048576"}},
		{"keep alive", packets.Properties{ServerKeepAlive: pointer(uint16(10))}, []string{"note  keepalive: the broker asks for a keep-alive of 10s, broker.keepalive is 15s"}},
		{"numbers", packets.Properties{ReceiveMaximum: pointer(uint16(20)), TopicAliasMaximum: pointer(uint16(10)), SharedSubAvailable: pointer(byte(0))},
			[]string{"Receive Maximum 20", "Topic Alias Maximum 10", "shared subscriptions no"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _ := look{yaml: rules, url: "mqtt://" + answering(t, connack(&test.properties))}.run(t)
			holds(t, out, append(test.want, "fail  connect: the connection ended during the examination: ")...)
		})
	}
}
