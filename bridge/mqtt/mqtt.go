// Package mqtt keeps the bridge's MQTT 5 session with the broker.
//
// A [Client] has two connections. The receiving one, under the configured client identifier, has a
// session that outlives it: what arrives at QoS 1 while the bridge is away, or is not yet
// acknowledged, is delivered later. The sending one (<client id>-out) starts clean each time; dead
// letters and the status document go out on it, so that waiting for a PUBACK never stands in the
// way of reading one.
//
// Retained messages are not asked for in that session: a broker sends them at a subscribe only, all
// at once, and Mosquitto drops those that its queue for the session has no room for. The client
// reads them by a visit of its own, <client id>-retained, whenever what they say may not be known.
//
// A [Visit] is a short connection beside them: for a login to be checked, and for the commands that
// look at a broker.
package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/topic"
)

// Config says how to reach the broker and what to ask of it. URLs and ClientID are required; every
// other zero value means the default given beside it.
type Config struct {
	URLs           []*url.URL             // tried in turn: of Schemes, without user information
	ClientID       string                 // of the receiving connection; the sending one appends "-out"
	Username       string                 // none: anonymous
	Password       func() ([]byte, error) // called before each connect, so that a password file is read again; nil: none
	TLS            *tls.Config            // for mqtts, ssl, wss; nil: the system's roots
	KeepAlive      time.Duration          // whole seconds; default 15 s
	SessionExpiry  time.Duration          // how long the broker keeps the session of an absent bridge; default 24 h
	NoStatus       bool                   // publish no status and leave no will, for a broker without retained messages
	BaseTopic      string                 // default "mqtt-stomp-bridge"; the status is at <base topic>/state
	Filters        []Filter               // subscribed to at QoS 1, for live messages; should not overlap
	Retained       []string               // topic filters whose retained messages are read, see Client; each within one of Filters
	Stale          []string               // topic filters that an earlier process may have left in the session; dropped unless in Filters
	Returning      bool                   // an earlier process had the session: it is a loss if the first connection finds none
	Over           <-chan struct{}        // once it is closed no connection is made any more, see ErrOver; nil: never
	ReceiveMaximum uint16                 // events unacknowledged at one time; default 256
	MaxPacketSize  uint32                 // of what the broker may send, in bytes; default 1 MiB
	Logger         *slog.Logger           // default: discard
}

// Filter is one subscription.
type Filter struct {
	Topic        string // an MQTT topic filter
	SkipRetained bool   // of a Visit: ask the broker for no retained messages
}

// UserProperty is an MQTT 5 user property. Names may repeat; order is kept.
type UserProperty struct {
	Name, Value string
}

// Event is one received PUBLISH. It is read-only; the payload belongs to whoever received the
// event.
type Event struct {
	Topic       string
	Payload     []byte
	QoS         byte
	Retained    bool // a stored copy
	Dup         bool // the broker has sent it before
	PacketID    uint16
	ContentType string
	User        []UserProperty
	Received    time.Time

	// Reading is what the event is to a reading of retained messages. What begins and ends one is
	// no message, and has nothing but this.
	Reading Reading

	// SessionPresent is what the broker said when the connection that brought the event was made. A
	// Dup means something only where it is true.
	SessionPresent bool
	// Session counts the sessions of this Client: it grows whenever the broker has none present at
	// a connect, and 0 is the one an earlier process may have left. Packet identifiers of different
	// sessions have nothing to do with each other.
	Session uint64
	// Connection counts the receiving connections of this Client, from 1.
	Connection uint64
	// Pongs is what Client.Pongs was before the connection was made.
	Pongs uint64

	conn   *conn         // that brought it; nil: it is not of the session
	number uint64        // among its events with an acknowledgement; 0: it has none
	ended  chan struct{} // of ReadingEnds: closed by Ack
}

// A Reading is a place in a reading of retained messages, which goes through Events like this:
//
//	live ... ReadingBegins live, ReadingCopy ... live, ReadingEnds live ...
//
// What is live before the beginning was received before the broker was asked, so that no copy is
// older. A live event after it may be newer than a copy of its topic that follows.
type Reading byte

// The places. A reading that fails has no end, and another begins later.
const (
	ReadingNone Reading = iota // live
	ReadingBegins
	ReadingCopy // a retained message, at QoS 0
	ReadingEnds // its Ack says that all copies are committed
)

// Message is something to publish.
type Message struct {
	Topic       string
	Payload     []byte
	QoS         byte // 0 or 1
	Retain      bool
	ContentType string
	User        []UserProperty // values are cut to what fits the broker's maximum packet size, the longest first; without room for the first name the message is too large
}

// RefusedError is a publish that will not be accepted however often it is tried.
type RefusedError struct {
	Topic  string
	Code   byte   // MQTT 5 reason code
	Reason string // the broker's reason string, or the meaning of the code
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("publish to %q refused: %s (0x%02x)", e.Topic, e.Reason, e.Code)
}

// Defaults of Config.
const (
	DefaultMaxPacketSize = 1 << 20 // bytes
	DefaultKeepAlive     = 15 * time.Second
	DefaultSessionExpiry = 24 * time.Hour
)

const (
	defaultBaseTopic      = "mqtt-stomp-bridge"
	defaultReceiveMaximum = 256

	maxKeepAlive     = 65535 * time.Second
	maxSessionExpiry = 0xFFFFFFFF * time.Second // MQTT 5, 3.1.2.11.2: never expires
)

// withDefaults returns c with its zero values filled in.
func (c Config) withDefaults() Config {
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	if c.SessionExpiry == 0 {
		c.SessionExpiry = DefaultSessionExpiry
	}
	if c.BaseTopic == "" {
		c.BaseTopic = defaultBaseTopic
	}
	if c.ReceiveMaximum == 0 {
		c.ReceiveMaximum = defaultReceiveMaximum
	}
	if c.MaxPacketSize == 0 {
		c.MaxPacketSize = DefaultMaxPacketSize
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate returns every mistake in c, whose zero values are filled in.
func (c Config) validate() error {
	var errs []error
	if len(c.URLs) == 0 {
		errs = append(errs, errors.New("no broker url"))
	}
	for _, u := range c.URLs {
		errs = append(errs, checkURL(u, u.Redacted()))
	}
	if c.ClientID == "" {
		errs = append(errs, errors.New("no client id: without a fixed one the broker keeps no session"))
	}
	if c.KeepAlive < time.Second || c.KeepAlive > maxKeepAlive {
		errs = append(errs, fmt.Errorf("keepalive %v: must be from 1s to %v", c.KeepAlive, maxKeepAlive))
	}
	if c.SessionExpiry < time.Second || c.SessionExpiry > maxSessionExpiry {
		errs = append(errs, fmt.Errorf("session expiry %v: must be from 1s to %v", c.SessionExpiry, maxSessionExpiry))
	}
	for _, text := range [...][2]string{{"client id", c.ClientID + retainedSuffix}, {"user name", c.Username}, {"base topic", c.BaseTopic}} {
		if m := topic.CheckText(text[1]); m != nil {
			errs = append(errs, fmt.Errorf("the %s %s", text[0], m.Message))
		}
	}
	if strings.ContainsAny(c.BaseTopic, "+#") || strings.HasPrefix(c.BaseTopic, "$") {
		errs = append(errs, fmt.Errorf("base topic %q: must be a topic name without + and # that does not begin with $", c.BaseTopic))
	}
	errs = append(errs, checkFilters(c.Filters))
	for _, f := range c.Retained {
		errs = append(errs, topic.Check(f))
	}
	return errors.Join(errs...)
}
