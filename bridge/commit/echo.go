package commit

import (
	"crypto/sha256"
	"strings"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// echoGeneration is how many dead letters echoes remember at least, and half of what they remember
// at most.
const echoGeneration = 50_000

// echoes know the payloads of the dead letters that this bridge has made. A letter comes back
// without its mark where two brokers are connected by MQTT 3.1.1, which has no user properties: if
// it became another letter, and that came back too, this would never end.
type echoes struct {
	recent, before map[[sha256.Size]byte]struct{} // before is the generation before
}

// made notes the payload of a dead letter that is made.
func (s *echoes) made(payload []byte) {
	if len(s.recent) >= echoGeneration {
		s.recent, s.before = nil, s.recent
	}
	if s.recent == nil {
		s.recent = map[[sha256.Size]byte]struct{}{}
	}
	s.recent[sha256.Sum256(payload)] = struct{}{}
}

// has reports whether the event may be one of those letters, or a letter that another bridge has
// made of one.
func (s *echoes) has(e *mqtt.Event) bool {
	rule := strings.LastIndexByte(e.Topic, '/')
	if len(e.User) > 0 || rule < 0 || !strings.HasSuffix(e.Topic[:rule], "/dead-letter") {
		return false
	}
	digest := sha256.Sum256(e.Payload)
	if _, ok := s.recent[digest]; ok {
		return true
	}
	_, ok := s.before[digest]
	return ok
}
