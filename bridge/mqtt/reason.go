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
	codeNoSubscription   byte = 0x11 // in an UNSUBACK; not a refusal
	codeImplementation   byte = 0x83
	codeBadPassword      byte = 0x86
	codeNotAuthorized    byte = 0x87
	codeBanned           byte = 0x8a
	codeSessionTakenOver byte = 0x8e
	codeTopicNameInvalid byte = 0x90
	codePacketIDInUse    byte = 0x91
	codePacketTooLarge   byte = 0x95
	codeQuotaExceeded    byte = 0x97
	firstRefusal         byte = 0x80 // codes from here on refuse
)

// BrokerError is what a broker has refused or ended: a connection, a subscription, or a publish
// that it may accept later.
type BrokerError struct {
	did    string // what the broker did
	Code   byte   // MQTT 5 reason code
	Reason string // the broker's own words, may be empty
}

// Error implements error.
func (e *BrokerError) Error() string {
	return fmt.Sprintf("%s: %s", e.did, ReasonText(e.Code, e.Reason))
}

// ReasonText returns the meaning of a reason code (MQTT 5, 2.4) and the broker's own words, if any.
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

// errorKind is err without what differs each time it happens, such as a local port.
func errorKind(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + " " + op.Err.Error()
	}
	return err.Error()
}
