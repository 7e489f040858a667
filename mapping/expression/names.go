package expression

import (
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"

	"mqtt-stomp-bridge/mapping/value"
)

// A Root is where a path begins. The owner of the Data numbers them from 0.
type Root int

// Roots are a set of roots, of those below 64: it never has any other.
type Roots uint64

// Range returns the set of n roots from the first on.
func Range(first Root, n int) Roots { return (1<<n - 1) << first }

// Has reports whether the set has the root.
func (s Roots) Has(r Root) bool { return s&(1<<r) != 0 }

// Names are what the expressions of a rule can see. They must not change while expressions are
// parsed.
type Names struct {
	Roots  []Name  // such as payload
	Groups []Group // such as mqtt, of which mqtt.qos has a value

	// Hint says what to do about an unknown name; "" if it cannot say. It may be nil.
	Hint func(name string) string
}

// A Name is one root.
type Name struct {
	Name  string
	Root  Root
	Types value.Types // that its value may have

	// Entries make the name that of a look-up table: they are its value, for which the Data is not
	// asked.
	Entries map[string]any

	// Memory makes the name that of a memory: it has no value of its own, and the Data, a Memory, is
	// asked for what is under a key of it. The expression then reads the Root.
	Memory bool
}

// A Group is a name without a value of its own: only the names below it have values.
type Group struct {
	Name  string
	Below []Name
	Open  bool   // accept any name below it; what it stands for does not matter
	Hint  string // what to do about an unknown name below it when Below is empty
}

func (n *Names) root(name string) *Name { return find(n.Roots, name) }

func (n *Names) group(name string) *Group {
	i := slices.IndexFunc(n.Groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return &n.Groups[i]
}

// below returns the name below the group; nil if there is no such name.
func (g *Group) below(name string) *Name {
	if found := find(g.Below, name); found != nil || !g.Open {
		return found
	}
	return &Name{Name: name}
}

func find(names []Name, name string) *Name {
	i := slices.IndexFunc(names, func(n Name) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &names[i]
}

// all returns all names that an expression may begin with, sorted.
func (n *Names) all() []string {
	var names []string
	for _, r := range n.Roots {
		names = append(names, r.Name)
	}
	for _, g := range n.Groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

func (g *Group) hint() string {
	if len(g.Below) == 0 {
		return g.Hint
	}
	return "there is: " + g.Name + "." + strings.Join(g.names(), ", "+g.Name+".")
}

func (g *Group) names() []string {
	names := make([]string, len(g.Below))
	for i, n := range g.Below {
		names[i] = n.Name
	}
	return names
}

// env returns the names with all that is known of their types, as the engine's check takes them.
func (n *Names) env() types.Map {
	env := types.Map{}
	for _, r := range n.Roots {
		env[r.Name] = engineType(r.Types)
	}
	for _, g := range n.Groups {
		below := types.Map{}
		for _, b := range g.Below {
			if below[b.Name] = engineType(b.Types); b.Entries != nil {
				below[b.Name] = types.TypeOf(map[any]any{}) // a number finds the entry of its digits
			}
		}
		if env[g.Name] = below; g.Open {
			env[g.Name] = engineType(value.TypeObject)
		}
	}
	return env
}

func engineType(t value.Types) types.Type {
	switch t {
	case value.TypeText:
		return types.String
	case value.TypeWhole:
		return types.Int
	case value.TypeBool:
		return types.Bool
	case value.TypeTime:
		return types.TypeOf(time.Time{})
	case value.TypeFraction:
		return types.Float
	case value.TypeList:
		return types.TypeOf([]any{})
	case value.TypeObject:
		return types.TypeOf(map[string]any{})
	}
	return types.Any
}
