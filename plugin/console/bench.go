package console

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/workbench"
)

// A bench is the page on which rules are edited and tried, and what it asks.
type bench struct {
	*console
	source  *workbench.Source
	running chan struct{} // holds one while files are compiled
	waiting atomic.Int32  // with the one that is running
}

// Bounds of what the workbench asks.
const (
	maxBenchBody = 1 << 20
	maxBenchTurn = 3 // one that runs and two that wait
	benchPicks   = 50
)

func (c *console) newBench() *bench {
	return &bench{console: c, source: c.options.Bench, running: make(chan struct{}, 1)}
}

// register adds the handlers.
func (b *bench) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /console/workbench", b.page)
	mux.HandleFunc("GET /console/api/workbench/words", b.words)
	mux.HandleFunc("GET /console/api/workbench/events/{number}", b.event)
	mux.HandleFunc("POST /console/api/check", b.check)
	mux.HandleFunc("POST /console/api/try", b.try)
}

// A benchPage is what the page is made of.
type benchPage struct {
	Files   []workbench.File
	Hidden  string          // begins the lines of files that stand for others
	Picks   []benchPick     // the newest events
	Letters []benchPick     // the newest dead letters
	Event   workbench.Event // to begin with; its payload is apart
	Payload string
	Base64  bool   // the payload is in base64
	Lacking string // why the event that was asked for is not there
	Nonce   string
}

// A benchPick is an event that can be tried.
type benchPick struct {
	Number uint64
	Topic  string // cut if it is long
	Time   string
	Fate   string // mapped, or no rule; of a dead letter, the rules
}

// A qosChoice is a QoS that an event may have.
type qosChoice struct {
	Level  byte
	Chosen bool
}

// QoS returns the choices for that of the event.
func (p benchPage) QoS() (choices []qosChoice) {
	chosen := byte(1)
	if p.Event.QoS != nil {
		chosen = *p.Event.QoS
	}
	for level := range byte(3) {
		choices = append(choices, qosChoice{level, level == chosen})
	}
	return choices
}

// Received returns when the event was received; "" for now.
func (p benchPage) Received() string {
	if p.Event.Received.IsZero() {
		return ""
	}
	return p.Event.Received.Format(time.RFC3339Nano)
}

// User returns the user properties of the event, one a line.
func (p benchPage) User() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.Event.User)) {
		b.WriteString(name + "=" + p.Event.User[name] + "\n")
	}
	return b.String()
}

func (b *bench) page(w http.ResponseWriter, r *http.Request) {
	p := benchPage{Files: b.source.Files(), Hidden: config.Hidden, Nonce: rand.Text(), Picks: b.picks(), Letters: b.letters()}
	if asked := r.URL.Query().Get("event"); asked != "" {
		e, err := b.pick(asked)
		if err != nil {
			p.Lacking = err.Error()
		}
		switch p.Event = e; {
		case e.Text != nil:
			p.Payload = *e.Text
		case e.Base64 != nil:
			p.Payload, p.Base64 = base64.StdEncoding.EncodeToString(*e.Base64), true
		}
	}
	// The editor makes styles, which are let in by the nonce.
	policy := w.Header().Get("Content-Security-Policy")
	w.Header().Set("Content-Security-Policy", strings.Replace(policy, "style-src 'self'", "style-src 'self' 'nonce-"+p.Nonce+"'", 1))
	b.show(w, r, "workbench", "Workbench", b.sampler.state(), p)
}

// picks returns the newest events, the newest first, as far as they are kept: with what became of
// them.
func (b *bench) picks() []benchPick {
	events, _, _ := b.bridge.Events(0, benchPicks, func(e *commit.TracedEvent) bool { return e.Topic != "" })
	picks := make([]benchPick, 0, len(events))
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		picks = append(picks, benchPick{e.Number, brief(e.Topic), e.Time.UTC().Format("15:04:05"), fateOf(e.TracedEvent)})
	}
	return picks
}

// letters returns the newest events that have become dead letters, the newest first, with the rules
// that have rejected them.
func (b *bench) letters() (letters []benchPick) {
	for _, l := range b.bridge.DeadLetters() {
		last := len(letters) - 1
		switch {
		case l.Topic == "":
		case last >= 0 && letters[last].Number == l.Number:
			letters[last].Fate += ", " + l.Rule
		case len(letters) < benchPicks:
			letters = append(letters, benchPick{l.Number, brief(l.Topic), l.Time.UTC().Format("15:04:05"), l.Rule})
		}
	}
	return letters
}

// fates are what may become of an event by a rule; the last of them counts for all rules.
var fates = []commit.What{commit.Duplicate, commit.Filtered, commit.Silent, commit.Mapped, commit.Rejected}

// fateOf sums up what became of an event.
func fateOf(e commit.TracedEvent) string {
	last := -1
	for _, o := range e.Outcomes {
		last = max(last, slices.Index(fates, o.What))
	}
	if last < 0 {
		return "no rule"
	}
	return string(fates[last])
}

var (
	errPayloads = errors.New("payloads may not be shown here: set ops.show_payloads: true, or paste an event")
	errNotKept  = errors.New("this event is not kept: only those are that come while the console is open, up to 64 KiB, and the newest dead letters. Paste it")
	errNoNumber = errors.New("an event is asked for by its number")
)

// pick returns the event with the number, which may be a dead letter.
func (b *bench) pick(number string) (workbench.Event, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	switch {
	case !b.payloads():
		return workbench.Event{}, errPayloads
	case err != nil:
		return workbench.Event{}, errNoNumber
	}
	if e, ok := b.bridge.Event(n); ok {
		return workbench.EventOf(e), nil
	}
	for _, l := range b.bridge.DeadLetters() {
		if l.Number == n && l.Topic != "" && len(l.Event.Payload) == l.Bytes {
			return workbench.EventOf(l.Event), nil
		}
	}
	return workbench.Event{}, errNotKept
}

func (b *bench) event(w http.ResponseWriter, r *http.Request) {
	e, err := b.pick(r.PathValue("number"))
	switch {
	case errors.Is(err, errPayloads):
		http.Error(w, err.Error(), http.StatusForbidden)
	case err != nil:
		http.Error(w, err.Error(), http.StatusNotFound)
	default:
		writeJSON(w, e)
	}
}

func (b *bench) words(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("v") == assets {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	writeJSON(w, workbench.RuleWords())
}

func (b *bench) check(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Files []workbench.File `json:"files"`
	}
	if !b.begin(w, r, &asked) {
		return
	}
	defer b.end()
	checked, err := b.source.Check(r.Context(), asked.Files)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	writeJSON(w, checked)
}

func (b *bench) try(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		workbench.Attempt
		Memory string `json:"memory"` // "now", or "empty"
	}
	if !b.begin(w, r, &asked) {
		return
	}
	defer b.end()
	around := workbench.Around{Rules: b.bridge.Mapper()}
	if asked.Memory == "now" {
		var refused *refusal
		if around.Memory, refused = b.remembered(); refused != nil {
			http.Error(w, refused.text, refused.code)
			return
		}
	}
	tried, err := b.source.Try(r.Context(), asked.Attempt, around)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	writeJSON(w, tried)
}

// A refusal is an answer that something cannot be had.
type refusal struct {
	code int
	text string
}

// remembered returns what the bridge remembers, for those who may see it.
func (b *bench) remembered() (*memory.Store, *refusal) {
	if !b.payloads() {
		return nil, &refusal{http.StatusForbidden, "what is remembered holds parts of payloads, which may not be shown here: set ops.show_payloads: true, or begin with an empty memory"}
	}
	s := b.bridge.Memory()
	if s == nil {
		return nil, &refusal{http.StatusServiceUnavailable, "this replica does not read from the broker, so that it does not know what is remembered now: begin with an empty memory"}
	}
	return s, nil
}

// begin reads what is asked and waits for its turn: files are compiled one after another, so that
// nobody takes the time of more than one processor from the bridge. It reports whether there is a
// turn, which end ends; otherwise it has answered.
func (b *bench) begin(w http.ResponseWriter, r *http.Request, asked any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBenchBody))
	err := d.Decode(asked)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "the files and the event hold more than 1 MiB", http.StatusRequestEntityTooLarge)
		return false
	}
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return false
	}
	if b.waiting.Add(1) > maxBenchTurn {
		b.waiting.Add(-1)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "other pages are checking rules; try again", http.StatusTooManyRequests)
		return false
	}
	select {
	case b.running <- struct{}{}:
		return true
	case <-r.Context().Done():
		b.waiting.Add(-1)
		return false
	}
}

func (b *bench) end() {
	<-b.running
	b.waiting.Add(-1)
}

func writeJSON(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(document) // fails only when the browser has gone
}
