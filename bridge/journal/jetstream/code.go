package jetstream

import (
	"encoding/binary"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// An encoder appends to data.
type encoder struct{ data []byte }

func (w *encoder) numbers(all ...uint64) {
	for _, n := range all {
		w.data = binary.AppendUvarint(w.data, n)
	}
}

func (w *encoder) durations(all ...time.Duration) {
	for _, d := range all {
		w.data = binary.AppendVarint(w.data, int64(d))
	}
}

// time appends seconds and nanoseconds, zero for no time.
func (w *encoder) time(t time.Time) {
	if t.IsZero() {
		w.data = append(w.data, 0, 0)
		return
	}
	w.data = binary.AppendVarint(w.data, t.Unix())
	w.numbers(uint64(t.Nanosecond()) + 1)
}

func (w *encoder) text(s string) {
	w.numbers(uint64(len(s)))
	w.data = append(w.data, s...)
}

func (w *encoder) bytes(b []byte) {
	w.numbers(uint64(len(b)))
	w.data = append(w.data, b...)
}

func (w *encoder) texts(all []string) {
	w.numbers(uint64(len(all)))
	for _, s := range all {
		w.text(s)
	}
}

func (w *encoder) entry(e *journal.Entry, queues []string) {
	w.numbers(uint64(slices.Index(queues, e.Queue)))
	w.time(e.Time)
	w.text(e.Key)
	w.texts(e.Audience)
	w.text(e.TraceParent)
	w.bytes(e.Body)
}

func (w *encoder) records(all []journal.Record) {
	w.numbers(uint64(len(all)))
	for i := range all {
		w.text(all[i].Name)
		w.time(all[i].Expires)
		w.bytes(all[i].Value)
	}
}

// A decoder takes from data, until it finds something wrong: then it has failed, and what it
// returns means nothing.
type decoder struct {
	data   []byte
	failed bool
}

func (r *decoder) fail() { r.failed, r.data = true, nil }

func (r *decoder) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *decoder) signed() int64 {
	n, size := binary.Varint(r.data)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *decoder) numbers(all ...*uint64) {
	for _, n := range all {
		*n = r.number()
	}
}

func (r *decoder) durations(all ...*time.Duration) {
	for _, d := range all {
		*d = time.Duration(r.signed())
	}
}

func (r *decoder) time() time.Time {
	seconds, nanoseconds := r.signed(), r.number()
	switch {
	case nanoseconds == 0:
		return time.Time{}
	case nanoseconds > 1e9:
		r.fail()
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)-1).UTC()
}

// bytes returns a part of data.
func (r *decoder) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.data)) {
		r.fail()
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *decoder) text() string { return string(r.bytes()) }

// Bytes that items of a list take at least.
const (
	minText   = 1
	minEntry  = 7
	minRecord = 4
)

// listOf takes the items of a list, each of which has at least min bytes.
func listOf[T any](r *decoder, min int, item func() T) []T {
	n := r.number()
	if n > uint64(len(r.data)/min) { // before anything is allocated for them
		r.fail()
	}
	if n == 0 || r.failed {
		return nil
	}
	all := make([]T, 0, n)
	for range n {
		if all = append(all, item()); r.failed {
			return nil
		}
	}
	return all
}

func (r *decoder) texts() []string { return listOf(r, minText, r.text) }

func (r *decoder) entry(queues []string) (e journal.Entry) {
	if n := r.number(); n < uint64(len(queues)) {
		e.Queue = queues[n]
	} else {
		r.fail()
	}
	e.Time = r.time()
	e.Key = r.text()
	e.Audience = r.texts()
	e.TraceParent = r.text()
	e.Body = r.bytes()
	return e
}

func (r *decoder) records() []journal.Record {
	return listOf(r, minRecord, func() journal.Record {
		return journal.Record{Name: r.text(), Expires: r.time(), Value: r.bytes()}
	})
}
