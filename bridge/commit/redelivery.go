package commit

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// recordsRedelivery begins the names of the records below: one for each packet identifier in use.
const recordsRedelivery = "packet/"

// certain is the number of PINGRESPs after a commit that proves that the PUBACK arrived; the first
// may answer a ping that was sent before it. Elapsed time proves nothing: either process may have
// been suspended.
const certain = 3

// redeliveries recognises a QoS 1 event that the broker sends again although it is in the journal,
// because the acknowledgement did not reach the broker. Equal content alone is never enough: unread
// counts 1, 2, 1 are three events.
//
// It knows the newest use of each packet identifier in the broker's session. It is not safe for
// concurrent use.
type redeliveries struct {
	uses       map[uint16]packetUse
	pending    []uint16        // used, and not committed
	unlogged   []unlogged      // committed without a record, since there was nothing to write
	received   uint64          // events with an identifier, in this process
	void       map[uint16]bool // whose record in the log is of a use that is forgotten
	session    uint64
	connection uint64
	before     uint64 // pings answered to earlier processes, as far as is known
}

// unconfirmed is more than how many of the newest events the broker may not have had the
// acknowledgements of: mqtt.Config.ReceiveMaximum is what it sends before.
const unconfirmed = 512

// An unlogged use is of the identifier, by the event of that number.
type unlogged struct {
	id     uint16
	number uint64
}

// A packetUse is one event that must not be mapped again.
type packetUse struct {
	sum   [16]byte // of topic and payload
	pongs uint64   // pings answered before it was committed, earlier processes' included

	logged bool // the log has a record of it
}

// uncommitted stands for packetUse.pongs until that is known.
const uncommitted = math.MaxUint64

// newRedeliveries reads what an earlier Committer has left in the store.
func newRedeliveries(store Store) (*redeliveries, error) {
	r := &redeliveries{uses: map[uint16]packetUse{}, void: map[uint16]bool{}}
	err := store.Records(recordsRedelivery, func(k journal.Record) bool {
		id, err := strconv.ParseUint(strings.TrimPrefix(k.Name, recordsRedelivery), 10, 16)
		if u, ok := parseUse(k.Value); ok && err == nil {
			r.uses[uint16(id)] = u
			r.before = max(r.before, u.pongs)
		}
		return true
	})
	return r, err
}

// seen reports whether the event was journalled before and comes again only because its
// acknowledgement got lost. It must be asked of every event, in order of receipt. absent tells that
// the broker had no session present: everything known is void, in the log too.
func (r *redeliveries) seen(e *mqtt.Event) (duplicate, absent bool) {
	if e.Session != r.session {
		r.session, absent = e.Session, true
		clear(r.uses)
		clear(r.void)
		r.pending, r.unlogged = nil, nil
	}
	if e.Connection != r.connection {
		r.connection = e.Connection
		r.settle(r.before + e.Pongs)
	}
	if e.QoS == 0 {
		return false, absent
	}
	r.received++
	u, known := r.uses[e.PacketID]
	// DUP alone says only that the broker has tried before; the identifier may have been given to
	// another event since, which is lost if it is taken for the copy. So the content must be that
	// of the newest use, in the same session.
	if known && e.Dup && e.SessionPresent && u.sum == sumOf(e) {
		u.pongs = uncommitted // its acknowledgement is still to come
		r.uses[e.PacketID] = u
		r.pending = append(r.pending, e.PacketID)
		return true, absent
	}
	// The broker has had the acknowledgement of the earlier use, or it would not use the identifier
	// for something else.
	delete(r.uses, e.PacketID)
	if u.logged {
		r.void[e.PacketID] = true
	}
	return false, absent
}

// settle forgets the uses whose acknowledgement had reached the broker when the last connection
// ended, after so many pongs.
func (r *redeliveries) settle(pongs uint64) {
	for id, u := range r.uses {
		if pongs >= certain && u.pongs <= pongs-certain {
			delete(r.uses, id)
		}
	}
}

// use remembers an event that has become something, or whose outcome depends on what came before:
// mapped again after later events, it could become something else.
func (r *redeliveries) use(e *mqtt.Event) {
	r.uses[e.PacketID] = packetUse{sum: sumOf(e), pongs: uncommitted}
	r.pending = append(r.pending, e.PacketID)
}

// records returns what is to be committed about the events since the last call, after so many pongs
// of this process. Where nothing else is written these are only the records without which the log
// would tell of earlier uses: events that become nothing shall cost no write. The next call with
// something to write makes up for it, as far as the broker may send those events again: until then
// the log is as it was when they were mapped.
func (r *redeliveries) records(pongs uint64, write bool) (records []journal.Record) {
	if write {
		for _, l := range r.unlogged {
			if u, ok := r.uses[l.id]; ok && !u.logged && u.pongs != uncommitted && r.mayLack(l) {
				records = append(records, r.log(l.id, u))
			}
		}
		r.unlogged = nil
	}
	for _, id := range r.pending {
		u, ok := r.uses[id]
		if !ok {
			continue // the identifier was used again in the same batch, for an event that became nothing
		}
		u.pongs = r.before + pongs
		r.uses[id] = u
		if u.logged || write {
			records = append(records, r.log(id, u))
			continue
		}
		r.unlogged = append(r.unlogged, unlogged{id, r.received})
	}
	for id := range r.void {
		records = append(records, journal.Record{Name: recordName(id), Expires: time.Unix(0, 0)})
	}
	r.pending = r.pending[:0]
	clear(r.void)
	r.unlogged = slices.DeleteFunc(r.unlogged, func(l unlogged) bool { return !r.mayLack(l) })
	return records
}

// mayLack reports whether the broker may not have had the acknowledgement of the use.
func (r *redeliveries) mayLack(l unlogged) bool { return r.received-l.number < unconfirmed }

// log notes that the log knows the use, and returns the record of that.
func (r *redeliveries) log(id uint16, u packetUse) journal.Record {
	u.logged = true
	r.uses[id] = u
	delete(r.void, id)
	return journal.Record{Name: recordName(id), Value: u.append(nil)}
}

func recordName(id uint16) string { return recordsRedelivery + strconv.Itoa(int(id)) }

// confirmed reports whether the broker has had the acknowledgement of every event that was
// committed, after so many pongs of this process: then nothing is to be known of them.
func (r *redeliveries) confirmed(pongs uint64) bool {
	for _, u := range r.uses {
		if u.pongs > r.before+pongs || r.before+pongs-u.pongs < certain {
			return false
		}
	}
	return true
}

func sumOf(e *mqtt.Event) (sum [16]byte) {
	var room [512]byte // of most events
	text := binary.BigEndian.AppendUint64(room[:0], uint64(len(e.Topic)))
	text = append(append(text, e.Topic...), e.Payload...)
	whole := sha256.Sum256(text)
	copy(sum[:], whole[:])
	return sum
}

// append appends the value of a record: the sum, then the pongs.
func (u packetUse) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(append(dst, u.sum[:]...), u.pongs)
}

func parseUse(value []byte) (u packetUse, ok bool) {
	if len(value) != len(u.sum)+8 {
		return u, false
	}
	n := copy(u.sum[:], value)
	u.pongs = binary.BigEndian.Uint64(value[n:])
	u.logged = true
	return u, true
}
