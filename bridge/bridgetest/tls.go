package bridgetest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
)

// TLS returns what a server on this machine has, and what a client that trusts it has.
func TLS() (server, client *tls.Config) {
	web := httptest.NewTLSServer(nil) // has a certificate
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return &tls.Config{Certificates: web.TLS.Certificates}, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}
