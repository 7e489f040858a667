package auth

import (
	"crypto"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// A publishedKey is a key of a set, with what the set says of it.
type publishedKey struct {
	id        string // empty: none
	algorithm string // the only one that the key is for (RFC 7517, 4.4); empty: any that fits it
	public    crypto.PublicKey
}

// newPublishedKey says why a key cannot be used with any algorithm, though it may be part of a good
// set.
func newPublishedKey(key jwkset.JWK) (publishedKey, error) {
	said := key.Marshal()
	k := publishedKey{id: said.KID, algorithm: said.ALG.String(), public: key.Key()}
	if private, ok := k.public.(interface{ Public() crypto.PublicKey }); ok {
		k.public = private.Public() // it should not have been published
	}
	err := checkKey(k.public)
	switch {
	case said.USE != "" && said.USE != jwkset.UseSig:
		err = fmt.Errorf("it is for %q", said.USE)
	case err == nil && k.algorithm != "" && !slices.Contains(AlgorithmsFor(k.public), k.algorithm):
		err = fmt.Errorf("it is for %q", k.algorithm)
	}
	return k, err
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
