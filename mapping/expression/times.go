package expression

import (
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

func timeFunctions() []function {
	return []function{
		{name: "time", call: callTime, check: checkTimeCall, prepare: prepareZone,
			types: signature(new(func(any) time.Time), new(func(any, []any) time.Time), new(func(any, []any, string) time.Time),
				new(func(any, string) time.Time), new(func(any, string, string) time.Time)),
			doc: Doc{"time(text, layout?, zone?)", "the time that the text says. The layout shows how 2 January 2006, 15:04:05, would look " +
				"(`\"02.01.2006 15:04\"`, with an offset as `-0700` or `Z07:00`); of a list of layouts, the first that fits. Without an offset in the text it is a time of the zone, or UTC. " +
				"Without a layout it reads what fields of times accept",
				`time(payload.at, "02.01.2006 15:04", "Europe/Berlin")`, `"2021-01-27T10:00:00.000Z"`}},
		{name: "formatTime", call: callFormatTime, check: checkTimeCall, prepare: prepareZone,
			types: signature(new(func(any, string) string), new(func(any, string, string) string)),
			doc: Doc{"formatTime(time, layout, zone?)", "the time in a layout, as clocks of the zone, or of UTC, show it; it takes what fields of times accept",
				`formatTime(1611741600, "02.01.2006 15:04", "Europe/Berlin")`, `"27.01.2021 11:00"`}},
		{name: "seconds", call: callSeconds, types: signature(new(func(any) any)),
			doc: Doc{"seconds(time)", "the seconds since 1970, with a fraction if the time has one; it takes what fields of times accept, such as a time that is remembered",
				`seconds("2021-01-27T10:01:00Z") - seconds(1611741600)`, `60`}},
	}
}

// checkTimeCall finds the mistakes in layouts and a zone that are written in the rule.
func checkTimeCall(args []ast.Node, at mistakeAt) {
	if len(args) < 2 {
		return
	}
	layouts := []ast.Node{args[1]}
	if list, ok := args[1].(*ast.ArrayNode); ok {
		layouts = list.Nodes
	}
	for _, n := range layouts {
		layout, ok := n.(*ast.StringNode)
		// If no part of the layout stands for a part of the time, formatting leaves it as it is.
		if ok && time.Unix(1, 1).UTC().Format(layout.Value) == layout.Value {
			hint := `write how 2 January 2006, 15:04:05, would look: "2006-01-02 15:04:05"`
			if _, zone := instant.Zone(layout.Value); zone {
				hint = `the zone comes behind the layout: time(…, "2006-01-02 15:04:05", ` + value.Quote(layout.Value) + ")"
			}
			at(layout, "the layout "+value.Quote(layout.Value)+" has no year, month or day in it", hint)
		}
	}
	if name, ok := literal(args, 2); ok {
		if _, known := instant.Zone(name); !known {
			at(args[2], value.Quote(name)+" is not a time zone", instant.ZoneHint(name))
		}
	}
}

func prepareZone(args []ast.Node) {
	if name, ok := literal(args, 2); ok {
		zone, _ := instant.Zone(name)
		args[2] = &ast.ConstantNode{Value: zone}
	}
}

// zoneArgument returns the zone that is the third argument; UTC where there is none.
func zoneArgument(name string, args []any) (*time.Location, error) {
	if len(args) < 3 {
		return time.UTC, nil
	}
	if zone, ok := args[2].(*time.Location); ok { // loaded at load
		return zone, nil
	}
	text, ok := value.String(args[2])
	if !ok {
		return nil, refuseType(name, "the name of a time zone", args[2])
	}
	zone, ok := instant.Zone(text)
	if !ok {
		return nil, value.Refuse("not a time", "%s: %s is not a time zone; %s", name, value.Quote(text), instant.ZoneHint(text))
	}
	return zone, nil
}

// callTime is time(text), time(text, layout) or time(text, layout, zone), with layouts of Go's
// package time.
func callTime(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	if len(args) == 1 {
		t, err := instant.Of(args[0])
		if err != nil {
			return nil, value.Refuse("not a time", "time: %v", err)
		}
		return t, nil
	}
	zone, err := zoneArgument("time", args)
	if err != nil {
		return nil, err
	}
	text, ok := value.String(args[0])
	layouts, ok2 := layoutsOf(args[1])
	if !ok || !ok2 {
		return nil, value.Refuse("not a time", "time takes text and a layout, not %s and %s", value.TypeName(args[0]),
			value.TypeName(args[1]))
	}
	for _, layout := range layouts {
		if err := s.Spend(workVisit + len(text) + workMatch*len(layout)); err != nil {
			return nil, err
		}
	}
	t, err := instant.ParseLayouts(text, layouts, zone)
	if err != nil {
		return nil, value.Refuse("not a time", "time: %v", err)
	}
	return t, nil
}

// layoutsOf returns the layout, or the layouts of a list that has some.
func layoutsOf(v any) ([]string, bool) {
	if layout, ok := value.String(v); ok {
		return []string{layout}, true
	}
	list, _ := v.([]any)
	var layouts []string
	for _, v := range list {
		layout, ok := value.String(v)
		if !ok {
			return nil, false
		}
		layouts = append(layouts, layout)
	}
	return layouts, len(layouts) > 0
}

const longestLayout = 1000 // bytes

// callFormatTime is formatTime(time, layout, zone).
func callFormatTime(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	zone, err := zoneArgument("formatTime", args)
	if err != nil {
		return nil, err
	}
	layout, ok := value.String(args[1])
	if !ok {
		return nil, refuseType("formatTime", "a time and a layout", args[1])
	}
	if len(layout) > longestLayout {
		return nil, value.Refuse("too large", "formatTime: the layout has more than %d bytes", longestLayout)
	}
	t, err := instant.Of(args[0])
	if err != nil {
		return nil, value.Refuse("not a time", "formatTime: %v", err)
	}
	return t.In(zone).Format(layout), s.Spend(workVisit + len(layout))
}

// callSeconds is seconds(time).
func callSeconds(_ *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	t, err := instant.Of(args[0])
	if err != nil {
		return nil, value.Refuse("not a time", "seconds: %v", err)
	}
	if t = t.Round(time.Microsecond); t.Nanosecond() == 0 {
		return t.Unix(), nil
	}
	return float64(t.UnixMicro()) / 1e6, nil // a float64 of today has no more digits
}
