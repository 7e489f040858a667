package service_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
)

// The certificate that the bridge shows to the broker may have an encrypted key, whose password
// file is read again for each connection; and the broker's may have a name that is not the URL's.
func TestBrokerTLS(t *testing.T) {
	const files = "../config/testdata/good/files/"
	c := config.Default()
	c.Broker.CertFile, c.Broker.KeyFile = files+"cert.pem", files+"key-encrypted.pem"
	c.Broker.ServerName = "broker.internal"
	if _, err := service.MQTT(c); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("without a password: %v, want that the key is encrypted", err)
	}
	c.Broker.KeyPasswordFile = files + "password"
	m, err := service.MQTT(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.TLS.ServerName; got != "broker.internal" {
		t.Errorf("server name %q", got)
	}
	pair, err := m.TLS.GetClientCertificate(&tls.CertificateRequestInfo{})
	if err != nil || pair.PrivateKey == nil {
		t.Errorf("client certificate: %v", err)
	}
}
