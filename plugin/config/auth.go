package config

import (
	"cmp"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/source"
)

// kinds are the kinds of authenticators, in the order in which they are tried where the file does
// not say otherwise.
var kinds = []auth.Kind{auth.KindJWT, auth.KindBroker, auth.KindTokensFile, auth.KindAnonymous}

// checkAuth reads the files of auth and says what does not fit together.
func (l *loader) checkAuth(c *Config) {
	l.checkProviders(c)
	l.readTokens(c)
	c.Auth.Kinds = c.Auth.configured()
	slices.SortStableFunc(c.Auth.Kinds, func(a, b auth.Kind) int { return cmp.Compare(l.rank(a), l.rank(b)) })
}

// configured returns the kinds that have what they need.
func (a Auth) configured() []auth.Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k auth.Kind) bool {
		switch k {
		case auth.KindJWT:
			return len(a.Providers) == 0
		case auth.KindBroker:
			return !a.Broker.Enabled
		case auth.KindTokensFile:
			return a.TokensFile == ""
		}
		return !a.Anonymous
	})
}

// rank is where the kind stands in the file, behind all others if it does not.
func (l *loader) rank(k auth.Kind) int {
	if i := slices.Index(l.authOrder, string(k)); i >= 0 {
		return i
	}
	return len(l.authOrder)
}

// checkSecrets replaces the secrets for tokens by the keys that they stand for.
func (l *loader) checkSecrets(jwt *JWT) {
	jwt.Secret = nil
	for _, s := range l.settings["auth.jwt.secret"] {
		if !s.bad {
			l.addKey(jwt, s, s.text)
		}
	}
	for _, s := range l.settings["auth.jwt.secret_file"] {
		if s.bad || s.text == "" {
			continue
		}
		if text, ok := l.readSecret(s); ok {
			l.addKey(jwt, s, text)
		}
	}
}

// addKey adds the key that text stands for, or reports why it is none.
func (l *loader) addKey(jwt *JWT, s setting, text string) {
	if l.anyBad("auth.jwt.secret_encoding") || l.anyBad("auth.jwt.algorithm") {
		return // reported; what the secret means is not known
	}
	key := []byte(text)
	if jwt.SecretEncoding == "base64" {
		var err error
		if key, err = decodeBase64(text); err != nil {
			l.errorf(s, "check auth.jwt.secret_encoding", "the secret is not base64")
			return
		}
	}
	for _, algorithm := range jwt.Algorithm {
		if least := auth.LeastSecret(algorithm); len(key) < least {
			form := map[string]string{"utf8": "hex", "base64": "base64"}[jwt.SecretEncoding]
			l.errorf(s, fmt.Sprintf("make one: openssl rand -%s %d", form, least), "the secret has %d bytes, %s needs %d or more", len(key), algorithm, least)
			return
		}
	}
	jwt.Secret = append(jwt.Secret, Secret(key))
}

// anyBad reports whether a value of the setting was refused.
func (l *loader) anyBad(path string) bool {
	return slices.ContainsFunc(l.settings[path], func(s setting) bool { return s.bad })
}

func (l *loader) readPublicKeys(jwt *JWT) {
	for i, s := range l.settings["auth.jwt.public_key_file"] {
		if s.bad || s.text == "" {
			continue
		}
		data, ok := l.readFile(s)
		if !ok {
			continue
		}
		keys, err := auth.ParsePublicKeys(data)
		if err != nil {
			l.errorf(s, "", "%q: %s", s.text, err)
			l.settings["auth.jwt.public_key_file"][i].bad = true
		}
		jwt.PublicKeys = append(jwt.PublicKeys, keys...)
	}
}

func (l *loader) readKeySetAuthorities(jwt *JWT) {
	s, ok := l.one("auth.jwt.jwks_ca_file")
	if !ok {
		return
	}
	jwt.JWKSCAs = l.readCertificates(s)
	if jwt.JWKSURL == "" && !l.anyBad("auth.jwt.jwks_url") {
		l.warnf(s, "", "has no effect without auth.jwt.jwks_url")
	}
}

// checkAlgorithms reports algorithms and keys that are not for each other.
func (l *loader) checkAlgorithms(jwt *JWT) {
	for _, path := range append(slices.Clone(keySources), "auth.jwt.algorithm") {
		if l.anyBad(path) {
			return
		}
	}
	if !jwt.hasKeys() {
		return
	}
	const hint = "auth.jwt.algorithm names what the keys are for: HS256 with a secret, such as RS256 or ES256 with public keys"
	for _, s := range l.settings["auth.jwt.algorithm"] {
		if err := auth.CheckAlgorithms([]string{s.text}, len(jwt.Secret) > 0, nil); err != nil {
			l.errorf(s, hint, "%s", err)
			return
		}
	}
	switch s, ok := l.one("auth.jwt.algorithm"); {
	case ok:
		if err := auth.CheckAlgorithms(jwt.Algorithm, len(jwt.Secret) > 0, jwt.PublicKeys); err != nil {
			l.errorf(s, hint, "%s", err)
		}
	case len(jwt.Secret) == 0:
		l.needAlgorithm(jwt)
	}
}

// needAlgorithm reports that public keys have no algorithm.
func (l *loader) needAlgorithm(jwt *JWT) {
	const needed = "needs auth.jwt.algorithm: its default is for a secret"
	if s, ok := l.one("auth.jwt.public_key_file"); ok {
		l.errorf(s, "write algorithm: "+algorithmsOf(jwt.PublicKeys)+" beside it", needed)
	} else if s, ok := l.one("auth.jwt.jwks_url"); ok {
		l.errorf(s, "write algorithm: RS256 beside it, or what else the keys of the set are for", needed)
	}
}

// algorithmsOf returns the first algorithm that each of the keys is for, as config.yaml has it.
func algorithmsOf(keys []crypto.PublicKey) string {
	var names []string
	for _, key := range keys {
		if name := auth.AlgorithmsFor(key)[0]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// readTokens reads the static tokens. Its mistakes are in that file; what stands there is not
// shown.
func (l *loader) readTokens(c *Config) {
	s, ok := l.one("auth.tokens_file")
	if !ok {
		return
	}
	data, ok := l.readFile(s)
	if !ok {
		return
	}
	const hint = "mqtt-stomp-bridge token --hash NAME makes a line"
	tokens, errs := auth.ParseTokens(data)
	l.addLineErrors(s, errs, hint)
	if len(tokens)+len(errs) == 0 {
		l.warnf(s, hint, "%q holds no token", s.text)
	}
	c.Auth.Tokens = tokens
}

// addLineErrors reports mistakes in the file that s names, at their lines. What stands there is not
// shown.
func (l *loader) addLineErrors(s setting, errs []auth.LineError, hint string) {
	name := absolute(s.dir, s.text)
	l.names = append(l.names, name)
	for _, err := range errs {
		l.broken = append(l.broken, source.Problem{File: name, Line: err.Line, Column: 1, Width: 1, Message: err.Reason, Hint: hint})
	}
}

// decodeBase64 undoes base64, standard or for URLs, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(text), "=")
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64") // the decoder's error would quote a part of it
	}
	return key, nil
}
