package auth

import (
	"context"
	"errors"
	"slices"
)

// Chain tries authenticators in turn: the first that accepts counts. If none does, the answer is
// that of the first that could not check, since it might have accepted; otherwise the reason of the
// first whose kind of credentials it is.
//
// What one of them recognises as its own kind of token, good or not, is shown to no broker as a
// password. While clients may come in as AnonymousUser with nothing, nobody else has that name.
type Chain []Authenticator

// Authenticate asks one after the other. An empty chain refuses everybody.
func (c Chain) Authenticate(ctx context.Context, shown Credentials) (Identity, error) {
	if shown.Basic && !slices.ContainsFunc(c, takesLogins) { // for somebody else on the way
		shown.Login, shown.Passcode, shown.Basic = "", "", false
	}
	isToken := c.recognises(shown) || c.recognises(Credentials{Token: shown.Login})
	var v verdict
	for _, a := range c {
		if isToken && takesLogins(a) {
			v.add(errIsToken)
			continue
		}
		id, err := a.Authenticate(ctx, shown)
		if err == nil {
			err = c.checkReserved(id)
		}
		if err == nil {
			return id, nil
		}
		v.add(err)
	}
	return Identity{}, v.err(errNothing)
}

// Recheck asks one after the other. An identity of a kind that is not in the chain is refused.
func (c Chain) Recheck(id Identity) error {
	if err := c.checkReserved(id); err != nil {
		return err
	}
	var v verdict
	for _, a := range c {
		err := a.Recheck(id)
		if err == nil {
			return nil
		}
		v.add(err)
	}
	return v.err(errOtherKind)
}

// recognises reports whether a token is shown that is of the kind of one of them.
func (c Chain) recognises(shown Credentials) bool {
	return slices.ContainsFunc(c, func(a Authenticator) bool {
		r, ok := a.(recogniser)
		return ok && r.recognises(shown)
	})
}

// Groups returns the groups of an identity; only tokens tell of any.
func (c Chain) Groups(id Identity) Groups {
	for _, a := range c {
		if p, ok := a.(Providers); ok {
			return p.Groups(id)
		}
	}
	return Groups{}
}

// A recogniser tells tokens of its kind from other texts, without checking them.
type recogniser interface{ recognises(Credentials) bool }

// errIsToken is why a broker is not asked.
var errIsToken = foreign("the login or the passcode is a token, not a password")

func takesLogins(a Authenticator) bool {
	_, ok := a.(*Broker)
	return ok
}

// checkReserved refuses to let somebody else than an anonymous client have its name.
func (c Chain) checkReserved(id Identity) error {
	if id.User != AnonymousUser || id.By == KindAnonymous {
		return nil
	}
	for _, a := range c {
		if _, ok := a.(Anonymous); ok {
			return refuse("the user %s is for clients without credentials alone", AnonymousUser)
		}
	}
	return nil
}

// errOtherKind refuses identities that another kind of authenticator vouched for.
var errOtherKind = foreign("this kind of login is not accepted any more")

func ofKind(id Identity, kind Kind) error {
	if id.By != kind {
		return errOtherKind
	}
	return nil
}

// A verdict is what several errors amount to.
type verdict struct{ unchecked, refused, foreign error }

func (v *verdict) add(err error) {
	var refused *Error
	slot := &v.unchecked
	if errors.As(err, &refused) {
		slot = &v.refused
		if refused.Foreign {
			slot = &v.foreign
		}
	}
	if *slot == nil {
		*slot = err
	}
}

// err returns the error that counts, or none if there was no error at all.
func (v *verdict) err(none error) error {
	for _, err := range []error{v.unchecked, v.refused, v.foreign, none} {
		if err != nil {
			return err
		}
	}
	return nil
}
