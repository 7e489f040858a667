package auth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxToken is the size of the longest token or passcode that is looked at, in bytes.
const maxToken = 16 << 10

// protocolPrefix begins the WebSocket subprotocol that holds a token: a browser can name
// subprotocols in a handshake, and nothing else.
const protocolPrefix = "bearer."

// errTwoTokens refuses a connection that shows two tokens: it is unclear which one counts.
var errTwoTokens = &Error{Reason: "two different tokens"}

// Token returns the token of an Authorization value, raw or as "Bearer <token>" in any letter case
// (RFC 6750, 2.1; RFC 9110, 11.1: schemes know no letter case). The result is empty if there is
// none.
func Token(authorization string) string {
	authorization = strings.Trim(authorization, " \t")
	scheme, rest, _ := strings.Cut(authorization, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimLeft(rest, " ")
	}
	return authorization
}

// FromHandshake returns what a WebSocket handshake shows: a token, which is the value of
// Authorization or stands in an entry of Sec-WebSocket-Protocol that is "bearer." and the token in
// base64url without padding; or the login of HTTP's Basic. Schemes of Authorization that are
// between a client and a proxy are passed over. The error is an *Error.
func FromHandshake(h http.Header) (c Credentials, err error) {
	for _, value := range h.Values("Authorization") {
		if c, err = c.withAuthorization(value); err != nil {
			return Credentials{}, err
		}
	}
	token := c.Token
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(line, ",") {
			encoded, ok := strings.CutPrefix(strings.Trim(protocol, " \t"), protocolPrefix)
			if !ok {
				continue
			}
			decoded, err := decodeProtocol(encoded)
			if err != nil {
				return Credentials{}, err
			}
			if token, err = oneToken(token, decoded); err != nil {
				return Credentials{}, err
			}
		}
	}
	c.Token = token
	return c, nil
}

// proxySchemes are schemes of Authorization that no token has and that the bridge does not know:
// they are for somebody on the way.
var proxySchemes = []string{"Digest", "Negotiate", "NTLM"}

// withAuthorization returns c with what the value of an Authorization header shows.
func (c Credentials) withAuthorization(value string) (Credentials, error) {
	scheme, rest, _ := strings.Cut(strings.Trim(value, " \t"), " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		if !c.Basic { // the first counts
			c.Login, c.Passcode, c.Basic = decodeBasic(strings.Trim(rest, " "))
		}
		return c, nil
	case slices.ContainsFunc(proxySchemes, func(s string) bool { return strings.EqualFold(scheme, s) }):
		return c, nil
	}
	var err error
	c.Token, err = oneToken(c.Token, Token(value))
	return c, err
}

// decodeBasic returns the login and the password of HTTP's Basic (RFC 7617, 2). What cannot be read
// is a password without a login, which nobody has.
func decodeBasic(encoded string) (login, password string, basic bool) {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", encoded, true
	}
	login, password, _ = strings.Cut(string(decoded), ":")
	return login, password, true
}

func decodeProtocol(encoded string) (string, error) {
	if len(encoded) > base64.RawURLEncoding.EncodedLen(maxToken) {
		return "", refuse("token is too long")
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(token) == 0 || strings.ContainsAny(encoded, "\r\n") { // which the decoder skips; its error would quote a byte
		return "", refuse("subprotocol bearer is not followed by a token in base64url")
	}
	return string(token), nil
}

// oneToken returns the token that was shown in two ways, each empty if there is none.
func oneToken(a, b string) (string, error) {
	if a != "" && b != "" && a != b {
		return "", errTwoTokens
	}
	if a == "" {
		return b, nil
	}
	return a, nil
}

// WithConnect returns the credentials of a session whose handshake has shown c, with what its
// CONNECT frame shows: the values of its headers authorization, login and passcode, each empty if
// there is none. Where there is a token besides, the login is not looked at, and a passcode only if
// it is a JSON Web Token: some clients always send one. A login of HTTP's Basic counts where there
// is neither a token nor a passcode, since it may be a proxy's. The error is an *Error.
func (c Credentials) WithConnect(authorization, login, passcode string) (Credentials, error) {
	frame, err := Credentials{Token: c.Token}.withAuthorization(authorization)
	switch {
	case err != nil:
		return Credentials{}, err
	case frame.Token != "":
		if passcode = Token(passcode); strings.Count(passcode, ".") == 2 && passcode != frame.Token {
			return Credentials{}, errTwoTokens
		}
		return Credentials{Token: frame.Token, Remote: c.Remote}, nil
	case frame.Basic && passcode == "":
		frame.Remote = c.Remote
		return frame, nil
	case c.Basic && passcode == "":
		return c, nil
	}
	return Credentials{Login: login, Passcode: passcode, Remote: c.Remote}, nil
}

// hasHeader reports whether the first part of a token in parts is a JSON object (RFC 7515, 3.1;
// RFC 7516, 3.1), so that it is a JSON Web Token, good or not, and not a password with dots.
func hasHeader(token string) bool {
	first, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(first)
	var header map[string]any
	return len(token) <= maxToken && err == nil && json.Unmarshal(data, &header) == nil && header != nil
}

// leastOpaque is the length of what is taken for an opaque token rather than for nonsense.
const leastOpaque = 16

// notSigned says what a token is that has not the three parts of one that is signed.
func notSigned(token string) error {
	other := func(r rune) bool { // than RFC 6750, 2.1, has in tokens
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/=", r)
	}
	switch {
	case strings.ContainsFunc(token, other):
	case hasHeader(token) && strings.Count(token, ".") == 4: // RFC 7516, 7.1: five parts
		return refuse("token is encrypted, and the bridge has no key for that: have the issuer sign it alone")
	case !hasHeader(token) && len(token) >= leastOpaque && strings.Count(token, ".") < 2:
		return foreign("token is opaque, not a JSON Web Token: request one for an audience, so that the issuer makes a signed JWT")
	}
	return foreign("token is not a JSON Web Token")
}
