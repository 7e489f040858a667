package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A PasswordHash is a login of a password file, with a hash that its password can be checked by. It
// prints as the login and "***".
type PasswordHash struct {
	name       string
	iterations int
	salt       []byte
	hash       [sha512.Size]byte
}

// Format writes the login and "***" for every verb: a hash of a weak password can be guessed from.
func (h PasswordHash) Format(f fmt.State, _ rune) { io.WriteString(f, h.name+":***") }

// The hashes of mosquitto_passwd, by what they begin with.
const (
	pbkdf2Kind = "$7$"
	sha512Kind = "$6$"
	argon2Kind = "$argon2"
)

// maxIterations bounds how long one password is computed with, to some seconds.
const maxIterations = 10_000_000

// ParsePasswords returns the logins of a password file as mosquitto_passwd writes it, with hashes
// of its kind sha512-pbkdf2 alone: a line NAME:$7$ITERATIONS$SALT$HASH for each. Lines that are
// empty or begin with # do not count. It returns every mistake.
func ParsePasswords(data []byte) (passwords []PasswordHash, errs []LineError) {
	login := func(h PasswordHash) string { return h.name }
	return parseLines(data, parsePassword, login, "has the login of line %d again")
}

// parsePassword returns the login of a line, or what is wrong with it.
func parsePassword(text string) (h PasswordHash, reason string) {
	name, hash, ok := strings.Cut(text, ":")
	fields, isPBKDF2 := strings.CutPrefix(hash, pbkdf2Kind)
	switch {
	case !ok || name == "":
		return h, "is not NAME:HASH"
	case strings.HasPrefix(hash, sha512Kind):
		return h, "the hash is of the kind sha512, which is quick to guess from: it must be sha512-pbkdf2"
	case strings.HasPrefix(hash, argon2Kind):
		return h, "the hash is of the kind argon2id: it must be sha512-pbkdf2"
	case !strings.HasPrefix(hash, "$"):
		return h, "the password is not hashed"
	case !isPBKDF2:
		return h, "the hash is of an unknown kind: it must be sha512-pbkdf2"
	}
	parts := strings.Split(fields, "$")
	if len(parts) != 3 {
		return h, "the hash is not $7$ITERATIONS$SALT$HASH"
	}
	iterations, err := strconv.Atoi(parts[0])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return h, fmt.Sprintf("the iterations are not a number from 1 to %d", maxIterations)
	}
	salt, saltErr := base64.StdEncoding.DecodeString(parts[1])
	sum, sumErr := base64.StdEncoding.DecodeString(parts[2])
	if saltErr != nil || sumErr != nil || len(salt) == 0 || len(sum) != sha512.Size {
		return h, fmt.Sprintf("the salt and the hash are not in base64, the hash with %d bytes", sha512.Size)
	}
	return PasswordHash{name, iterations, salt, [sha512.Size]byte(sum)}, ""
}

// is reports whether the password is the one that was hashed. It takes its time.
func (h PasswordHash) is(password string) bool {
	sum, err := pbkdf2.Key(sha512.New, password, h.salt, h.iterations, sha512.Size)
	return err == nil && subtle.ConstantTimeCompare(sum, h.hash[:]) == 1
}

// proof is what Recheck compares: another after a new password.
func (h PasswordHash) proof() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %x %x", h.iterations, h.salt, h.hash))
	return string(sum[:])
}
