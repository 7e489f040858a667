package mqtt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/packets"
)

// errShortPublish says that a PUBLISH ends before what it must hold.
var errShortPublish = errors.New("reading PUBLISH: the packet ends too early")

// decodePublish fills in e from a PUBLISH packet: flags are those of its fixed header, body is what
// follows the remaining length (MQTT 5, 3.3). The payload shares body. Where it belongs is left to
// the caller.
func decodePublish(e *Event, flags byte, body []byte) error {
	e.Retained, e.QoS, e.Dup = flags&1 != 0, flags>>1&3, flags&8 != 0
	if e.QoS == 3 {
		return errors.New("reading PUBLISH: a QoS of 3")
	}
	if len(body) < 2 {
		return errShortPublish
	}
	name := int(binary.BigEndian.Uint16(body))
	if body = body[2:]; len(body) < name {
		return errShortPublish
	}
	e.Topic, body = string(body[:name]), body[name:]
	if e.QoS > 0 {
		if len(body) < 2 {
			return errShortPublish
		}
		e.PacketID, body = binary.BigEndian.Uint16(body), body[2:]
	}
	return decodeProperties(e, body)
}

// decodeProperties fills in e from the properties and the payload behind them.
func decodeProperties(e *Event, body []byte) error {
	if len(body) == 0 {
		return errShortPublish
	}
	if body[0] == 0 { // the usual length of properties
		e.Payload = body[1:]
		return nil
	}
	length, n := binary.Uvarint(body[:min(len(body), 4)]) // a Variable Byte Integer, MQTT 5, 1.5.5
	if n <= 0 || uint64(len(body)-n) < length {
		return errShortPublish
	}
	end := n + int(length)
	var p packets.Properties
	if err := p.Unpack(bytes.NewBuffer(body[:end]), packets.PUBLISH); err != nil {
		return fmt.Errorf("reading PUBLISH: properties: %w", err)
	}
	e.ContentType, e.Payload = p.ContentType, body[end:]
	for _, u := range p.User {
		e.User = append(e.User, UserProperty{Name: u.Key, Value: u.Value})
	}
	return nil
}
