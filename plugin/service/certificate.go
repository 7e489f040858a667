package service

import (
	"crypto/tls"
	"sync/atomic"
)

// A certificate is a certificate and its key, which can be replaced while it is in use.
type certificate struct {
	pair atomic.Pointer[tls.Certificate]
}

func newCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	c.pair.Store(&pair)
	return c, nil
}

// get is a tls.Config's GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil }

// replace makes c what other is, for new connections.
func (c *certificate) replace(other *certificate) { c.pair.Store(other.pair.Load()) }
