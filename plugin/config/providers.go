package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/source"
)

const (
	jwtSection = "auth.jwt"
	noKeys     = "one of secret, secret_file, public_key_file and jwks_url is required"
)

// A provider is an element of auth.jwt where that is a list: settings of the section, for it alone.
type provider struct {
	file     *source.File
	node     *yaml.Node
	settings settings
	jwt      JWT // set by decode
}

// walkProviders takes auth.jwt as a list.
func (l *loader) walkProviders(f *source.File, list *yaml.Node) {
	for _, n := range list.Content {
		n = source.Deref(n)
		if n.Kind != yaml.MappingNode { // not quoted: it may be a secret that was put here
			l.wrong.Errorf(f, n, "write its keys below the dash, indented", "an element of %s takes keys, not a value", jwtSection)
			continue
		}
		p := &provider{file: f, node: n, settings: settings{}}
		l.within(p, func() {
			for _, pair := range f.Pairs(n, "an element of "+jwtSection, &l.wrong) {
				l.walk(f, jwtSection, pair)
			}
		})
		l.providers = append(l.providers, p)
	}
}

// within has f see the settings of one provider in place of all others.
func (l *loader) within(p *provider, f func()) {
	all := l.settings
	l.settings = p.settings
	defer func() { l.settings = all }()
	f()
}

// checkProviders reads the keys of all providers, and says what does not fit together.
func (l *loader) checkProviders(c *Config) {
	if len(l.providers) == 0 {
		l.checkJWT(&c.Auth.JWT)
		if c.Auth.JWT.hasKeys() {
			c.Auth.Providers = []JWT{c.Auth.JWT}
		}
	}
	for _, p := range l.providers {
		l.within(p, func() {
			l.checkAlternatives(keySources)
			l.checkJWT(&p.jwt)
			given := slices.ContainsFunc(keySources, func(path string) bool { return len(l.settings[path]) > 0 })
			if !given {
				l.wrong.Errorf(p.file, p.node, "", "an element of %s has no keys: %s", jwtSection, noKeys)
			}
		})
		c.Auth.Providers = append(c.Auth.Providers, p.jwt)
	}
	c.Auth.complete()
}

// complete names the providers, and gives them what they have in common.
func (a *Auth) complete() {
	taken := map[string]bool{}
	for i := range a.Providers {
		p := &a.Providers[i]
		p.Name = fmt.Sprint("provider ", i+1)
		if p.JWKSURL != "" {
			p.Name = p.JWKSURL
		}
		if len(p.Issuer) > 0 {
			p.Name = p.Issuer[0]
		}
		if taken[p.Name] {
			p.Name += fmt.Sprintf(" (provider %d)", i+1)
		}
		taken[p.Name] = true
		if p.GroupsClaim == "" {
			p.GroupsClaim = a.GroupsClaim
		}
		if p.GroupsSeparator == "" {
			p.GroupsSeparator = a.GroupsSeparator
		}
	}
}

// hasKeys reports whether there is anything to check a token with.
func (j JWT) hasKeys() bool { return len(j.Secret) > 0 || len(j.PublicKeys) > 0 || j.JWKSURL != "" }

// checkJWT reads the keys of one provider.
func (l *loader) checkJWT(jwt *JWT) {
	jwt.Issuer, jwt.Audience = withoutEmpty(jwt.Issuer), withoutEmpty(jwt.Audience)
	l.checkSecrets(jwt)
	l.readPublicKeys(jwt)
	l.readKeySetAuthorities(jwt)
	l.checkKeysURL(jwt)
	l.checkAlgorithms(jwt)
}

// withoutEmpty leaves out texts that are as good as absent.
func withoutEmpty(texts []string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// checkKeysURL reports a key set that would be fetched by http without saying so.
func (l *loader) checkKeysURL(jwt *JWT) {
	s, ok := l.one("auth.jwt.jwks_url")
	insecure, isSet := l.one("auth.jwt.jwks_insecure_http")
	u, err := url.Parse(jwt.JWKSURL)
	if !ok || err != nil {
		return
	}
	err = auth.CheckKeysURL(u, false)
	switch {
	case err != nil && jwt.JWKSInsecureHTTP:
		l.warnf(insecure, "", "the keys of tokens are fetched by http: whoever can change them on the way can sign tokens")
	case err != nil:
		const hint = "where nobody else is on the way, as within a compose file, jwks_insecure_http: true beside it accepts http"
		l.errorf(s, hint, "%s: %s", l.shown(s), err)
	case isSet && jwt.JWKSInsecureHTTP:
		l.warnf(insecure, "remove the line", "has no effect, as auth.jwt.jwks_url does not need it")
	}
}

// overridesProvider reports a variable for auth.jwt where that is a list: it cannot say which
// element it means.
func (l *loader) overridesProvider(k *Key, variable, shown string) bool {
	if len(l.providers) == 0 || !strings.HasPrefix(k.Path, jwtSection+".") {
		return false
	}
	hint := "write " + lastName(k.Path) + ": ${NAME} in the element, with a NAME of your own"
	l.wrong.Errorf(l.variableFile(variable, shown), &yaml.Node{Line: 1, Column: 1}, hint,
		"%s is a list, and a variable overrides nothing in it", jwtSection)
	return true
}
