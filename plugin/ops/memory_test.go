package ops_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/ops"
)

// remembering is a Bridge with a memory.
type remembering struct {
	reasons
	store *memory.Store
}

func (r remembering) Memory() *memory.Store { return r.store }

// newRemembering returns one that remembers the values of names, and two of seen, which is no longer
// named.
func newRemembering(names map[string]string) remembering {
	s := memory.New()
	s.Configure([]memory.Settings{{Name: "names", For: time.Hour, MaxKeys: 5000, MaxBytes: 1 << 20}, {Name: "seen", For: time.Minute}})
	tx := s.Begin(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	for key, text := range names {
		tx.Apply([]memory.Change{{Memory: "names", Key: key, Text: text}})
	}
	tx.Apply([]memory.Change{{Memory: "seen", Key: "a", Text: "1"}, {Memory: "seen", Key: "b", Text: "22"}})
	tx.Commit()
	s.Configure([]memory.Settings{{Name: "names", For: time.Hour, MaxKeys: 5000, MaxBytes: 1 << 20}})
	return remembering{store: s}
}

func shown() bool { return true }

func get(b ops.Bridge, show func() bool, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	ops.Handler(b, ops.Options{ShowPayloads: show}).ServeHTTP(w, request("GET", path))
	return w
}

func TestMemory(t *testing.T) {
	b := newRemembering(map[string]string{"42": `"Ann"`, "a/b?c": `{"n": 1.0, "tag": "<b>"}`, "é": "[]"})
	const (
		times   = `"written":"2026-05-01T12:00:00Z","ends":"2026-05-01T13:00:00Z"`
		refused = "keys and values hold parts of payloads; set ops.show_payloads: true to see them here\n"
		list    = `[{"memory":"names","keys":3,"bytes":40,"evicted":0,"expired":0,"for":"1h0m0s","max_keys":5000,"max_bytes":1048576},` +
			`{"memory":"seen","keys":2,"bytes":5,"evicted":0,"expired":0,"for":"1m0s"}]` + "\n"
	)
	for _, test := range []struct {
		path   string
		show   func() bool
		status int
		body   string
	}{
		{"/memory", nil, http.StatusOK, list},
		{"/memory/names", nil, http.StatusForbidden, refused},
		{"/memory/names?key=42", func() bool { return false }, http.StatusForbidden, refused},
		{"/memory/nobody", nil, http.StatusForbidden, refused},
		{"/memory/names", shown, http.StatusOK, `{"memory":"names","keys":[{"key":"42","bytes":7,` + times + `},{"key":"a/b?c","bytes":29,` + times + `},{"key":"é","bytes":4,` + times + `}]}` + "\n"},
		{"/memory/names?limit=2", shown, http.StatusOK, `{"memory":"names","keys":[{"key":"42","bytes":7,` + times + `},{"key":"a/b?c","bytes":29,` + times + `}],"next":"/memory/names?after=a%2Fb%3Fc&limit=2"}` + "\n"},
		{"/memory/names?after=a%2Fb%3Fc&limit=2", shown, http.StatusOK, `{"memory":"names","keys":[{"key":"é","bytes":4,` + times + `}]}` + "\n"},
		{"/memory/names?after=z%C3%A9", shown, http.StatusOK, `{"memory":"names","keys":[{"key":"é","bytes":4,` + times + `}]}` + "\n"},
		{"/memory/names?key=a%2Fb%3Fc", shown, http.StatusOK, `{"key":"a/b?c","bytes":29,` + times + `,"value":{"n":1.0,"tag":"<b>"}}` + "\n"},
		{"/memory/names?key=", shown, http.StatusNotFound, "memory names has no key \"\"\n"},
		{"/memory/name", shown, http.StatusNotFound, "no memory \"name\": did you mean \"names\"?\n"},
		{"/memory/names?limit=0", shown, http.StatusBadRequest, "limit is a whole number from 1 to 1000, not \"0\"\n"},
		{"/memory/names?limit=1001", shown, http.StatusBadRequest, "limit is a whole number from 1 to 1000, not \"1001\"\n"},
		{"/memory/names?limit=x", shown, http.StatusBadRequest, "limit is a whole number from 1 to 1000, not \"x\"\n"},
	} {
		w := get(b, test.show, test.path)
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s: got %d\n%swant %d\n%s", test.path, w.Code, w.Body, test.status, test.body)
		}
	}
	if w := get(reasons(nil), shown, "/memory/names"); w.Code != http.StatusNotFound || w.Body.String() != "there is no memory\n" {
		t.Errorf("before the first turn: got %d %s", w.Code, w.Body)
	}
}

// Who follows the pages sees every key once, also where the values fill a page before its limit.
func TestMemoryPages(t *testing.T) {
	names, want := map[string]string{}, []string{}
	for i := range 2345 {
		key := fmt.Sprintf("k%04d", i)
		names[key] = `"` + strings.Repeat("x", i%10*400) + `"`
		want = append(want, key)
	}
	b := newRemembering(names)
	var got []string
	pages := 0
	for path := "/memory/names?limit=1000"; path != ""; pages++ {
		var page ops.MemoryPage
		if err := json.Unmarshal(get(b, shown, path).Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, k := range page.Keys {
			got = append(got, k.Key)
		}
		path = page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" || pages < 4 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
}
