package console

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/topic"
)

// A Drawing is the way of events, from the topics to the sessions, in columns of boxes with lines
// between them. Its coordinates are those of the SVG. Figures are named by their place in a State,
// so that the page's script writes the newer ones.
type Drawing struct {
	Width, Height int
	Columns       []Column
	Boxes         []Box
	Lines         []Line
	Hidden        int // rules that are drawn as one
}

// A Column has a heading.
type Column struct {
	X, W  int
	Title string
}

// A Kind is what a Box stands for.
type Kind string

// The kinds of boxes.
const (
	KindTopic    Kind = "topic"
	KindRule     Kind = "rule"
	KindRest     Kind = "rest" // the rules that are not drawn, or their topics
	KindMemory   Kind = "memory"
	KindQueue    Kind = "queue"
	KindLetters  Kind = "letters"
	KindSessions Kind = "sessions"
)

// A Box is a thing that events pass.
type Box struct {
	Kind       Kind
	X, Y, W, H int
	Name       string      // in full
	Short      string      // as far as there is room
	Link       string      // where it leads; "": nowhere
	Rules      []int       // of a rule or the rest: indices in State.By
	Sum        RuleFigures // of these
	Index      int         // of a queue or memory, in the State
}

// Figure names a figure of the box's rules in a State.
func (b Box) Figure(name string) string { return figure(b.Rules, name) }

// Right is where a text ends that stands at the right of the box.
func (b Box) Right() int { return b.W - barInset }

// BarWidth is the width of the box's bar.
func (b Box) BarWidth() int { return b.W - 2*barInset }

// A Part of a rule's bar is the share of one outcome.
type Part struct {
	Outcome commit.What
	X, W    int
}

// barInset is the room at both sides of a bar.
const barInset = 14

// Parts returns the parts of the box's bar.
func (b Box) Parts() []Part {
	parts := []Part{{commit.Mapped, 0, 0}, {commit.Filtered, 0, 0}, {commit.Rejected, 0, 0}, {commit.Duplicate, 0, 0}}
	width, x := b.BarWidth(), 0
	for i, n := range []int64{b.Sum.Mapped, b.Sum.Filtered, b.Sum.Rejected, b.Sum.Duplicate} {
		w := int(math.Round(float64(n) / float64(max(1, b.Sum.Events)) * float64(width)))
		w = min(w, width-x)
		parts[i].X, parts[i].W = barInset+x, w
		x += w
	}
	return parts
}

// A Line leads from one box to another.
type Line struct {
	Path  string
	Flow  string // the figures of what flows; "": it does not say
	Empty bool   // nothing has flowed yet
	Kind  Kind   // of what it leads to
}

// drawnRules is how many rules are drawn unless all are asked for: where there are more, the
// busiest, and one box for all others.
const drawnRules = 7

// Sizes of the boxes.
const (
	headings  = 40
	topicH    = 32
	ruleH     = 60
	memoryH   = 52
	queueH    = 76
	sessionsH = 96
	gap       = 14
)

// A layout is how wide the columns are and where they begin.
type layout struct{ topicX, topicW, ruleX, ruleW, memoryX, memoryW, queueX, queueW, sessionsX, sessionsW, width int }

// A format has a layout with memories, and one without.
type format [2]layout

// Where there is less room, narrow is easier to read than wide made smaller.
var (
	wide   = format{{0, 250, 310, 300, 662, 150, 864, 250, 1176, 144, 1320}, {0, 280, 390, 310, 0, 0, 800, 260, 1160, 160, 1320}}
	narrow = format{{0, 176, 198, 224, 444, 100, 564, 220, 806, 98, 904}, {0, 212, 252, 240, 0, 0, 540, 222, 806, 98, 904}}
)

// A drawer puts boxes and lines on a Drawing.
type drawer struct {
	Drawing
	layout
	state   State
	rules   []mapping.RuleInfo
	filters [][]string     // those that are subscribed to for each rule
	boxes   map[string]int // kind and name -> index in Boxes
	bottom  map[int]int    // x of a column -> where its next box goes
}

// draw draws the rules, of which the State has the figures: all of them, or the busiest.
func draw(m *mapping.Mapper, s State, all bool, f format) Drawing {
	d := &drawer{state: s, rules: m.Rules(), layout: f[1], boxes: map[string]int{}, bottom: map[int]int{}}
	if len(s.Memories) > 0 {
		d.layout = f[0]
	}
	d.Width = d.width
	for _, r := range d.rules {
		d.filters = append(d.filters, filtersOf(m.Filters(), r))
	}
	drawn, rest := busiest(d.state.By, all)
	d.addRules(m, drawn, rest)
	d.addMemories()
	d.addQueues()
	d.arrange()
	d.addLines(drawn, rest)
	d.addHeadings()
	return d.Drawing
}

// busiest returns the indices of the rules to draw, in their order, and those of the rest.
func busiest(figures []RuleFigures, all bool) (drawn, rest []int) {
	order := make([]int, len(figures))
	for i := range order {
		order[i] = i
	}
	if all || len(order) <= drawnRules {
		return order, nil
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(figures[j].Events, figures[i].Events) })
	drawn, rest = order[:drawnRules-1], order[drawnRules-1:]
	slices.Sort(drawn)
	slices.Sort(rest)
	return drawn, rest
}

// add puts a box below those of its column.
func (d *drawer) add(b Box, chars int) {
	for _, i := range b.Rules {
		b.Sum = b.Sum.plus(d.state.By[i])
	}
	b.Short = shorten(cmp.Or(b.Short, b.Name), chars)
	if d.bottom[b.X] > 0 {
		d.bottom[b.X] += gap
	}
	b.Y = d.bottom[b.X]
	d.bottom[b.X] += b.H
	d.boxes[string(b.Kind)+" "+b.Name] = len(d.Boxes)
	d.Boxes = append(d.Boxes, b)
}

// box returns the box of that name; nil: it is not drawn.
func (d *drawer) box(k Kind, name string) *Box {
	i, ok := d.boxes[string(k)+" "+name]
	if !ok {
		return nil
	}
	return &d.Boxes[i]
}

func (d *drawer) addRules(m *mapping.Mapper, drawn, rest []int) {
	seen := map[string]bool{}
	for _, i := range drawn {
		for _, f := range d.filters[i] {
			if !seen[f] {
				seen[f] = true
				d.add(Box{Kind: KindTopic, X: d.topicX, W: d.topicW, H: topicH, Name: f, Link: "events?" + url.Values{"topic": {f}}.Encode()}, d.topicW/8)
			}
		}
		name := d.rules[i].Name
		d.add(Box{Kind: KindRule, X: d.ruleX, W: d.ruleW, H: ruleH, Name: name, Link: "events?" + url.Values{"rule": {name}}.Encode(), Rules: []int{i}}, d.ruleW/11)
	}
	if len(rest) == 0 {
		return
	}
	if n := len(m.Filters()) - len(seen); n > 0 {
		d.add(Box{Kind: KindRest, X: d.topicX, W: d.topicW, H: topicH, Name: "topics", Short: fmt.Sprintf("and %d more", n)}, d.topicW/8)
	}
	d.Hidden = len(rest)
	d.add(Box{Kind: KindRest, X: d.ruleX, W: d.ruleW, H: ruleH, Name: "rules", Short: fmt.Sprintf("and %d more", len(rest)), Link: "?rules=all#way", Rules: rest}, d.ruleW/11)
}

// filtersOf returns the filters that are subscribed to for the rule.
func filtersOf(filters []mapping.Filter, r mapping.RuleInfo) (found []string) {
	for _, text := range r.Topics {
		p, mistakes := topic.ParsePattern(text)
		if len(mistakes) > 0 {
			continue // of a rule in force there are none
		}
		for _, f := range filters {
			if topic.Covers(f.Topic, p.Filter()) && !slices.Contains(found, f.Topic) {
				found = append(found, f.Topic)
			}
		}
	}
	return found
}

func (d *drawer) addMemories() {
	for i, m := range d.state.Memories {
		d.add(Box{Kind: KindMemory, X: d.memoryX, W: d.memoryW, H: memoryH, Name: m.Memory, Link: "memory", Index: i}, d.memoryW/9)
	}
}

func (d *drawer) addQueues() {
	for i, q := range d.state.Queues {
		if d.used(q) {
			d.add(Box{Kind: KindQueue, X: d.queueX, W: d.queueW, H: queueH, Name: q.Queue, Short: strings.TrimPrefix(q.Queue, "/queue/"), Index: i}, d.queueW/10)
		}
	}
	d.add(Box{Kind: KindLetters, X: d.queueX, W: d.queueW, H: memoryH, Name: "Dead letters", Link: "#dead-letters"}, 30)
	d.add(Box{Kind: KindSessions, X: d.sessionsX, W: d.sessionsW, H: sessionsH, Name: "Sessions", Link: "sessions"}, 30)
}

// used reports whether a rule sends to the queue, or something was sent.
func (d *drawer) used(q QueueFigures) bool {
	return q.Published > 0 || slices.ContainsFunc(d.rules, func(r mapping.RuleInfo) bool { return slices.Contains(r.Queues, q.Queue) })
}

// arrange moves the boxes: topics beside their rules, what is remembered below the lines that go by to
// the queues, the sessions at the middle of the queues.
func (d *drawer) arrange() {
	d.besideRules()
	lower := max(0, (d.bottom[d.ruleX]-d.bottom[d.queueX])/2) // how much the queues are
	for i := range d.Boxes {
		b := &d.Boxes[i]
		switch b.Kind {
		case KindMemory:
			b.Y += d.bottom[d.ruleX] - ruleH/2 + gap
		case KindSessions:
			b.Y = lower + max(0, (d.bottom[d.queueX]-memoryH-gap-b.H)/2)
		case KindQueue, KindLetters:
			b.Y += lower
		}
		b.Y += headings
		d.Height = max(d.Height, b.Y+b.H+2)
	}
}

// besideRules moves each topic down to the middle of its rules, as far as that gives way to the one
// before.
func (d *drawer) besideRules() {
	middles := map[string][]int{} // name of a topic -> of its rules
	for i, r := range d.rules {
		at := cmp.Or(d.box(KindRule, r.Name), d.box(KindRest, "rules"))
		for _, f := range d.filters[i] {
			name := f
			if d.box(KindTopic, f) == nil {
				name = "topics"
			}
			middles[name] = append(middles[name], at.Y+at.H/2)
		}
	}
	next := 0
	for i := range d.Boxes {
		b := &d.Boxes[i]
		if b.X != d.topicX {
			continue
		}
		if y := middles[b.Name]; len(y) > 0 {
			b.Y = max(next, (slices.Min(y)+slices.Max(y))/2-b.H/2)
		}
		next = b.Y + b.H + gap
	}
}

func (d *drawer) addLines(drawn, rest []int) {
	for _, i := range drawn {
		r, from := d.rules[i], d.box(KindRule, d.rules[i].Name)
		for _, f := range d.filters[i] {
			d.connect(d.box(KindTopic, f), from, from.Figure("events"), from.Sum.Events)
		}
		d.addOutputs(from, r.Queues)
		for _, name := range r.Changes {
			d.connect(from, d.box(KindMemory, name), "", 1)
		}
		for _, name := range append(slices.Clone(r.Recalls), r.Forgotten) {
			if !slices.Contains(r.Changes, name) {
				d.connect(from, d.box(KindMemory, name), "", 1)
			}
		}
	}
	if len(rest) > 0 {
		d.addRest(rest)
	}
	for i, q := range d.state.Queues {
		if b := d.box(KindQueue, q.Queue); b != nil {
			d.connect(b, d.box(KindSessions, "Sessions"), fmt.Sprintf("queues.%d.delivered", i), q.Delivered)
		}
	}
}

// addRest connects the box of the rules that are not drawn.
func (d *drawer) addRest(rest []int) {
	from := d.box(KindRest, "rules")
	topics, queues := map[*Box]bool{}, []string{}
	for _, i := range rest {
		for _, f := range d.filters[i] {
			topics[cmp.Or(d.box(KindTopic, f), d.box(KindRest, "topics"))] = true
		}
		for _, q := range d.rules[i].Queues {
			if !slices.Contains(queues, q) {
				queues = append(queues, q)
			}
		}
	}
	for i := range d.Boxes {
		if b := &d.Boxes[i]; topics[b] {
			d.connect(b, from, from.Figure("events"), from.Sum.Events)
		}
	}
	d.addOutputs(from, queues)
}

// addOutputs connects rules with the queues that they send to, and with the dead letters.
func (d *drawer) addOutputs(from *Box, queues []string) {
	for _, q := range queues {
		d.connect(from, d.box(KindQueue, q), from.Figure("mapped"), from.Sum.Mapped)
	}
	d.connect(from, d.box(KindLetters, "Dead letters"), from.Figure("rejected"), from.Sum.Rejected)
}

// figure names a figure of rules in a State: their sum.
func figure(rules []int, name string) string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = strings.TrimSuffix(fmt.Sprintf("by.%d.%s", r, name), ".")
	}
	return strings.Join(names, " ")
}

// connect draws a line from the right of one box to the left of another; none where one is missing.
func (d *drawer) connect(from, to *Box, flow string, flowed int64) {
	if from == nil || to == nil {
		return
	}
	x1, y1, x2, y2 := from.X+from.W, from.Y+from.H/2, to.X, to.Y+to.H/2
	bend := (x1 + x2) / 2
	if to.Kind == KindQueue || to.Kind == KindLetters { // those to one queue come together late
		bend = x2 - min(60, (x2-x1)/2)
	}
	path := fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, bend, y1, bend, y2, x2, y2)
	d.Lines = append(d.Lines, Line{Path: path, Flow: flow, Empty: flowed == 0, Kind: to.Kind})
}

func (d *drawer) addHeadings() {
	d.Columns = []Column{{X: d.topicX, W: d.topicW, Title: "Topics"}, {X: d.ruleX, W: d.ruleW, Title: "Rules"}}
	if d.memoryW > 0 {
		d.Columns = append(d.Columns, Column{X: d.memoryX, W: d.memoryW, Title: "Memory"})
	}
	d.Columns = append(d.Columns, Column{X: d.queueX, W: d.queueW, Title: "Queues"}, Column{X: d.sessionsX, W: d.sessionsW, Title: "Sessions"})
}

// shorten leaves of a text what there is room for.
func shorten(s string, chars int) string {
	r := []rune(s)
	if len(r) <= chars {
		return s
	}
	return string(r[:chars-1]) + "…"
}
