package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A NamedHash is a static token: its user, and its SHA-256, which is all that is kept of it.
type NamedHash struct {
	Name string
	Hash [sha256.Size]byte
}

// leastStatic is the length of the shortest static token that is hashed, in bytes. Its hash has no
// salt and is quick to make, so only a long random token withstands guessing.
const leastStatic = 32

// HashToken returns a static token as it is stored, or why it must not be.
func HashToken(name, token string) (NamedHash, error) {
	switch {
	case !tokenName.MatchString(name):
		return NamedHash{}, fmt.Errorf("name %q: %w", name, errTokenName)
	case len(token) < leastStatic:
		return NamedHash{}, fmt.Errorf("the token has %d bytes: it needs at least %d, random ones", len(token), leastStatic)
	case len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return NamedHash{}, fmt.Errorf("the token must be one word of printable ASCII, of at most %d bytes", maxToken)
	}
	return NamedHash{name, sha256.Sum256([]byte(token))}, nil
}

// String returns the line of a file of tokens: "NAME:" and the hash in hexadecimal.
func (n NamedHash) String() string { return n.Name + ":" + hex.EncodeToString(n.Hash[:]) }

var (
	tokenName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)
	errTokenName = errors.New("must be up to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit")
)

// ParseTokens returns the tokens of a file: a line each as NamedHash.String has it; lines that are
// empty or begin with # do not count. A name may have several tokens, so that one can replace
// another. It returns every mistake.
func ParseTokens(data []byte) (tokens []NamedHash, errs []LineError) {
	hash := func(t NamedHash) [sha256.Size]byte { return t.Hash }
	return parseLines(data, parseToken, hash, "is the token of line %d again")
}

// parseToken returns the token of a line, or what is wrong with it.
func parseToken(text string) (t NamedHash, reason string) {
	name, digits, ok := strings.Cut(text, ":")
	digits = strings.TrimSpace(digits)
	sum, err := hex.DecodeString(digits)
	switch {
	case !ok:
		return t, "is not NAME:HASH"
	case err != nil || len(sum) != sha256.Size:
		return t, "the hash is not a SHA-256 in 64 hexadecimal digits"
	case !tokenName.MatchString(name):
		return t, "the name " + errTokenName.Error()
	}
	t = NamedHash{name, [sha256.Size]byte(sum)}
	if t.Hash == sha256.Sum256(nil) {
		return t, "is the hash of an empty token"
	}
	return t, ""
}

// Tokens lets in clients that show one of a few static tokens, as the user that the token is named
// after and for ever.
type Tokens []NamedHash

// Authenticate looks for the token. How long it takes depends only on the number of tokens.
func (t Tokens) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	token, login := c.bearer()
	switch {
	case token == "":
		return Identity{}, errNothing
	case len(token) > maxToken:
		return Identity{}, refuse("token is too long")
	}
	sum := sha256.Sum256([]byte(token))
	name, ok := t.find(sum[:])
	if !ok {
		return Identity{}, &Error{Reason: "token is not known", Foreign: strings.Count(token, ".") == 2 || login != ""}
	}
	if err := checkLogin(login, name); err != nil {
		return Identity{}, err
	}
	proof := string(sum[:])
	return Identity{User: name, By: KindTokensFile, proof: &proof}, nil
}

// recognises reports whether one of the tokens is shown.
func (t Tokens) recognises(c Credentials) bool {
	token, _ := c.bearer()
	sum := sha256.Sum256([]byte(token))
	_, ok := t.find(sum[:])
	return ok && len(token) <= maxToken
}

// find compares with every token, and each in constant time.
func (t Tokens) find(sum []byte) (name string, ok bool) {
	for i := range t {
		if subtle.ConstantTimeCompare(sum, t[i].Hash[:]) == 1 {
			name, ok = t[i].Name, true
		}
	}
	return name, ok
}

// Recheck looks whether the token is still there, under the same name.
func (t Tokens) Recheck(id Identity) error {
	if err := ofKind(id, KindTokensFile); err != nil {
		return err
	}
	if name, ok := t.find([]byte(id.proven())); !ok || name != id.User {
		return refuse("token is not known any more")
	}
	return nil
}
