package auth

import (
	"encoding/base64"
	"net/http"
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

// FromHandshake returns the token of a WebSocket handshake, empty if there is none. It is the value
// of Authorization, or stands in an entry of Sec-WebSocket-Protocol that is "bearer." and the token
// in base64url without padding. The error is an *Error.
func FromHandshake(h http.Header) (token string, err error) {
	for _, value := range h.Values("Authorization") {
		if token, err = oneToken(token, Token(value)); err != nil {
			return "", err
		}
	}
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(line, ",") {
			encoded, ok := strings.CutPrefix(strings.Trim(protocol, " \t"), protocolPrefix)
			if !ok {
				continue
			}
			decoded, err := decodeProtocol(encoded)
			if err != nil {
				return "", err
			}
			if token, err = oneToken(token, decoded); err != nil {
				return "", err
			}
		}
	}
	return token, nil
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
// it is a JSON Web Token: some clients always send one. The error is an *Error.
func (c Credentials) WithConnect(authorization, login, passcode string) (Credentials, error) {
	token, err := oneToken(c.Token, Token(authorization))
	if err != nil {
		return Credentials{}, err
	}
	c.Token, c.Login, c.Passcode = token, "", ""
	if token == "" {
		c.Login, c.Passcode = login, passcode
	} else if passcode = Token(passcode); strings.Count(passcode, ".") == 2 && passcode != token {
		return Credentials{}, errTwoTokens
	}
	return c, nil
}
