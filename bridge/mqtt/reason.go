package mqtt

import (
	"errors"
	"fmt"
	"net"
)

// reasons are the MQTT 5 reason codes that refuse or end something (2.4). CONNACK,
// SUBACK, PUBACK and DISCONNECT share one space of codes.
var reasons = map[byte]string{
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "implementation specific error",
	0x84: "unsupported protocol version: the broker does not speak MQTT 5",
	0x85: "client identifier not valid",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "server unavailable",
	0x89: "server busy",
	0x8a: "banned",
	0x8b: "server shutting down",
	0x8c: "bad authentication method",
	0x8d: "keep alive timeout",
	0x8e: "session taken over",
	0x8f: "topic filter invalid",
	0x90: "topic name invalid",
	0x91: "packet identifier in use",
	0x93: "receive maximum exceeded",
	0x94: "topic alias invalid",
	0x95: "packet too large",
	0x96: "message rate too high",
	0x97: "quota exceeded",
	0x98: "administrative action",
	0x99: "payload format invalid",
	0x9a: "retain not supported",
	0x9b: "qos not supported",
	0x9c: "use another server",
	0x9d: "server moved",
	0x9e: "shared subscriptions not supported",
	0x9f: "connection rate exceeded",
	0xa0: "maximum connect time",
	0xa1: "subscription identifiers not supported",
	0xa2: "wildcard subscriptions not supported",
}

const (
	codeNoSubscription        = 0x11 // in an UNSUBACK, and no refusal
	codeSessionTakenOver      = 0x8e
	codeTopicNameInvalid      = 0x90
	codePacketIDInUse         = 0x91
	codePacketTooLarge        = 0x95
	codeQuotaExceeded         = 0x97
	codeImplementation        = 0x83
	firstRefusal         byte = 0x80 // codes from here on refuse
)

// brokerError is a refusal by the broker: of a connection or a subscription.
type brokerError struct {
	did    string // what the broker did
	code   byte
	reason string // the broker's own words, may be empty
}

func (e *brokerError) Error() string {
	return fmt.Sprintf("%s: %s", e.did, ReasonText(e.code, e.reason))
}

// ReasonText returns the meaning of a reason code (MQTT 5, 2.4) and, where it gives one, the broker's own reason.
func ReasonText(code byte, said string) string {
	text := fmt.Sprintf("reason code 0x%02x", code)
	if meaning, ok := reasons[code]; ok {
		text = fmt.Sprintf("%s (0x%02x)", meaning, code)
	}
	if said != "" {
		text += fmt.Sprintf(": %q", said)
	}
	return text
}

// kind is err without what differs each time it happens, such as a local port.
func kind(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + " " + op.Err.Error()
	}
	return err.Error()
}
