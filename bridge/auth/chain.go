package auth

import (
	"context"
	"errors"
)

// Chain tries authenticators in turn: the first that accepts counts. If none does, the answer is
// that of the first that could not check, since it might have accepted; otherwise the reason of the
// first whose kind of credentials it is.
type Chain []Authenticator

// Authenticate asks one after the other. An empty chain refuses everybody.
func (c Chain) Authenticate(ctx context.Context, shown Credentials) (Identity, error) {
	var v verdict
	for _, a := range c {
		id, err := a.Authenticate(ctx, shown)
		if err == nil {
			return id, nil
		}
		v.add(err)
	}
	return Identity{}, v.err(errNothing)
}

// Recheck asks one after the other. An identity of a kind that is not in the chain is refused.
func (c Chain) Recheck(id Identity) error {
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
