package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/paho"
)

// maxString is the longest MQTT string, in bytes (MQTT 5, 1.5.4).
const maxString = 65535

// publishTimeout is how long a PUBLISH may go unacknowledged. A broker that takes longer has lost
// it: nothing but a new connection makes it take the next.
const publishTimeout = 10 * time.Second

var (
	// errConnectionLost leaves open whether the broker has the packet.
	errConnectionLost = errors.New("the connection ended before the broker answered")
	errUnacknowledged = fmt.Errorf("the broker did not acknowledge a PUBLISH within %v", publishTimeout)
)

// Publish sends m on the sending connection and returns when the broker has
// acknowledged it (at QoS 0: when it is written). While there is no connection it
// waits for one. A *RefusedError means that m will never be accepted; after any other
// error m may be published again, and may then arrive twice. Many calls may be in
// flight at once.
func (c *Client) Publish(ctx context.Context, m Message) error {
	err := c.awaitAndPublish(ctx, m)
	var refused *RefusedError
	switch {
	case err == nil:
		c.counters.published.Add(1)
	case errors.As(err, &refused):
		c.counters.refused.Add(1)
	}
	c.noteAnswer(m.Topic, err)
	return publishError(m.Topic, err)
}

// noteAnswer keeps which topics the broker has left without an answer, until it gives one.
func (c *Client) noteAnswer(topic string, err error) {
	var refused *RefusedError
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, errUnacknowledged):
		c.unanswered[topic] = err
	case err == nil || errors.As(err, &refused):
		delete(c.unanswered, topic)
	default:
		return
	}
	signal(c.changes)
}

func (c *Client) awaitAndPublish(ctx context.Context, m Message) error {
	if err := checkTopic(m.Topic); err != nil { // which must not wait for a connection
		return err
	}
	live, err := c.sending.await(ctx)
	if err != nil {
		return err
	}
	return live.conn.publish(ctx, live, m)
}

// publishError adds the topic to an error that does not name it.
func publishError(topic string, err error) error {
	var refused *RefusedError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("publish to %q: %w", topic, err)
}

// publisher is an *autopaho.ConnectionManager or a *paho.Client.
type publisher interface {
	Publish(ctx context.Context, p *paho.Publish) (*paho.PublishResponse, error)
}

// publish publishes m through by, which speaks on the connection, once it has a free slot.
func (c *conn) publish(ctx context.Context, by publisher, m Message) error {
	p, err := m.packet(c.maxPacket)
	if err != nil {
		return err
	}
	bound, cancel := c.bound(ctx)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-bound.Done():
		return whyEnded(ctx)
	}
	patient, stop := context.WithTimeout(bound, publishTimeout)
	defer stop()
	response, err := by.Publish(patient, p)
	switch {
	case err == nil || response != nil:
	case bound.Err() != nil:
		return whyEnded(ctx)
	case patient.Err() != nil:
		c.end(errUnacknowledged)
		c.Close()
		return errUnacknowledged
	}
	return outcome(m.Topic, response, err)
}

// whyEnded is the error of a packet whose answer is no longer waited for.
func whyEnded(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errConnectionLost
}

// outcome tells a refusal for good from what may be tried again.
func outcome(topic string, response *paho.PublishResponse, err error) error {
	switch {
	case errors.Is(err, paho.ErrInvalidArguments): // what the broker said at the connect rules it out
		return &RefusedError{Topic: topic, Code: codeImplementation, Reason: err.Error()}
	case response == nil || response.ReasonCode < firstRefusal:
		return err
	}
	said := ""
	if response.Properties != nil {
		said = response.Properties.ReasonString
	}
	switch response.ReasonCode {
	case codePacketIDInUse, codeQuotaExceeded:
		return &BrokerError{"the broker does not accept it now", response.ReasonCode, said}
	}
	if said == "" {
		said = reasons[response.ReasonCode]
	}
	return &RefusedError{Topic: topic, Code: response.ReasonCode, Reason: said}
}

// checkTopic refuses what is not a topic name (MQTT 5, 4.7.1, 4.7.3). The broker would end the
// connection for it.
func checkTopic(topic string) error {
	reason := ""
	switch {
	case topic == "":
		reason = "topic name is empty"
	case len(topic) > maxString:
		reason = fmt.Sprintf("topic name of %d bytes, the limit is %d", len(topic), maxString)
		topic = topic[:100]
	case strings.ContainsAny(topic, "+#"):
		reason = "topic name with a wildcard"
	case topic != text(topic):
		reason = "topic name is not UTF-8 without control characters"
	default:
		return nil
	}
	return &RefusedError{Topic: topic, Code: codeTopicNameInvalid, Reason: reason}
}

// packet returns m as a PUBLISH of at most limit bytes (0: no limit).
func (m Message) packet(limit int) (*paho.Publish, error) {
	p := &paho.Publish{
		Topic:   m.Topic,
		Payload: m.Payload,
		QoS:     m.QoS,
		Retain:  m.Retain,
		Properties: &paho.PublishProperties{
			ContentType: cut(text(m.ContentType), maxString),
		},
	}
	if limit == 0 {
		limit = 1 << 28 // MQTT 5, 2.1.4: no packet can be larger
	}
	room := limit - bareSize(p)
	if room < 0 {
		return nil, &RefusedError{Topic: m.Topic, Code: codePacketTooLarge,
			Reason: fmt.Sprintf("%d bytes, the broker accepts %d", bareSize(p), limit)}
	}
	user := fit(m.User, room)
	if len(m.User) > 0 && len(user) == 0 { // the first says what the message is
		return nil, &RefusedError{Topic: m.Topic, Code: codePacketTooLarge,
			Reason: fmt.Sprintf("%d bytes and its properties, the broker accepts %d", bareSize(p), limit)}
	}
	for _, u := range user {
		p.Properties.User.Add(u.Name, u.Value)
	}
	return p, nil
}

// bareSize is an upper bound of the size of p without user properties, in bytes.
func bareSize(p *paho.Publish) int {
	const header = 1 + 4      // fixed header (2.1)
	const lengths = 2 + 2 + 4 // of the topic, packet identifier, of the properties (3.3.2)
	size := header + lengths + len(p.Topic) + len(p.Payload)
	if p.Properties.ContentType != "" {
		size += 3 + len(p.Properties.ContentType)
	}
	return size
}

// fit cuts the values of user, the longest first, so that all of it takes at most
// room bytes. Where not even the names have room, the last properties are left out.
func fit(user []UserProperty, room int) []UserProperty {
	const overhead = 1 + 2 + 2 // identifier and two lengths (MQTT 5, 2.2.2.2)
	fitted := make([]UserProperty, 0, len(user))
	lengths := make([]int, 0, len(user))
	for _, u := range user {
		name := cut(text(u.Name), maxString)
		if room -= overhead + len(name); room < 0 {
			break
		}
		value := text(u.Value)
		fitted = append(fitted, UserProperty{name, value})
		lengths = append(lengths, len(value))
	}
	longest := min(maxString, share(lengths, max(room, 0)))
	for i := range fitted {
		fitted[i].Value = cut(fitted[i].Value, longest)
	}
	return fitted
}

// share returns the greatest length to which each of lengths can be cut so that their
// sum is at most room.
func share(lengths []int, room int) int {
	slices.Sort(lengths)
	for i, n := range lengths {
		each := room / (len(lengths) - i)
		if n > each {
			return each
		}
		room -= n
	}
	return maxString
}

// cut returns at most n bytes of s, whole characters only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// text returns s as a string that every broker accepts: UTF-8 without control
// characters and non-characters (MQTT 5, 1.5.4). Mosquitto ends the connection for any.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
			return utf8.RuneError
		}
		return r
	}, s)
}
