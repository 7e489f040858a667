package auth

import (
	"crypto"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// maxTried is how many keys are tried on a token that does not say which one of them it is for.
// Checking a signature is what an attacker can make the bridge do most cheaply.
const maxTried = 32

// A publishedKey is a key of a set, with what the set says of it.
type publishedKey struct {
	id        string // empty: none
	algorithm string // the only one that the key is for (RFC 7517, 4.4); empty: any that fits it
	public    crypto.PublicKey
}

// isFor reports whether tokens may be signed so with the key.
func (k publishedKey) isFor(algorithm string) bool {
	return (k.algorithm == "" || k.algorithm == algorithm) && fits(algorithm, k.public)
}

// is reports whether other is the same key, for the same tokens.
func (k publishedKey) is(other publishedKey) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool }) // all that checkKey accepts have it
	return ok && k.id == other.id && k.algorithm == other.algorithm && public.Equal(other.public)
}

// A keySet is the keys of a set that can be used.
type keySet []publishedKey

// signing returns the keys that may have signed the token: those for its algorithm, of the ones
// that it names or of all.
func (s keySet) signing(t *jwt.Token) (any, error) {
	said, named := t.Header["kid"]
	id, isText := said.(string)
	if named && !isText {
		return nil, refuse("signature is not valid")
	}
	known := !named
	var set jwt.VerificationKeySet
	for _, k := range s {
		if named && k.id != id {
			continue
		}
		known = true
		if k.isFor(t.Method.Alg()) {
			set.Keys = append(set.Keys, k.public)
		}
	}
	switch {
	case !known:
		return nil, errUnknownKey
	case len(set.Keys) == 0:
		return nil, refuse("signature is not valid")
	case len(set.Keys) > maxTried:
		return nil, refuse("token does not say which key has signed it, and there are too many to try")
	}
	return set, nil
}

// lacks returns how many of the earlier keys are not there any more, or not for the same tokens.
func (s keySet) lacks(earlier keySet) int {
	n := 0
	for _, k := range earlier {
		if !slices.ContainsFunc(s, k.is) {
			n++
		}
	}
	return n
}

// errUnknownKey refuses a token whose key is not in the set.
var errUnknownKey = &Error{Reason: "token is signed with a key that is not known"}
