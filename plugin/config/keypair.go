package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

// Why a private key cannot be used.
var (
	errEncrypted     = errors.New("is an encrypted private key, and there is no password for it")
	errOldEncryption = errors.New("is a private key in the old encrypted form: convert it with openssl pkcs8 -topk8 -in OLD -out NEW")
	errKeyPassword   = errors.New("is an encrypted private key, and the password is not the right one")
)

// KeyPair returns the certificate with its private key, both in PEM form. The password is that of
// an encrypted key in PKCS #8 form (RFC 5958), which crypto/x509 does not read; with a key that is
// not encrypted it has no effect.
func KeyPair(cert, key, password []byte) (tls.Certificate, error) {
	key, err := decryptKey(key, password)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// decryptKey returns the first private key in text without its encryption, and text as it is where
// that is not encrypted.
func decryptKey(text, password []byte) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil
		}
		switch {
		case block.Headers["DEK-Info"] != "": // RFC 1423; its key derivation protects nothing
			return nil, errOldEncryption
		case block.Type != "ENCRYPTED PRIVATE KEY":
			continue
		case len(password) == 0:
			return nil, errEncrypted
		}
		key, _, err := pkcs8.ParsePrivateKey(block.Bytes, password)
		if err != nil {
			return nil, errKeyPassword // the library's own words differ by what the wrong password has made of it
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encoding the decrypted private key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
}
