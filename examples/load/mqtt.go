//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
)

// appendConnect appends a CONNECT for a clean session without keep-alive (MQTT 3.1.1, 3.1).
func appendConnect(dst []byte, clientID string) []byte {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0}
	return appendPacket(dst, 0x10, appendString(body, clientID))
}

// checkConnack returns what a CONNACK refuses (MQTT 3.1.1, 3.2).
func checkConnack(packet []byte) error {
	if len(packet) != 4 || packet[0] != 0x20 || packet[3] != 0 {
		return fmt.Errorf("the broker answered % x to CONNECT", packet)
	}
	return nil
}

// appendSubscribe appends a SUBSCRIBE at QoS 0 (MQTT 3.1.1, 3.8).
func appendSubscribe(dst []byte, filter string) []byte {
	return appendPacket(dst, 0x82, append(appendString([]byte{0, 1}, filter), 0))
}

// checkSuback returns what a SUBACK for one filter refuses (MQTT 3.1.1, 3.9).
func checkSuback(packet []byte) error {
	if len(packet) != 5 || packet[0] != 0x90 || packet[4] > 2 {
		return fmt.Errorf("the broker answered % x to SUBSCRIBE", packet)
	}
	return nil
}

// appendPublish appends a PUBLISH (MQTT 3.1.1, 3.3).
func appendPublish(dst []byte, topic string, qos byte, id uint16, payload []byte) []byte {
	body := appendString(make([]byte, 0, 4+len(topic)+len(payload)), topic)
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, id)
	}
	return appendPacket(dst, 0x30|qos<<1, append(body, payload...))
}

func appendPacket(dst []byte, header byte, body []byte) []byte {
	dst = append(dst, header)
	n := len(body)
	for ; n > 127; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(append(dst, byte(n)), body...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}
