package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// ReadSecretFile returns the secret in a file, without the line break at its end. A file without a
// secret is an error. An error never shows what the file holds.
func ReadSecretFile(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	secret, err := parseSecret(data)
	if err != nil {
		return nil, fmt.Errorf("%q %w", name, err)
	}
	return secret, nil
}

func parseSecret(data []byte) ([]byte, error) {
	if len(bytes.Trim(data, "\r\n")) == 0 {
		return nil, errors.New("is empty")
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r")), nil
}

// ReadCertificates returns the certificates in a PEM file. A file without a certificate is an
// error.
func ReadCertificates(name string) (*x509.CertPool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%q %w", name, err)
	}
	return pool, nil
}

func parseCertificates(data []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return pool, nil
}

// readBeside reads a file that a rule or a test names, as mapping.Options say.
func (l *loader) readBeside(name string, most int) ([]byte, error) {
	name = absolute("", name)
	if _, err := os.Stat(filepath.Dir(name)); err == nil && !slices.Contains(l.beside, name) { // only a folder that exists can be watched
		l.beside = append(l.beside, name)
	}
	data, err := ReadFirst(name, most)
	if err == nil {
		l.sums = append(l.sums, sha256.Sum256(data))
	}
	return data, err
}

// ReadFirst returns what is in a file, but no more than its first most bytes.
func ReadFirst(name string, most int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(most)))
}
