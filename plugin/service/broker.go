package service

import (
	"crypto/tls"
	"fmt"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
)

// MQTT returns how the configuration connects to the broker.
func MQTT(c *config.Config) (mqtt.Config, error) {
	b := c.Broker
	m := mqtt.Config{
		URLs:          b.URL,
		ClientID:      b.ClientID,
		Username:      b.Username,
		Password:      brokerPassword(b),
		KeepAlive:     b.Keepalive,
		SessionExpiry: b.SessionExpiry,
	}
	var err error
	m.TLS, err = brokerTLS(b)
	return m, err
}

// brokerPassword returns the password, read again for each connection when it is in a file.
func brokerPassword(b config.Broker) func() ([]byte, error) {
	switch {
	case b.PasswordFile != "":
		return func() ([]byte, error) { return config.ReadSecretFile(b.PasswordFile) }
	case b.Password != "":
		return func() ([]byte, error) { return []byte(b.Password), nil }
	}
	return nil
}

func brokerTLS(b config.Broker) (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: b.Insecure} // insecure: the user asks for it by name
	if b.CAFile != "" {
		var err error
		if t.RootCAs, err = config.ReadCertificates(b.CAFile); err != nil {
			return nil, fmt.Errorf("broker.ca_file: %w", err)
		}
	}
	if b.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile); err != nil {
			return nil, fmt.Errorf("broker.cert_file: %w", err)
		}
		// Read again for each connection, as the password is: it may have been renewed.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile)
			return &pair, err
		}
	}
	return t, nil
}
