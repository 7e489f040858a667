package mapping

import (
	"slices"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/value"
)

// A change is a key of a memory that a rule remembers or forgets.
type change struct {
	memory string
	forget bool
	key    valueSource
	value  remembered // unless it forgets
	line   int
}

// stage is the key of the rule under which the change stands.
func (c *change) stage() string {
	if c.forget {
		return "forget"
	}
	return "remember"
}

// changes works out what the rule changes. If it returns false, it has ended the rule.
func (u *run) changes(item int) ([]memory.Change, bool) {
	if len(u.rule.changes) == 0 {
		return nil, true
	}
	changes := make([]memory.Change, 0, len(u.rule.changes))
	for i := range u.rule.changes {
		c := &u.rule.changes[i]
		change, err := c.of(u.in)
		if err == nil && slices.ContainsFunc(changes, func(other memory.Change) bool { return other.Memory == c.memory && other.Key == change.Key }) {
			err = value.Refuse("changed twice", "the rule changes the key %s twice", value.Quote(change.Key))
		}
		if err != nil {
			u.failed(c.stage(), item, c.line, value.Within(err, "%s %s", c.stage(), c.memory))
			return nil, false
		}
		changes = append(changes, change)
	}
	return changes, true
}

// of returns the change that the event makes.
func (c *change) of(in *input) (memory.Change, error) {
	key, err := c.keyOf(in)
	if err != nil {
		return memory.Change{}, err
	}
	change := memory.Change{Memory: c.memory, Key: key, Forget: c.forget}
	if !c.forget {
		if change.Text, err = c.value.text(in); err != nil {
			return memory.Change{}, value.Within(err, "value")
		}
	}
	return change, in.scope.Spend(workChange + len(change.Text))
}

func (c *change) keyOf(in *input) (string, error) {
	it, err := c.key.item(in)
	switch {
	case err != nil:
		return "", value.Within(err, "key")
	case it.Missing():
		return "", value.Refuse("missing", "the key has no value: %s", in.scope.Missing())
	}
	key, err := value.Text(in.scope.Make(it))
	switch {
	case err != nil:
		return "", value.Within(err, "key")
	case len(key) > memory.MaxKey:
		return "", value.Refuse("too large", "the key is %d bytes; at most %d are allowed", len(key), memory.MaxKey)
	}
	return key, nil
}

// A remembered is the value of a change: an expression, or what the rule writes as a content.
type remembered struct {
	x     *expression.Expression // nil: it is built
	built template
}

// text returns the JSON text of the value.
func (r remembered) text(in *input) (string, error) {
	text, err := r.json(in)
	if err != nil {
		return "", err
	}
	if len(text) > memory.MaxValue {
		return "", value.Refuse("too large", "its JSON text is %d bytes; at most %d are allowed", len(text), memory.MaxValue)
	}
	return text, value.CheckDepth(text)
}

func (r remembered) json(in *input) (string, error) {
	if r.x == nil {
		it, err := r.built.item(in)
		return string(in.scope.Span(it).Bytes), err
	}
	it, err := r.x.Item(&in.scope)
	switch {
	case err != nil:
		return "", err
	case it.Missing():
		return "", value.Refuse("missing", "no value: %s; to take a key away write forget", in.scope.Missing())
	}
	if s := in.scope.Span(it); s.Kind != value.KindNone {
		return in.textOf(r.x.Path(), s)
	}
	if raw, ok, err := in.rawAt(r.x.Path()); ok || err != nil {
		return raw, err
	}
	b, err := in.scope.AppendItem(nil, it)
	return string(b), err
}
