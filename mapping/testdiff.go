package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/value"
)

// A differ writes differences, wanted lines with -, others with +.
type differ struct{ strings.Builder }

func (d *differ) outputs(queue string, want, got []expected) {
	for i := range max(len(want), len(got)) {
		where := queue
		if max(len(want), len(got)) > 1 {
			where = fmt.Sprintf("%s, payload %d", queue, i+1)
		}
		switch {
		case i >= len(got):
			fmt.Fprintf(d, "  %s\n    - %s\n", where, jsonText(want[i].body))
		case i >= len(want):
			fmt.Fprintf(d, "  %s\n    + %s\n", where, jsonText(got[i].body))
		default:
			var fields differ
			fields.audiences(want[i].who, got[i].who)
			fields.values("", want[i].body, got[i].body)
			if fields.Len() > 0 {
				fmt.Fprintf(d, "  %s\n%s", where, fields.String())
			}
		}
	}
}

// audiences writes the difference of two audiences; a test that names none takes any.
func (d *differ) audiences(want, got audience.Audience) {
	if want != nil && !slices.Equal(want, got) {
		fmt.Fprintf(d, "    - audience: %s\n    + audience: %s\n", want, got)
	}
}

// values writes the fields in which two values differ.
func (d *differ) values(path string, want, got any) {
	w, ok := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok || !ok2 {
		if jsonText(want) != jsonText(got) {
			fmt.Fprintf(d, "    - %s: %s\n    + %s: %s\n", path, jsonText(want), path, jsonText(got))
		}
		return
	}
	keys := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(w)), slices.Collect(maps.Keys(g))...))))
	for _, k := range keys {
		name := strings.TrimPrefix(path+"."+k, ".")
		_, wanted := w[k]
		_, there := g[k]
		switch {
		case !there:
			fmt.Fprintf(d, "    - %s: %s\n", name, jsonText(w[k]))
		case !wanted:
			fmt.Fprintf(d, "    + %s: %s\n", name, jsonText(g[k]))
		default:
			d.values(name, w[k], g[k])
		}
	}
}

func jsonText(v any) string {
	b, _ := value.AppendJSON(nil, v) // decoded from JSON
	return string(b)
}

func (d *differ) rejections(want []string, got []Rejection) {
	var lines strings.Builder
	left := slices.Clone(got)
	for _, part := range want {
		i := slices.IndexFunc(left, func(r Rejection) bool { return strings.Contains(r.String(), part) })
		if i < 0 {
			fmt.Fprintf(&lines, "    - …%s…\n", part)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, r := range left {
		fmt.Fprintf(&lines, "    + %s\n", r)
	}
	if lines.Len() > 0 {
		fmt.Fprintf(d, "  rejected\n%s", lines.String())
	}
}

// changes writes what was remembered where nothing should have been, and the other way round.
func (d *differ) changes(want bool, got []Change) {
	switch {
	case want && len(got) == 0:
		d.WriteString("  nothing was remembered\n")
	case !want && len(got) > 0:
		d.WriteString("  remembered\n")
		for _, c := range got {
			fmt.Fprintf(d, "    + %s\n", c)
		}
	}
}
