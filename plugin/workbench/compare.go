package workbench

import (
	"bytes"
	"encoding/json"
	"slices"
)

// A Compared is an output beside that which the rules in force make.
type Compared struct {
	Rule   string          `json:"rule"` // of the edited ones, or where there is no such output of those in force
	Queue  string          `json:"queue"`
	Change Change          `json:"change"`
	Fields []ComparedField `json:"fields"` // the audience, where there is one, comes first
}

// A ComparedField is a field of an output, or of a content that is an object.
type ComparedField struct {
	Name   string          `json:"name"` // message.content
	Change Change          `json:"change"`
	Before json.RawMessage `json:"before,omitempty"` // absent: it was not there
	After  json.RawMessage `json:"after,omitempty"`  // absent: it is not there any more
}

// A Change is what became of something.
type Change string

// The changes.
const (
	Same    Change = "same"
	Changed Change = "changed"
	Added   Change = "added"
	Removed Change = "removed"
)

// compare puts each output beside the one before it that is most likely the same: of the same rule and
// queue, otherwise of the queue, in their order.
func compare(before, after []TracedOutput) []Compared {
	left := slices.Clone(before)
	partners := make([]*TracedOutput, len(after))
	for _, likely := range []func(a, b TracedOutput) bool{
		func(a, b TracedOutput) bool { return a.Queue == b.Queue && a.Rule == b.Rule },
		func(a, b TracedOutput) bool { return a.Queue == b.Queue },
	} {
		for i, o := range after {
			if partners[i] != nil {
				continue
			}
			if j := slices.IndexFunc(left, func(b TracedOutput) bool { return likely(o, b) }); j >= 0 {
				partner := left[j]
				partners[i], left = &partner, slices.Delete(left, j, j+1)
			}
		}
	}
	var all []Compared
	for i, o := range after {
		all = append(all, compareOutputs(partners[i], &o))
	}
	for _, o := range left {
		all = append(all, compareOutputs(&o, nil))
	}
	return all
}

// compareOutputs compares two outputs, of which one may be nil.
func compareOutputs(before, after *TracedOutput) Compared {
	c := Compared{Fields: compareFields(fieldsOf(before), fieldsOf(after))}
	switch {
	case before == nil:
		c.Rule, c.Queue, c.Change = after.Rule, after.Queue, Added
		return c
	case after == nil:
		c.Rule, c.Queue, c.Change = before.Rule, before.Queue, Removed
		return c
	}
	c.Rule, c.Queue, c.Change = after.Rule, after.Queue, Same
	if slices.ContainsFunc(c.Fields, func(f ComparedField) bool { return f.Change != Same }) {
		c.Change = Changed
	}
	return c
}

// A bodyField is a field of a body with its JSON text.
type bodyField struct {
	name string
	text json.RawMessage
}

func fieldsOf(o *TracedOutput) []bodyField {
	if o == nil {
		return nil
	}
	var fields []bodyField
	if o.Audience != "" {
		text, _ := json.Marshal(o.Audience) // a string
		fields = append(fields, bodyField{"audience", text})
	}
	return flatten(fields, "", o.Body)
}

// flatten adds the members of the object, and of those within it, in their order.
func flatten(fields []bodyField, path string, object json.RawMessage) []bodyField {
	d := json.NewDecoder(bytes.NewReader(object))
	d.Token() // {: it is our own
	for d.More() {
		key, _ := d.Token()
		name, _ := key.(string)
		if path != "" {
			name = path + "." + name
		}
		var text json.RawMessage
		if d.Decode(&text) != nil {
			return fields
		}
		if len(text) > 2 && text[0] == '{' { // {} is a value
			fields = flatten(fields, name, text)
			continue
		}
		fields = append(fields, bodyField{name, text})
	}
	return fields
}

// compareFields puts the fields in the order of after, and those that are gone at the end.
func compareFields(before, after []bodyField) []ComparedField {
	compared := []ComparedField{}
	for _, f := range after {
		c := ComparedField{Name: f.name, Change: Added, After: f.text}
		if i := slices.IndexFunc(before, func(b bodyField) bool { return b.name == f.name }); i >= 0 {
			c.Before, c.Change = before[i].text, Changed
			if bytes.Equal(c.Before, c.After) {
				c.Change = Same
			}
			before = slices.Concat(before[:i], before[i+1:])
		}
		compared = append(compared, c)
	}
	for _, f := range before {
		compared = append(compared, ComparedField{Name: f.name, Change: Removed, Before: f.text})
	}
	return compared
}
