package bridge

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// markRedelivery begins the names of the marks below: one for each packet identifier in use.
const markRedelivery = "packet/"

// certain is how many pings the broker must have answered since an event was committed for its acknowledgement to be there:
// the first may have been on its way before. Time tells nothing, since a process can be stopped, and a broker too.
const certain = 3

// redeliveries recognises a QoS 1 event that the broker sends again although it is in the journal, because the
// acknowledgement did not reach the broker. Equal content alone is never enough: unread counts 1, 2, 1 are three events.
//
// It knows the newest use of each packet identifier in the broker's session. It is not safe for concurrent use.
type redeliveries struct {
	uses       map[uint16]packetUse
	pending    []uint16 // used, and not committed
	session    uint64
	connection uint64
	before     uint64 // pings answered to earlier processes, as far as is known
}

// A packetUse is one event that has become entries.
type packetUse struct {
	sum   [16]byte // of topic and payload
	pongs uint64   // pings answered before it was committed, earlier processes' included
}

// uncommitted stands for packetUse.pongs until that is known.
const uncommitted = math.MaxUint64

// newRedeliveries reads what an earlier process has left in the log.
func newRedeliveries(log journal.Log) (*redeliveries, error) {
	r := &redeliveries{uses: map[uint16]packetUse{}}
	err := log.Marks(markRedelivery, func(m journal.Mark) bool {
		id, err := strconv.ParseUint(strings.TrimPrefix(m.Name, markRedelivery), 10, 16)
		if u, ok := parseUse(m.Value); ok && err == nil {
			r.uses[uint16(id)] = u
			r.before = max(r.before, u.pongs)
		}
		return true
	})
	return r, err
}

// seen reports whether the event was journalled before. It must be asked in order of receipt. absent tells that the broker
// had no session present: everything known is void, in the log too.
func (r *redeliveries) seen(e *mqtt.Event) (duplicate, absent bool) {
	if e.Session != r.session {
		r.session, absent = e.Session, true
		clear(r.uses)
		r.pending = nil
	}
	if e.Connection != r.connection {
		r.connection = e.Connection
		r.settle(r.before + e.Pongs)
	}
	if e.QoS == 0 {
		return false, absent
	}
	if u, ok := r.uses[e.PacketID]; ok && e.Dup && e.SessionPresent && u.sum == sumOf(e) {
		r.use(e) // its acknowledgement is still to come
		return true, absent
	}
	delete(r.uses, e.PacketID) // the broker had the acknowledgement, or it would not use the identifier for something else
	return false, absent
}

// settle forgets the uses whose acknowledgement had reached the broker when the last connection ended, after so many pongs.
func (r *redeliveries) settle(pongs uint64) {
	for id, u := range r.uses {
		if pongs >= certain && u.pongs <= pongs-certain {
			delete(r.uses, id)
		}
	}
}

// use remembers an event that becomes entries.
func (r *redeliveries) use(e *mqtt.Event) {
	r.uses[e.PacketID] = packetUse{sum: sumOf(e), pongs: uncommitted}
	r.pending = append(r.pending, e.PacketID)
}

// marks returns the marks to be committed with the events used since the last call, after so many pongs of this process.
func (r *redeliveries) marks(pongs uint64) (marks []journal.Mark) {
	for _, id := range r.pending {
		u, ok := r.uses[id]
		if !ok {
			continue
		}
		u.pongs = r.before + pongs
		r.uses[id] = u
		marks = append(marks, journal.Mark{Name: markRedelivery + strconv.Itoa(int(id)), Value: u.append(nil)})
	}
	r.pending = nil
	return marks
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

// append appends the value of a mark: the sum, then the pongs.
func (u packetUse) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, u.sum[:]...), u.pongs)
}

func parseUse(value []byte) (u packetUse, ok bool) {
	if len(value) != len(u.sum)+8 {
		return u, false
	}
	n := copy(u.sum[:], value)
	u.pongs = binary.BigEndian.Uint64(value[n:])
	return u, true
}
