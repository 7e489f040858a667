package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// The status document, retained at <base topic>/state, is {"state":"online"} while
// events are received: the receiving connection is up and every filter is granted.
// Otherwise it is {"state":"offline"}. The sending connection publishes it, and its
// will is the offline one. So it is right whichever connection ends: when the
// receiving one does, the sending one says so; when the sending one does, or the
// process, the broker says so, and a sending connection that comes back says how
// things stand.

const statusTopic = "/state"

// SetStatus adds fields to the status document, in place of those set before. The
// document is published again when it changes.
func (c *Client) SetStatus(fields map[string]string) {
	c.mu.Lock()
	c.statusFields = maps.Clone(fields)
	c.mu.Unlock()
	signal(c.statusKick)
}

// document returns the status document.
func (c *Client) document(online bool) []byte {
	c.mu.Lock()
	fields := maps.Clone(c.statusFields)
	c.mu.Unlock()
	return document(online, fields)
}

func document(online bool, fields map[string]string) []byte {
	if fields == nil {
		fields = make(map[string]string)
	}
	fields["state"] = "offline"
	if online {
		fields["state"] = "online"
	}
	b, err := json.Marshal(fields)
	if err != nil {
		panic("mqtt: " + err.Error()) // strings always encode
	}
	return b
}

// will is what the broker publishes when the sending connection ends without a
// DISCONNECT. No delay: a bridge that comes back corrects it at once.
func (c *Client) will() *paho.WillMessage {
	return &paho.WillMessage{
		Topic:   c.cfg.BaseTopic + statusTopic,
		Payload: document(false, nil),
		QoS:     1,
		Retain:  true,
	}
}

// keepStatus publishes the status document on every new sending connection, and
// whenever it has changed.
func (c *Client) keepStatus(ctx context.Context) {
	var on *conn // where published was published
	published := ""
	retry := time.NewTimer(0)
	defer retry.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.statusKick:
		case <-retry.C:
		}
		live := c.sending.current()
		document := string(c.document(c.online()))
		if live == nil || live.conn == on && document == published {
			continue
		}
		if err := c.publishStatus(ctx, live, []byte(document)); err != nil {
			failures++
			retry.Reset(pause(failures, 0))
			continue
		}
		on, published, failures = live.conn, document, 0
	}
}

// publishStatus returns an error when it is worth trying again.
func (c *Client) publishStatus(ctx context.Context, live *live, document []byte) error {
	err := live.conn.publish(ctx, live, Message{
		Topic:       c.cfg.BaseTopic + statusTopic,
		Payload:     document,
		QoS:         1,
		Retain:      true,
		ContentType: "application/json",
	})
	var refused *RefusedError
	final := errors.As(err, &refused)
	if final {
		if _, say := c.refusals.due("status "+errorKind(err), time.Now()); say {
			c.log.Warn("the status document is not published", "error", err)
		}
	}
	c.mu.Lock()
	c.statusErr = err
	c.mu.Unlock()
	signal(c.changes)
	if final {
		return nil
	}
	return err
}

// online reports whether events are received.
func (c *Client) online() bool {
	return c.receiving.current() != nil && c.subs.granted()
}
