package auth

import (
	"errors"
	"fmt"
	"strings"
)

// A claimPath names a claim, perhaps within others: realm_access.roles. A name in it that has a dot
// stands in quotes. A claim of the token whose name is the whole path comes first, as providers
// have some that look like one: https://example.org/roles.
type claimPath struct {
	text  string
	names []string
}

// CheckClaim says why the text names no claim.
func CheckClaim(text string) error {
	_, err := parseClaim(text)
	return err
}

func parseClaim(text string) (claimPath, error) {
	p := claimPath{text: text}
	for rest := text; ; {
		name, after, err := cutName(rest)
		if err != nil {
			return claimPath{}, err
		}
		p.names = append(p.names, name)
		if after == "" {
			return p, nil
		}
		if after[0] != '.' {
			return claimPath{}, fmt.Errorf("%q: a name in quotes ends at a dot or with the path", text)
		}
		rest = after[1:]
	}
}

// cutName returns the first name of a path, and what follows it.
func cutName(path string) (name, after string, err error) {
	if strings.HasPrefix(path, `"`) {
		end := strings.IndexByte(path[1:], '"') + 1
		if end < 2 {
			return "", "", fmt.Errorf("%q: a name in quotes is empty, or its quotes do not end", path)
		}
		return path[1:end], path[end+1:], nil
	}
	name, after = path, ""
	if dot := strings.IndexByte(path, '.'); dot >= 0 {
		name, after = path[:dot], path[dot:]
	}
	switch {
	case name == "":
		return "", "", errors.New("a name in the path is empty")
	case strings.ContainsAny(name, `",`):
		return "", "", fmt.Errorf("%q: a name with a quote or a comma must stand in quotes", name)
	}
	return name, after, nil
}

// find returns the claim, or why there is none. The reason names claims, and shows none.
func (p claimPath) find(claims map[string]any) (claim any, lacking string) {
	if claim, ok := claims[p.text]; ok {
		return claim, ""
	}
	claim, within := any(claims), "the token"
	for _, name := range p.names {
		object, ok := claim.(map[string]any)
		if !ok {
			return nil, fmt.Sprintf("%s is %s, not an object", within, typeOf(claim))
		}
		if claim, ok = object[name]; !ok {
			return nil, within + " has no claim " + name
		}
		within = name
	}
	return claim, ""
}

// set puts a claim where the path points to. It reports false where something else stands in the
// way.
func (p claimPath) set(claims map[string]any, value any) bool {
	for _, name := range p.names[:len(p.names)-1] {
		inner, ok := claims[name].(map[string]any)
		if !ok {
			if _, taken := claims[name]; taken {
				return false
			}
			inner = map[string]any{}
			claims[name] = inner
		}
		claims = inner
	}
	claims[p.names[len(p.names)-1]] = value
	return true
}

// typeOf returns the type of a claim, as JSON has it.
func typeOf(claim any) string {
	switch claim.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}
