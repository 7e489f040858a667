package bridge

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// markRedelivery begins the names of the marks below: one for each packet identifier in use.
const markRedelivery = "packet/"

// redeliveries recognises a QoS 1 event that the broker sends again although it is in the journal, because the
// acknowledgement did not reach the broker. Equal content alone is never enough: unread counts 1, 2, 1 are three events.
//
// It knows the newest use of each packet identifier in the broker's session. It is not safe for concurrent use.
type redeliveries struct {
	doubt      time.Duration // how long before a connection's end an acknowledgement may have been lost
	uses       map[uint16]packetUse
	session    uint64
	connection uint64
	newest     time.Duration // of all uses
	began      time.Time     // when this process did, with its monotonic reading
	before     time.Duration // the newest use of an earlier process
}

// A packetUse is one event that has become entries.
type packetUse struct {
	sum [16]byte      // of topic and payload
	at  time.Duration // by a clock that runs only while a bridge does, so that setting the machine's changes nothing
}

// newRedeliveries reads what an earlier process has left in the log. An acknowledgement older than three keep-alives is with
// the broker: it has answered a ping since.
func newRedeliveries(log journal.Log, keepAlive time.Duration, now time.Time) (*redeliveries, error) {
	r := &redeliveries{doubt: 3 * keepAlive, uses: map[uint16]packetUse{}, began: now}
	err := log.Marks(markRedelivery, func(m journal.Mark) bool {
		id, err := strconv.ParseUint(strings.TrimPrefix(m.Name, markRedelivery), 10, 16)
		if u, ok := parseUse(m.Value); ok && err == nil {
			r.remember(uint16(id), u)
		}
		return true
	})
	r.before = r.newest
	return r, err
}

func (r *redeliveries) remember(id uint16, u packetUse) {
	r.uses[id] = u
	r.newest = max(r.newest, u.at)
}

// seen reports whether the event was journalled before. It must be asked in order of receipt. absent tells that the broker
// had no session present: everything known is void, in the log too.
func (r *redeliveries) seen(e *mqtt.Event) (duplicate, absent bool) {
	if e.Session != r.session {
		r.session, absent = e.Session, true
		clear(r.uses)
	}
	if e.Connection != r.connection {
		r.connection = e.Connection
		r.settle()
	}
	if e.QoS == 0 || !e.Dup || !e.SessionPresent {
		return false, absent
	}
	u, ok := r.uses[e.PacketID]
	return ok && u.sum == sumOf(e), absent
}

// settle forgets the uses whose acknowledgement had reached the broker when the last connection ended.
func (r *redeliveries) settle() {
	for id, u := range r.uses {
		if r.newest-u.at > r.doubt {
			delete(r.uses, id)
		}
	}
}

// use remembers an event that becomes entries, and returns the mark to be committed with them.
func (r *redeliveries) use(e *mqtt.Event) journal.Mark {
	u := packetUse{sum: sumOf(e), at: r.before + e.Received.Sub(r.began)}
	r.remember(e.PacketID, u)
	return journal.Mark{Name: markRedelivery + strconv.Itoa(int(e.PacketID)), Value: u.append(nil)}
}

func sumOf(e *mqtt.Event) (sum [16]byte) {
	h := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(e.Topic)))
	h.Write(length[:])
	h.Write([]byte(e.Topic))
	h.Write(e.Payload)
	copy(sum[:], h.Sum(nil))
	return sum
}

// append appends the value of a mark: the sum, then the time in milliseconds.
func (u packetUse) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, u.sum[:]...), uint64(u.at.Milliseconds()))
}

func parseUse(value []byte) (u packetUse, ok bool) {
	if len(value) != len(u.sum)+8 {
		return u, false
	}
	n := copy(u.sum[:], value)
	u.at = time.Duration(binary.BigEndian.Uint64(value[n:])) * time.Millisecond
	return u, true
}
