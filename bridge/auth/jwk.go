package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
)

// A jwk is a key as it stands in a set (RFC 7517, 4). What a set says beyond that of its keys, such
// as their certificates, is not looked at: a mistake there does not make a key a worse one.
type jwk struct {
	KTY    string   `json:"kty"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	KID    string   `json:"kid"`
	Crv    string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	N      string   `json:"n"`
	E      string   `json:"e"`
}

// An ignoredKey is a key of a set that cannot be used. Of the key it holds the name alone.
type ignoredKey struct {
	id, reason string
	unreadable bool // there may be something wrong with it; otherwise it is meant for something else
}

// parseKeySet returns the keys of a set in its order, and those that it ignores.
func parseKeySet(data []byte) (keys keySet, ignored []ignoredKey, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some servers put a byte order mark first
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, nil, errors.New("the answer is not a key set: JSON with a list of keys") // the decoder's error would quote it
	}
	for _, raw := range set.Keys {
		k, bad := parseKey(raw)
		if bad == nil {
			keys = append(keys, k)
			continue
		}
		ignored = append(ignored, *bad)
	}
	return keys, ignored, nil
}

// parseKey returns a key of a set, or why it is ignored.
func parseKey(raw json.RawMessage) (publishedKey, *ignoredKey) {
	var said jwk
	if err := json.Unmarshal(raw, &said); err != nil {
		// It may be that other members were read before: the name tells which key it is.
		return publishedKey{}, &ignoredKey{printable(said.KID), "it is not as RFC 7517 has keys", true}
	}
	if reason := said.otherPurpose(); reason != "" {
		return publishedKey{}, &ignoredKey{printable(said.KID), reason, false}
	}
	k, err := said.published()
	if err != nil {
		return publishedKey{}, &ignoredKey{printable(said.KID), err.Error(), true}
	}
	return k, nil
}

// otherPurpose says what the key is for, if that is not signatures of tokens.
func (k jwk) otherPurpose() string {
	signs := func(operation string) bool { return operation == "verify" || operation == "sign" }
	switch {
	case k.Use != "" && k.Use != "sig": // RFC 7517, 4.2
		return "it is for the use " + printable(k.Use)
	case len(k.KeyOps) > 0 && !slices.ContainsFunc(k.KeyOps, signs): // RFC 7517, 4.3
		return "it is not for the operation verify"
	case k.Alg != "" && !slices.Contains(Algorithms(), k.Alg): // RFC 7517, 4.4
		return "it is for the algorithm " + printable(k.Alg)
	}
	return ""
}

// published returns the key, without what is private if that was published too.
func (k jwk) published() (publishedKey, error) {
	switch k.KTY {
	case "RSA", "EC", "OKP":
	case "oct":
		return publishedKey{}, errors.New("it is a secret, which does not belong in a published set")
	case "":
		return publishedKey{}, errors.New("it has no kty")
	default:
		return publishedKey{}, fmt.Errorf("its kty %s is not known", printable(k.KTY))
	}
	read, err := jwkset.NewJWKFromMarshal(
		jwkset.JWKMarshal{KTY: jwkset.KTY(k.KTY), CRV: jwkset.CRV(k.Crv), X: k.X, Y: k.Y, N: k.N, E: k.E},
		jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return publishedKey{}, errors.New(k.lacking())
	}
	public := read.Key()
	if err := checkKey(public); err != nil {
		return publishedKey{}, err
	}
	if k.Alg != "" && !slices.Contains(AlgorithmsFor(public), k.Alg) {
		fitting := strings.Join(AlgorithmsFor(public), ", ")
		return publishedKey{}, fmt.Errorf("it says that it is for the algorithm %s, and is for %s", k.Alg, fitting)
	}
	return publishedKey{id: k.KID, algorithm: k.Alg, public: public}, nil
}

// lacking says what makes the key one that cannot be read.
func (k jwk) lacking() string {
	needs := map[string][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[k.KTY]
	has := map[string]string{"n": k.N, "e": k.E, "crv": k.Crv, "x": k.X, "y": k.Y}
	for _, member := range needs {
		if has[member] == "" {
			return "it has no " + member
		}
	}
	if k.Crv != "" && !slices.Contains([]string{"P-256", "P-384", "P-521", "Ed25519"}, k.Crv) {
		return "its curve " + printable(k.Crv) + " is not known"
	}
	return "its " + strings.Join(needs, ", ") + " are not a key in base64url"
}

// printable bounds what a set says for the log.
func printable(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
