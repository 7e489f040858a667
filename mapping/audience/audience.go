// Package audience names who may get an entry.
package audience

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// An Audience is the tokens of the users and groups that may get an entry, sorted, none twice. nil
// is everybody; there is no Audience of nobody.
type Audience []string

// What the tokens begin with, so that no user is taken for a group.
const (
	userPrefix  = "u:"
	groupPrefix = "g:"
)

// User returns the token of a user.
func User(name string) string { return userPrefix + name }

// Group returns the token of a group.
func Group(name string) string { return groupPrefix + name }

// Of returns the audience of the tokens, in any order; it keeps the slice. It panics when there are
// none, since no tokens must never become everybody.
func Of(tokens []string) Audience {
	if len(tokens) == 0 {
		panic("audience: no tokens")
	}
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Key returns a text of 43 characters that equal audiences share and no others; "" for everybody.
func (a Audience) Key() string {
	if a == nil {
		return ""
	}
	var b []byte
	for _, token := range a {
		b = append(strconv.AppendInt(b, int64(len(token)), 10), ':')
		b = append(b, token...)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// String returns the audience for people: "group support, user alice".
func (a Audience) String() string {
	if a == nil {
		return "everybody"
	}
	names := make([]string, len(a))
	for i, token := range a {
		kind, name := "user ", strings.TrimPrefix(token, userPrefix)
		if group, ok := strings.CutPrefix(token, groupPrefix); ok {
			kind, name = "group ", group
		}
		if quoted := strconv.Quote(name); quoted != `"`+name+`"` || strings.ContainsAny(name, " ,") {
			name = quoted
		}
		names[i] = kind + name
	}
	return strings.Join(names, ", ")
}
