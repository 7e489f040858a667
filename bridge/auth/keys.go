package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Algorithms returns the signatures of JSON Web Tokens that can be checked (RFC 7518, 3.1; RFC
// 8037). Those that begin with HS take secrets, the others public keys.
func Algorithms() []string {
	return []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// LeastSecret returns the length of an algorithm's hash in bytes, below which it takes no secret; 0
// for one that takes public keys. RFC 7518, 3.2: "A key of the same size as the hash output [...]
// or larger MUST be used with this algorithm."
func LeastSecret(algorithm string) int {
	return map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[algorithm]
}

// curves are what the algorithms are bound to (RFC 7518, 3.4).
var curves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

// leastRSA is the size that an RSA key must have (RFC 7518, 3.3). One above mostRSA makes the check
// of a signature so slow that it is one way to keep the bridge busy.
const (
	leastRSA = 2048
	mostRSA  = 16384
)

// symmetric reports whether an algorithm takes secrets.
func symmetric(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }

// fits reports whether the algorithm is for keys of that kind. Without this check a key could be
// used for what it was not made for (RFC 8725, 3.1).
func fits(algorithm string, key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return curves[algorithm] == key.Curve.Params().Name
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// CheckAlgorithms says why the algorithms are not for a secret, or for public keys: those that are
// given, or some that are not known yet. A public key that is taken for a secret lets everybody
// sign, since everybody knows it; so the two never go together (RFC 8725, 2.1).
func CheckAlgorithms(algorithms []string, secret bool, keys []crypto.PublicKey) error {
	for _, algorithm := range algorithms {
		switch {
		case !slices.Contains(Algorithms(), algorithm):
			return fmt.Errorf("algorithm %q: must be one of %s", algorithm, strings.Join(Algorithms(), ", "))
		case symmetric(algorithm) && !secret:
			return fmt.Errorf("algorithm %s takes a secret, not public keys", algorithm)
		case !symmetric(algorithm) && secret:
			return fmt.Errorf("algorithm %s takes public keys, not a secret", algorithm)
		case len(keys) > 0 && !slices.ContainsFunc(keys, func(k crypto.PublicKey) bool { return fits(algorithm, k) }):
			return fmt.Errorf("algorithm %s: no public key is for it", algorithm)
		}
	}
	for i, key := range keys {
		err := checkKey(key)
		if err == nil && !slices.ContainsFunc(algorithms, func(a string) bool { return fits(a, key) }) {
			err = fmt.Errorf("is for %s, not for %s", strings.Join(AlgorithmsFor(key), ", "), strings.Join(algorithms, ", "))
		}
		if err != nil {
			return fmt.Errorf("public key %d of %d: %w", i+1, len(keys), err)
		}
	}
	return nil
}

// checkKey says why a public key cannot be used with any algorithm.
func checkKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits < leastRSA:
			return fmt.Errorf("RSA key has %d bits: it needs at least %d (RFC 7518, 3.3)", bits, leastRSA)
		case bits > mostRSA:
			return fmt.Errorf("RSA key has %d bits: it may have %d at most", bits, mostRSA)
		case key.E < 3 || key.E > 1<<31-1 || key.E%2 == 0: // with 1, everything is a signature of itself
			return errors.New("RSA key has an exponent that is not odd, or too small or too large")
		}
	case *ecdsa.PublicKey:
		if name := key.Curve.Params().Name; len(AlgorithmsFor(key)) == 0 {
			return fmt.Errorf("elliptic curve %s is for no algorithm: it must be P-256, P-384 or P-521 (RFC 7518, 3.4)", name)
		}
	case ed25519.PublicKey:
	default:
		return errors.New("key is neither RSA nor ECDSA nor Ed25519")
	}
	return nil
}

// AlgorithmsFor returns those of Algorithms that the key is for: at least one for each key of
// ParsePublicKeys.
func AlgorithmsFor(key crypto.PublicKey) []string {
	return slices.DeleteFunc(Algorithms(), func(a string) bool { return !fits(a, key) })
}

// ParsePublicKeys returns the keys of a file in PEM form: of its PUBLIC KEY, RSA PUBLIC KEY and
// CERTIFICATE blocks. Of a certificate only the key counts, not who signed it or until when. The
// error quotes nothing of the file.
func ParsePublicKeys(data []byte) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		key, err := parseBlock(block)
		if err == nil {
			err = checkKey(key)
		}
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	switch {
	case strings.Contains(string(data), "-----BEGIN"):
		return nil, fmt.Errorf("block %d: not PEM", len(keys)+1)
	case len(keys) == 0:
		return nil, errors.New("no public key in PEM form")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (key crypto.PublicKey, err error) {
	switch {
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("a private key: only the public one belongs here")
	default:
		return nil, errors.New("neither a public key nor a certificate")
	}
	if err != nil {
		return nil, errors.New("the key cannot be read") // crypto/x509 would quote what it does not understand
	}
	return key, nil
}
