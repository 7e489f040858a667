package config

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/mapping/topic"
)

// alternatives are settings of which at most one can be given. A variable for one of them replaces
// the others in the file.
var alternatives = [][]string{
	{"broker.password", "broker.password_file"},
	{"broker.key_password", "broker.key_password_file"},
	{"journal.nats.password_file", "journal.nats.credentials_file"},
	keySources,
}

// keySources are the settings that keys for tokens can come from.
var keySources = []string{"auth.jwt.secret", "auth.jwt.secret_file", "auth.jwt.public_key_file", "auth.jwt.jwks_url"}

// certificates are settings of which both or none can be given.
var certificates = [][2]string{
	{"broker.cert_file", "broker.key_file"},
	{"server.cert_file", "server.key_file"},
	{"journal.nats.cert_file", "journal.nats.key_file"},
}

// check reports what single values do not show: contradictions, files that cannot be used, weak
// secrets.
func (l *loader) check(c *Config) {
	for _, group := range alternatives {
		l.checkAlternatives(group)
	}
	l.checkUnwritten()
	for _, path := range []string{"broker.client_id", "broker.username", "broker.base_topic"} {
		if s, ok := l.one(path); ok && topic.Blank(s.text) != nil {
			l.warnf(s, "remove it, unless it belongs there", "has a blank at its edge")
		}
	}
	for _, pair := range certificates {
		l.checkCertificate(pair[0], pair[1], l.keyPassword(pair[1]))
	}
	if s, ok := l.one("server.client_ca_file"); ok {
		l.readCertificates(s)
		if _, tls := l.one("server.cert_file"); !tls {
			l.errorf(s, "add cert_file and key_file", "needs server.cert_file")
		}
	}
	if s, ok := l.one("server.proxy_protocol"); ok && c.Server.ProxyProtocol && len(l.settings["server.trusted_proxies"]) == 0 {
		l.warnf(s, "name the proxy's address in server.trusted_proxies", "PROXY headers are taken only from server.trusted_proxies, and there are none")
	}
	l.checkBroker(c)
	l.checkNATS()
	l.checkAuth(c)
	l.checkOpsLogin(c)
	if s, ok := l.one("server.limits.unauthenticated_bytes"); ok && c.Server.Limits.UnauthenticatedBytes < c.Server.Limits.HeaderLine {
		l.warnf(s, "", "is less than header_line (%s), so the longest tokens will not fit", c.Server.Limits.HeaderLine)
	}
}

// checkAlternatives reports settings that contradict each other.
func (l *loader) checkAlternatives(group []string) {
	first := ""
	for _, path := range group {
		s, ok := l.one(path)
		switch {
		case ok && first != "":
			l.errorf(s, "remove one of the two", "contradicts %s", first)
		case ok:
			first = path
		}
	}
}

// one returns the setting at path, the first where it is a list, and whether it is given and
// without a mistake.
func (l *loader) one(path string) (setting, bool) {
	settings := l.settings[path]
	if len(settings) == 0 || settings[0].bad || settings[0].text == "" {
		return setting{}, false
	}
	return settings[0], true
}

func (l *loader) warnf(s setting, hint, format string, args ...any) {
	l.reportOf(s.key).Warnf(s.file, s.node, hint, s.key.Path+": "+format, args...)
}

// keyPassword returns the password of the private key whose file that setting names; nil: none.
func (l *loader) keyPassword(keyPath string) []byte {
	path := strings.TrimSuffix(keyPath, "_file") + "_password"
	for _, path := range []string{path, path + "_file"} {
		s, ok := l.one(path)
		if !ok {
			continue
		}
		if len(l.settings[keyPath]) == 0 {
			l.errorf(s, "", "needs %s beside it", keyPath)
		}
		if !s.key.kind.path {
			return []byte(s.text)
		}
		secret, _ := l.readSecret(s)
		return []byte(secret)
	}
	return nil
}

func (l *loader) checkCertificate(certPath, keyPath string, password []byte) {
	cert, hasCert := l.one(certPath)
	key, hasKey := l.one(keyPath)
	switch {
	case hasCert && !hasKey && len(l.settings[keyPath]) == 0:
		l.errorf(cert, "", "needs %s beside it", keyPath)
	case hasKey && !hasCert && len(l.settings[certPath]) == 0:
		l.errorf(key, "", "needs %s beside it", certPath)
	case hasCert && hasKey:
		certPEM, ok := l.readFile(cert)
		keyPEM, ok2 := l.readFile(key)
		if !ok || !ok2 {
			return
		}
		_, err := KeyPair(certPEM, keyPEM, password)
		switch {
		case errors.Is(err, errEncrypted) && keyAt(strings.TrimSuffix(keyPath, "_file")+"_password") != nil:
			l.errorf(key, "give its password as "+strings.TrimSuffix(keyPath, "_file")+"_password_file", "%q %s", key.text, err)
		case errors.Is(err, errEncrypted):
			l.errorf(key, "decrypt it with openssl pkey -in OLD -out NEW", "%q %s", key.text, err)
		case errors.Is(err, errOldEncryption), errors.Is(err, errKeyPassword):
			l.errorf(key, "", "%q %s", key.text, err)
		case err != nil:
			l.errorf(cert, "", "cannot be used with %s: %s", key.key.Path, err)
		}
	}
}

// readFile reads the file that s names, or reports why it cannot.
func (l *loader) readFile(s setting) ([]byte, bool) {
	name := absolute(s.dir, s.text)
	data, err := os.ReadFile(name)
	if err != nil {
		hint := ""
		if !filepath.IsAbs(s.text) {
			hint = "a relative path starts at " + absolute(s.dir, "")
		}
		l.errorf(s, hint, "%s %s", l.shownPath(s, name), reason(err))
		return nil, false
	}
	l.addFile(name)
	return data, true
}

// shown returns the value of s as it may be told.
func (l *loader) shown(s setting) string {
	if s.file.Redacted(s.node) {
		return redacted
	}
	return strconv.Quote(s.text)
}

// shownPath returns the path that s names as it may be told. One that leads nowhere may be a
// secret.
func (l *loader) shownPath(s setting, name string) string {
	if _, err := os.Lstat(name); err != nil && s.file.Redacted(s.node) {
		return redacted
	}
	return strconv.Quote(name)
}

// readSecret reads a secret from the file that s names, without the line break at its end.
func (l *loader) readSecret(s setting) (string, bool) {
	data, ok := l.readFile(s)
	if !ok {
		return "", false
	}
	secret, err := parseSecret(data)
	if err != nil {
		l.errorf(s, "", "%q %s", s.text, err)
		return "", false
	}
	return string(secret), true
}

// readCertificates reads the authorities in the file that s names, or reports why it cannot and
// returns nil.
func (l *loader) readCertificates(s setting) *x509.CertPool {
	data, ok := l.readFile(s)
	if !ok {
		return nil
	}
	pool, err := parseCertificates(data)
	if err != nil {
		l.errorf(s, "", "%q %s", s.text, err)
		return nil
	}
	return pool
}

func (l *loader) checkBroker(c *Config) {
	if s, ok := l.one("broker.password_file"); ok {
		l.readSecret(s)
	}
	if s, ok := l.one("broker.ca_file"); ok {
		l.readCertificates(s)
	}
	for _, path := range []string{"broker.ca_file", "broker.cert_file", "broker.server_name", "broker.insecure"} {
		s, ok := l.one(path)
		if ok && s.text != "false" && !c.Broker.usesTLS() && len(l.settings["broker.url"]) > 0 {
			l.warnf(s, "TLS needs mqtts://, ssl:// or wss://", "has no effect, as no broker.url uses TLS")
		}
	}
	if s, ok := l.one("broker.insecure"); ok && c.Broker.Insecure && c.Broker.usesTLS() {
		l.warnf(s, "give the broker's certificate authority as broker.ca_file", "the broker's certificate is not checked")
	}
}

// checkNATS looks at the files, and at settings that have no effect.
func (l *loader) checkNATS() {
	const section = "journal.nats."
	if s, ok := l.one(section + "password_file"); ok {
		l.readSecret(s)
		if len(l.settings[section+"username"]) == 0 {
			l.errorf(s, "", "needs %susername beside it", section)
		}
	}
	if s, ok := l.one(section + "credentials_file"); ok {
		l.readFile(s)
	}
	if s, ok := l.one(section + "ca_file"); ok {
		l.readCertificates(s)
	}
	if len(l.settings[section+"url"]) > 0 {
		if s, ok := l.one("journal.dir"); ok && l.env[s.key.Env()] == "" { // the image has the variable
			l.warnf(s, "remove it; mqtt-stomp-bridge journal import carries over what it holds", "has no effect beside %surl", section)
		}
		return
	}
	for _, k := range keys {
		if s, ok := l.one(k.Path); ok && strings.HasPrefix(k.Path, section) && s.text != k.Default() {
			l.errorf(s, "add url, or remove it", "needs %surl beside it", section)
			return
		}
	}
}

func (b Broker) usesTLS() bool {
	for _, u := range b.URL {
		if slices.Contains([]string{"mqtts", "ssl", "wss"}, u.Scheme) {
			return true
		}
	}
	return false
}
