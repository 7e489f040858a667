package auth

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Groups are the groups that an identity is in.
type Groups struct {
	Names []string
	// Lacking says why there are none, or fewer than the claim has elements; empty: there is
	// nothing to say. It holds no values of claims.
	Lacking string
}

// groupsIn reads a claim as groups: a text is one, or several with the separator between them; a
// whole number is one, as its digits; a list holds several. separator "": a text is one.
func groupsIn(claim any, separator string) Groups {
	switch claim := claim.(type) {
	case []any:
		return groupsOf(claim)
	case string:
		if separator == "" {
			return groupsOf([]any{claim})
		}
		var names []any
		for name := range strings.SplitSeq(claim, separator) {
			names = append(names, strings.TrimSpace(name))
		}
		return groupsOf(names)
	case json.Number:
		return groupsOf([]any{claim})
	}
	return Groups{Lacking: "it is " + typeOf(claim) + ", not text, a number or a list of these"}
}

// groupsOf returns the elements that are names of groups.
func groupsOf(elements []any) (g Groups) {
	for _, e := range elements {
		name, ok := groupName(e)
		switch {
		case !ok:
			g.Lacking = "it holds " + typeOf(e) + " that is no group's name"
		case name != "" && !slices.Contains(g.Names, name):
			g.Names = append(g.Names, name)
		}
	}
	if len(g.Names) == 0 && g.Lacking == "" {
		g.Lacking = "it is empty"
	}
	return g
}

// groupName returns a text as it is, and a number that is whole as its digits.
func groupName(element any) (name string, ok bool) {
	switch e := element.(type) {
	case string:
		return e, true
	case json.Number:
		digits := strings.TrimPrefix(e.String(), "-")
		if strings.Trim(digits, "0123456789") == "" {
			return e.String(), true
		}
		// 12.0 and 12e0 are 12 too. Beyond 2^53 the digits are not certain.
		f, err := e.Float64()
		if err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatFloat(f, 'f', -1, 64), true
		}
	}
	return "", false
}

// groups returns the groups of the claims.
func (a *JWT) groups(claims map[string]any) Groups {
	if len(a.groupsClaim.names) == 0 {
		return Groups{}
	}
	claim, lacking := a.groupsClaim.find(claims)
	g := Groups{Lacking: lacking}
	if lacking == "" {
		g = groupsIn(claim, a.config.GroupsSeparator)
	}
	if g.Lacking != "" {
		g.Lacking = "claim " + a.groupsClaim.text + ": " + g.Lacking
	}
	return g
}
