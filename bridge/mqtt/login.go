package mqtt

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// loginTimeout bounds one question to one broker.
const loginTimeout = 5 * time.Second

// Logins asks a broker whom it would let in, by a connection of its own that begins clean, has no will and ends at once. NewLogins
// is the only way to make one. It is safe for concurrent use.
type Logins struct{ cfg Config }

// NewLogins returns Logins of the broker that c describes; of c only URLs, ClientID, TLS and MaxPacketSize count.
func NewLogins(c Config) (*Logins, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Logins{c}, nil
}

// CheckPassword reports whether the broker lets the login in with that password. It asks the first broker that answers. The
// client identifier is a new one each time, so that nobody's session is taken over. The error holds neither login nor
// password.
func (l *Logins) CheckPassword(ctx context.Context, login, password string) (bool, error) {
	var errs []error
	for _, u := range l.cfg.URLs {
		code, err := l.connect(ctx, u, login, password)
		if err != nil {
			errs = append(errs, fmt.Errorf("broker %s: %w", u, err))
			continue
		}
		switch code {
		case packets.ConnackSuccess:
			return true, nil
		case packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized, packets.ConnackBanned:
			return false, nil
		}
		errs = append(errs, fmt.Errorf("broker %s: %s", u, ReasonText(code, ""))) // its own words may quote the login
	}
	return false, errors.Join(errs...)
}

// connect returns the reason code of the broker's CONNACK.
func (l *Logins) connect(ctx context.Context, u *url.URL, login, password string) (code byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	c, err := dial(ctx, u, l.cfg.TLS, l.cfg.MaxPacketSize)
	if err != nil {
		return 0, err
	}
	c.pongs = new(atomic.Uint64)
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	connect := &packets.Connect{
		ProtocolName:    "MQTT",
		ProtocolVersion: 5,
		ClientID:        l.cfg.ClientID + "-login-" + rand.Text(),
		CleanStart:      true, // and no session expiry: nothing is kept
		KeepAlive:       uint16(loginTimeout / time.Second),
		Properties:      &packets.Properties{MaximumPacketSize: &l.cfg.MaxPacketSize},
		UsernameFlag:    true,
		Username:        login,
		PasswordFlag:    true,
		Password:        []byte(password),
	}
	if _, err := connect.WriteTo(c); err != nil {
		return 0, err
	}
	answer, err := packets.ReadPacket(c)
	if err != nil {
		return 0, cmp.Or(ctx.Err(), err)
	}
	ack, ok := answer.Content.(*packets.Connack)
	if !ok {
		return 0, errors.New("the broker does not speak MQTT 5")
	}
	if ack.ReasonCode == packets.ConnackSuccess {
		disconnect := &packets.Disconnect{Properties: &packets.Properties{}}
		disconnect.WriteTo(c) // the answer is there whether this arrives or not
	}
	return ack.ReasonCode, nil
}
