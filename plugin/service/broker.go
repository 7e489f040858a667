package service

import (
	"crypto/tls"
	"fmt"
	"os"

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
		NoStatus:      !b.Status,
	}
	var err error
	m.TLS, err = brokerTLS(b)
	return m, err
}

// brokerPassword returns the password, read again for each connection when it is in a file.
func brokerPassword(b config.Broker) func() ([]byte, error) {
	return readSecret(string(b.Password), b.PasswordFile)
}

// readSecret returns a function for a secret that is given, or is in a file; nil: neither.
func readSecret(secret, file string) func() ([]byte, error) {
	switch {
	case file != "":
		return func() ([]byte, error) { return config.ReadSecretFile(file) }
	case secret != "":
		return func() ([]byte, error) { return []byte(secret), nil }
	}
	return nil
}

func brokerTLS(b config.Broker) (*tls.Config, error) {
	// insecure: the user asks for it by name
	t := &tls.Config{InsecureSkipVerify: b.Insecure, ServerName: b.ServerName}
	if b.CAFile != "" {
		var err error
		if t.RootCAs, err = config.ReadCertificates(b.CAFile); err != nil {
			return nil, fmt.Errorf("broker.ca_file: %w", err)
		}
	}
	if b.CertFile != "" {
		if _, err := brokerCertificate(b); err != nil {
			return nil, fmt.Errorf("broker.cert_file: %w", err)
		}
		// Read again for each connection, as the password is: it may have been renewed.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return brokerCertificate(b)
		}
	}
	return t, nil
}

// brokerCertificate reads the certificate that the bridge shows to the broker.
func brokerCertificate(b config.Broker) (*tls.Certificate, error) {
	cert, err := os.ReadFile(b.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(b.KeyFile)
	if err != nil {
		return nil, err
	}
	var password []byte
	if read := readSecret(string(b.KeyPassword), b.KeyPasswordFile); read != nil {
		if password, err = read(); err != nil {
			return nil, err
		}
	}
	pair, err := config.KeyPair(cert, key, password)
	return &pair, err
}
