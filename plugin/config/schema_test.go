package config_test

import (
	"maps"
	"strings"

	"mqtt-stomp-bridge/plugin/config"
)

type object = map[string]any

// schema returns the JSON Schema of config.yaml and of included files. It is of draft 7, which editors know best.
func schema() object {
	root := section("mqtt-stomp-bridge configuration, or an included file with tables, rules and tests")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	for _, s := range config.Sections() {
		put(root, s.Path, section(s.Meaning))
	}
	for _, k := range config.Keys() {
		put(root, k.Path, keySchema(k))
	}
	maps.Copy(root["properties"].(object), ruleSchemas())
	return root
}

// section describes a mapping that holds nothing but the properties that are put into it. Without a value, as when all
// its keys are commented out, it is as good as absent.
func section(meaning string) object {
	return object{"description": meaning, "type": []string{"object", "null"}, "additionalProperties": false, "properties": object{}}
}

func put(root object, path string, value object) {
	name, rest, nested := strings.Cut(path, ".")
	properties := root["properties"].(object)
	if !nested {
		properties[name] = value
		return
	}
	put(properties[name].(object), rest, value)
}

func keySchema(k config.Key) object {
	reload := "Needs a restart."
	if k.Reloaded {
		reload = "Reloaded."
	}
	variable := object{"type": "string", "pattern": `\$\{`} // expanded before it is checked
	either := []any{k.Schema(), variable, object{"type": "null"}}
	if k.List {
		either = append(either, object{"type": "array", "items": object{"anyOf": []any{k.Schema(), variable}}})
	}
	s := object{"description": k.Meaning + " " + k.Type() + ". " + reload + " " + k.Env(), "anyOf": either}
	if d := k.Default(); d != "" {
		s["default"] = d
	}
	return s
}

func ruleSchemas() object {
	text := object{"type": []string{"string", "number", "boolean"}}
	queues := []string{"/queue/message", "/queue/unread-count", "/queue/channel/connected", "/queue/channel/disconnected"}
	conditions := object{}
	for _, q := range queues {
		conditions[q] = text
	}
	rule := object{
		"type":                 "object",
		"additionalProperties": false,
		"required":             []string{"name", "topic", "queue", "fields"},
		"properties": object{
			"name":     object{"description": "Unique name; appears in logs, metrics and dead letters.", "type": "string", "pattern": "^[A-Za-z0-9 _.-]{1,64}$"},
			"topic":    object{"description": "Topic pattern: {x} is one level, {x...} the rest; + and # without a name.", "type": "string"},
			"payload":  object{"description": "How the payload is read.", "enum": []string{"json", "text", "empty", "ignore"}, "default": "json"},
			"retained": object{"description": "What becomes of a retained copy that is replayed at subscribe.", "enum": []string{"skip", "deliver"}, "default": "skip"},
			"when":     object{"description": "Condition, an expression.", "type": []string{"string", "boolean"}},
			"each":     object{"description": "A list, an expression: one output an element, as item and index.", "type": "string"},
			"queue": object{"description": "A queue, or queues with the condition of each.", "anyOf": []any{
				object{"enum": queues},
				object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": conditions},
			}},
			"fields": object{"description": "The payload: text, or with = an expression.", "type": "object"},
		},
	}
	return object{
		"tables": object{"description": "Look-up tables: table.NAME[key] in an expression. Reloaded.", "type": []string{"object", "null"},
			"additionalProperties": object{"type": "object", "additionalProperties": text}},
		"rules": object{"description": "What events become. Reloaded.", "type": []string{"array", "null"}, "items": rule},
		"tests": object{"description": "Events, and what the rules must make of them. Reloaded.", "type": []string{"array", "null"}, "items": object{"type": "object"}},
	}
}
