// Package expression compiles the expressions of rules, which it evaluates on the data of an event.
//
//	names.Parse(text) --> Expression --> Eval(scope) --> a value, nil, or a *value.Refusal
//	                                       |
//	                                     Data.Value(root): payload, topic.device, …
//
// What only passes values on, compares them or calls functions with them is evaluated on items
// (item.go, direct.go): values that still stand in the text of the event.
//
// The syntax is that of github.com/expr-lang/expr, but what runs is ours: its built-ins are taken
// away, and every access to data and every operator is rewritten (patch.go) into a call of a
// function (operators.go, functions.go) that knows nil, spends work and refuses in plain words. So
// no expression and no event can end the process, and the work of a rule is bounded. What an
// expression can see is said by Names, and what it then sees is asked of Data: the package knows no
// rule and no event.
package expression

import (
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"mqtt-stomp-bridge/mapping/value"
)

// An Expression is a compiled expression of a rule. It is safe for concurrent use, each with its
// own scope.
type Expression struct {
	text     string
	program  *vm.Program
	path     *Path  // when it is nothing but a fixed path
	direct   direct // nil: only the engine can evaluate it
	reads    Roots
	memories []string
	types    value.Types
	known    []Known
	doubts   []Mistake
}

// String returns the text of the expression, without the = before it.
func (x *Expression) String() string { return x.text }

// Path returns the path that is all of the expression; nil when it is more than that.
func (x *Expression) Path() *Path { return x.path }

// Reads returns the roots whose values the expression may ask for.
func (x *Expression) Reads() Roots { return x.reads }

// Memories returns the names of the memories that the expression may ask for a value, each once.
func (x *Expression) Memories() []string { return x.memories }

// Types returns the types that the value may have, as far as that is known without an event.
func (x *Expression) Types() value.Types { return x.types }

// Known returns those values that the expression may have that are known without an event.
func (x *Expression) Known() []Known { return x.known }

// Doubts returns what is no mistake in the expression, but probably not meant.
func (x *Expression) Doubts() []Mistake { return x.doubts }

// A Known is a value that an expression may have: Width characters from Offset of its text.
type Known struct {
	Value         any
	Table         string // "": Value; otherwise any entry of the table of that name
	Offset, Width int
}

// Paths returns the fixed paths into the root that the expression reads, each once.
func (x *Expression) Paths(r Root) (paths []*Path) {
	root := x.program.Node()
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		p := pathOf(node)
		if c := comparisonOf(node); c != nil {
			p = c.path
		}
		if p == nil || p.entries != nil || p.Root != r {
			return
		}
		if !slices.ContainsFunc(paths, func(known *Path) bool { return known.String() == p.String() }) {
			paths = append(paths, p)
		}
	}))
	return paths
}

// Eval returns the value of the expression; nil where there is none, of which Scope.Missing says
// why. An error is a *value.Refusal.
func (x *Expression) Eval(s *Scope) (any, error) {
	it, err := x.Item(s)
	if err != nil {
		return nil, err
	}
	return s.Make(it), nil
}

// run evaluates the expression by the engine.
func (x *Expression) run(s *Scope) (any, error) {
	s.why = Reason{}
	if x.path != nil {
		return s.read(x.path)
	}
	v, err := s.vm().Run(x.program, s)
	if err != nil {
		return nil, s.refused(err)
	}
	return v, nil
}

// refused returns the refusal that an error of an evaluation is.
func (s *Scope) refused(err error) error {
	var r *value.Refusal
	switch {
	case !errors.As(err, &r):
		return value.Refuse("expression", "the expression cannot be evaluated: %s", withoutGo(err))
	case s.why.known && r.Kind == "expression" && r.Line == 0:
		return &value.Refusal{Kind: r.Kind, Reason: r.Reason + ": " + s.reason()}
	}
	return r
}

// True returns the condition that the expression is; what is missing is false. An error is a
// *value.Refusal.
func (x *Expression) True(s *Scope) (bool, error) {
	it, err := x.Item(s)
	if err != nil {
		return false, err
	}
	return truth(s.Make(it))
}

// withoutGo returns the message of an error of the engine without the names of Go's types.
func withoutGo(err error) string {
	message := err.Error()
	var fe *file.Error
	if errors.As(err, &fe) {
		message = fe.Message
	}
	for _, r := range goWords() {
		message = strings.ReplaceAll(message, r[0], r[1])
	}
	return message
}

// goWords pairs the names of Go's types in the engine's messages with ours. Longer names come
// first.
func goWords() [][2]string {
	return [][2]string{
		{"interface conversion: interface {} is ", "it is "}, {"map[string]interface {}", "object"}, {"[]interface {}", "list"},
		{"interface {}", "any"}, {"map[string]any", "object"}, {"[]any", "list"}, {"json.Number", "number"}, {"float64", "number"},
		{"int64", "number"}, {"string", "text"}, {"bool", "true or false"}, {"<nil>", "nothing"}, {"time.Time", "time"},
	}
}
