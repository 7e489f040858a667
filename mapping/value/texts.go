package value

import (
	"reflect"
	"strings"
)

// Texts finds the JSON text that an object or a list was decoded from, wherever the value has been
// passed on since: it knows them by their identity. The zero value knows none, and so does nil. It
// is not safe for concurrent use.
type Texts struct {
	docs    []Document // kept, so that no other value gets the identity of one of theirs
	indexed int        // of docs
	size    int        // bytes of the texts of docs
	at      map[identity]string
}

// An identity is that of an object or a list: no other has the same as long as both are there.
type identity struct {
	address uintptr
	size    int // of a list, parts of which begin at the same address; -1: an object
}

// Add adds a document that DecodeJSON has returned; others are ignored. Its value must not change.
func (t *Texts) Add(d Document) {
	if t != nil && d.Raw != "" {
		t.docs = append(t.docs, d)
		t.size += len(d.Raw)
	}
}

// Reset forgets all documents.
func (t *Texts) Reset() {
	clear(t.docs)
	t.docs, t.indexed, t.size, t.at = t.docs[:0], 0, 0, nil
}

// Size returns how many bytes of text the documents have.
func (t *Texts) Size() int { return t.size }

// Unread returns how many bytes of text Of has to read before it can answer.
func (t *Texts) Unread() (n int) {
	if t == nil {
		return 0
	}
	for _, d := range t.docs[t.indexed:] {
		n += len(d.Raw)
	}
	return n
}

// Of returns the text of the object or list; false where it is neither, or no part of a document.
func (t *Texts) Of(v any) (string, bool) {
	if t == nil || len(t.docs) == 0 {
		return "", false
	}
	id, ok := identityOf(v)
	if !ok {
		return "", false
	}
	for ; t.indexed < len(t.docs); t.indexed++ {
		r := jsonReader{text: t.docs[t.indexed].Raw}
		if t.at == nil {
			const most = 1024 // brackets in strings count too
			t.at = make(map[identity]string, min(most, strings.Count(r.text, "{")+strings.Count(r.text, "[")))
		}
		t.index(&r, t.docs[t.indexed].Value)
	}
	text, ok := t.at[id]
	return text, ok
}

// index reads the value v.
func (t *Texts) index(r *jsonReader, v any) {
	r.skipSpace()
	start := r.pos
	switch v := v.(type) {
	case map[string]any:
		r.pos++
		for r.more('}') {
			r.skipSpace()
			key := r.str()
			r.skipSpace()
			r.pos++ // the colon
			t.index(r, v[key])
		}
	case []any:
		r.pos++
		for i := 0; r.more(']'); i++ {
			t.index(r, v[i])
		}
	default:
		r.skip()
		return
	}
	if id, ok := identityOf(v); ok {
		t.at[id] = r.text[start:r.pos]
	}
}

// identityOf returns the identity of an object or a list. Lists without room for an element have
// none: all of them are one.
func identityOf(v any) (identity, bool) {
	switch v := v.(type) {
	case map[string]any:
		return identity{reflect.ValueOf(v).Pointer(), -1}, v != nil
	case []any:
		return identity{reflect.ValueOf(v).Pointer(), len(v)}, cap(v) > 0
	}
	return identity{}, false
}

// AppendJSON appends the JSON text of v as the function of that name does, but objects and lists
// that are a part of a document as they stand there.
func (t *Texts) AppendJSON(b []byte, v any) ([]byte, error) { return appendJSON(b, v, t) }
