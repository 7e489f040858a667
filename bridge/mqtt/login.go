package mqtt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// loginTimeout bounds one question to one broker.
const loginTimeout = 5 * time.Second

// Logins asks a broker whether it accepts a login, by a visit that ends at once. NewLogins is the
// only way to make one. It is safe for concurrent use.
type Logins struct{ cfg Config }

// NewLogins returns Logins of the broker that c describes; of c only URLs, ClientID, TLS and
// MaxPacketSize count.
func NewLogins(c Config) (*Logins, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Logins{c}, nil
}

// CheckPassword reports whether the broker accepts the login with that password. It asks the first
// broker that answers. The error holds neither login nor password.
func (l *Logins) CheckPassword(ctx context.Context, login, password string) (bool, error) {
	var errs []error
	for _, u := range l.cfg.URLs {
		err := l.visit(ctx, u, login, password)
		var refused *BrokerError
		switch {
		case err == nil:
			return true, nil
		case !errors.As(err, &refused):
			errs = append(errs, fmt.Errorf("broker %s: %w", u, err))
			continue
		}
		switch refused.Code {
		case codeBadPassword, codeNotAuthorized, codeBanned:
			return false, nil
		}
		errs = append(errs, fmt.Errorf("broker %s: %s", u, ReasonText(refused.Code, ""))) // its own words may quote the login
	}
	return false, errors.Join(errs...)
}

// visit returns nil when the broker at u accepts the login. The client identifier is a new one each
// time, so that nobody's session is taken over.
func (l *Logins) visit(ctx context.Context, u *url.URL, login, password string) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	c := l.cfg
	c.Username, c.Password = login, func() ([]byte, error) { return []byte(password), nil }
	v, err := NewVisit(ctx, u, c, VisitOptions{ClientID: c.ClientID + "-login-" + rand.Text()})
	if err == nil {
		v.Close()
	}
	return err
}
