package bridgetest

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Secret is what tests sign tokens with.
const Secret = "a secret of the tests, thirty-two bytes or more"

// tokenStart is how the tests' JSON Web Tokens begin, {"alg": in base64. It is whole groups of
// three bytes, so that a token that is encoded once more begins with these too.
const tokenStart = "eyJhbGciO"

// CheckSecrets fails the test if the text, a log or a page, holds a JSON Web Token, [Secret] or one
// of the other secrets.
func CheckSecrets(t testing.TB, text string, others ...string) {
	t.Helper()
	for _, s := range FindSecrets(text, others...) {
		t.Errorf("%q stands in\n%s", s, text)
	}
}

// FindSecrets returns what [CheckSecrets] would fail for.
func FindSecrets(text string, others ...string) (found []string) {
	for _, s := range append([]string{tokenStart, base64.RawURLEncoding.EncodeToString([]byte(tokenStart)), Secret}, others...) {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}

// Metrics returns what the ops endpoint at the address shows as metrics, nothing when it does not
// answer.
func Metrics(ops string) string {
	response, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}
