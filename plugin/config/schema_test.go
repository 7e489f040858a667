package config_test

import (
	"encoding/json"
	"maps"
	"strings"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/plugin/config"
)

type object = map[string]any

// schema returns the JSON Schema of config.yaml and of included files. It is of draft 7, which
// editors know best.
func schema() object {
	root := section("Configuration of mqtt-stomp-bridge, or an included file with tables, memory, rules and tests.")
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	for _, s := range config.Sections() {
		put(root, s.Path, section(s.Meaning))
	}
	for _, k := range config.Keys() {
		put(root, k.Path, keySchema(k))
	}
	auth := root["properties"].(object)["auth"].(object)["properties"].(object)
	one := auth["jwt"].(object)
	auth["jwt"] = object{"description": one["description"], "anyOf": []any{one, object{"type": "array", "items": one}}}
	maps.Copy(root["properties"].(object), ruleSchemas())
	return root
}

// section describes a mapping that holds nothing but the properties that are put into it. Without a
// value, as when all its keys are commented out, it is as good as absent.
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
		if kind := k.Schema()["type"]; kind == "integer" || kind == "boolean" {
			s["default"] = json.RawMessage(d)
		}
	}
	return s
}

// ruleSchemas describes access, tables, rules and tests. Which keys, queues and fields there are is
// the mapper's to say.
func ruleSchemas() object {
	return object{
		"tables": object{"description": "Look-up tables; write table.NAME[key] in an expression. Reloaded.", "type": []string{"object", "null"},
			"additionalProperties": object{"type": "object", "additionalProperties": scalar()}},
		"memory": memorySchema(),
		"access": accessSchema(),
		"rules":  listOf("What events become. Reloaded.", ruleSchema()),
		"tests":  listOf("Events, and what the rules must make of them; check runs them. Reloaded.", testSchema()),
	}
}

func memorySchema() object {
	known := object{
		"for":       object{"description": "How long a key is remembered since it was last written, 1s to 87600h.", "type": "string", "default": "720h"},
		"max_keys":  object{"description": "How many keys; of more those written longest ago go.", "type": "integer", "minimum": 1, "maximum": 10_000_000, "default": 100_000},
		"max_bytes": object{"description": "How much its keys and values take, 1KiB to 64GiB; of more those written longest ago go.", "type": []string{"string", "integer"}, "default": "64MiB"},
	}
	return object{"description": "What rules remember of earlier events; write memory.NAME[key] in an expression. Reloaded.", "type": []string{"object", "null"},
		"additionalProperties": object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": only(known, mapping.MemoryKeys())}}
}

func accessSchema() object {
	queue := object{"enum": append(contract.QueueNames(), "*")}
	known := object{
		"queue": object{"description": "A queue, a list of queues, or * for all.", "anyOf": []any{queue, object{"type": "array", "minItems": 1, "items": queue}}},
		"allow": object{"description": "Condition: an expression over user, claims and table.", "type": []string{"string", "boolean"}},
	}
	entry := object{"type": "object", "additionalProperties": false, "required": mapping.AccessKeys(), "properties": only(known, mapping.AccessKeys())}
	return object{"description": "Who may subscribe to which queue. Without it, everybody may subscribe to everything. Not allowed in an included file. Reloaded.",
		"type": "array", "minItems": 1, "items": entry}
}

func listOf(meaning string, item object) object {
	return object{"description": meaning, "type": []string{"array", "null"}, "items": item}
}

func scalar() object {
	return object{"type": []string{"string", "number", "boolean"}}
}

func oneOrMore() object {
	return object{"anyOf": []any{scalar(), object{"type": "array", "minItems": 1, "items": scalar()}}}
}

func ruleSchema() object {
	conditions := object{}
	for _, q := range contract.QueueNames() {
		conditions[q] = scalar()
	}
	known := object{
		"name": object{"description": "Unique name; appears in logs, metrics and dead letters.", "type": "string", "pattern": "^[A-Za-z0-9 _.-]{1,64}$"},
		"topic": object{"description": "Topic filter, or a list of them that have the same names: {x} names one level, {x...} one or more, or the rest; + and # match without a name.",
			"anyOf": []any{object{"type": "string"}, object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"type": "string"}}}},
		"payload": object{"description": "How the payload is read.", "default": "json", "anyOf": []any{
			object{"enum": payloadKinds()},
			options("json", object{"enum": []string{"lenient"}}),
			options("csv", object{"type": "object", "additionalProperties": false, "properties": object{
				"header": object{"description": "Whether the first row names the columns.", "type": "boolean", "default": false},
				"comma":  object{"description": "What separates the columns.", "type": "string", "default": ","},
			}}),
			object{"type": "object", "additionalProperties": false, "required": []string{"protobuf", "message"}, "properties": object{
				"protobuf": object{"description": "The .proto file; a relative path starts where this file is.", "type": "string"},
				"message":  object{"description": "The message, with its package.", "type": "string"},
			}},
		}},
		"retained": object{"description": "What to do with a retained message that the broker sends when the bridge subscribes.", "enum": []string{"skip", "deliver"}, "default": "skip"},
		"when":     object{"description": "Condition: an expression.", "type": []string{"string", "boolean"}},
		"dedupe": object{"description": "Drops an event if the rule mapped one with the same key within the window before it.", "type": "object",
			"properties": object{
				"key":    object{"description": "Identifies an event: an expression that returns text.", "type": "string"},
				"window": object{"description": "A duration from 1s to 24h.", "type": "string"},
			}, "required": []string{"key", "window"}, "additionalProperties": false},
		"forgotten": object{"description": "Instead of a topic, a memory: the rule is for its keys whose time is up, which are key and value.", "type": "string"},
		"remember": object{"description": "What to remember: by memory {key, value}, or a list of these.", "type": "object", "minProperties": 1,
			"additionalProperties": object{"anyOf": []any{rememberSchema(), object{"type": "array", "minItems": 1, "items": rememberSchema()}}}},
		"forget": object{"description": "What to forget: by memory a key, or a list of keys.", "type": "object", "minProperties": 1, "additionalProperties": oneOrMore()},
		"each": object{"description": "What to make an output for each element of.", "anyOf": []any{
			object{"description": "An expression that returns a list, whose elements are item and index.", "type": "string"},
			named("Lists within lists, outermost first, with names for their elements: an expression each.", 8),
		}},
		"let": named("Named parts of the rule: an expression each, evaluated when first used.", 32),
		"queue": object{"description": "A queue, or several queues with a condition each.", "anyOf": []any{
			object{"enum": contract.QueueNames()},
			object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": conditions},
		}},
		"audience": object{"description": "Who gets the message: users, or {users, groups}. Each is text, an expression that begins with =, or a list of these. Default: everybody.",
			"anyOf": []any{oneOrMore(), object{"type": "object", "additionalProperties": false, "minProperties": 1,
				"properties": object{"users": oneOrMore(), "groups": oneOrMore()}}}},
		"fields": fieldsSchema(),
	}
	return object{"type": "object", "additionalProperties": false, "required": []string{"name"},
		"properties": only(known, mapping.RuleKeys())}
}

func rememberSchema() object {
	return object{"type": "object", "additionalProperties": false, "required": []string{"key", "value"}, "properties": object{
		"key":   object{"description": "Text, or with = in front an expression.", "type": []string{"string", "number", "boolean"}},
		"value": object{"description": "A value, or with = in front an expression."},
	}}
}

// named is the schema of expressions with names.
func named(description string, most int) object {
	return object{"description": description, "type": "object", "minProperties": 1, "maxProperties": most, "additionalProperties": scalar(),
		"propertyNames": object{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}}
}

func payloadKinds() []string {
	var names []string
	for _, e := range payload.Named() {
		names = append(names, e.Name)
	}
	return names
}

// options is the schema of a payload kind that is written with options.
func options(kind string, schema object) object {
	return object{"type": "object", "additionalProperties": false, "required": []string{kind}, "properties": object{kind: schema}}
}

// fieldsSchema holds the fields of all queues: which belong to a rule's own queue, check says.
func fieldsSchema() object {
	fields := section("The payload. Text, or with = in front an expression.")
	fields["type"] = "object"
	properties := fields["properties"].(object)
	for _, q := range contract.QueueNames() {
		for _, path := range contract.ShapeOf(q).Names() {
			name, rest, nested := strings.Cut(path, ".")
			if !nested {
				properties[name] = scalar()
				continue
			}
			if properties[name] == nil {
				properties[name] = object{"type": "object", "additionalProperties": false, "properties": object{}}
			}
			// Content may be written as the JSON that it is to be.
			properties[name].(object)["properties"].(object)[rest] = object{"type": []string{"string", "number", "boolean", "object", "array"}}
		}
	}
	return fields
}

func testSchema() object {
	body := object{"type": "object"}
	expect := object{"rejected": object{"description": "Part of the reason."}}
	for _, q := range contract.QueueNames() {
		expect[q] = object{"anyOf": []any{body, object{"type": "array", "items": body}}}
	}
	known := object{
		"name":         object{"description": "Default: the topic.", "type": "string"},
		"topic":        object{"description": "Topic of the event.", "type": "string"},
		"payload":      object{"description": "The payload in YAML, sent as JSON."},
		"text":         object{"description": "The payload, sent unchanged.", "type": []string{"string", "number", "boolean"}},
		"base64":       object{"description": "The payload in base64.", "type": "string"},
		"file":         object{"description": "The file of the payload; a relative path starts where this file is.", "type": "string"},
		"user":         object{"description": "User properties.", "type": "object", "additionalProperties": scalar()},
		"content_type": object{"description": "Content type of the event.", "type": "string"},
		"qos":          object{"enum": []int{0, 1, 2}, "default": 0},
		"retained":     object{"description": "Whether the event is a retained message that the broker sent at subscribe.", "type": "boolean", "default": false},
		"received":     object{"description": "Time of receipt, RFC 3339.", "type": "string"},
		"expect": object{"description": "The exact payloads by queue, with or without their audience; or filtered; or remembered; or rejected with part of the reason.", "anyOf": []any{
			object{"enum": []string{"filtered", "remembered"}},
			object{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": expect},
		}},
	}
	values := object{"type": "object", "additionalProperties": object{"type": "object"}}
	known["after"] = object{"description": "How long after the event before it; without a topic, time only passes.", "type": "string"}
	known["memory"] = object{"description": "What is remembered at the beginning: values by memory and key.", "allOf": []any{values}}
	known["remembers"] = object{"description": "All that these memories hold at the end: values by key.", "allOf": []any{values}}
	known["events"] = object{"description": "Several events, one after another.", "type": "array", "minItems": 1,
		"items": object{"type": "object", "additionalProperties": false, "properties": only(known, mapping.EventKeys())}}
	return object{"type": "object", "additionalProperties": false, "properties": only(known, mapping.TestKeys()),
		"anyOf": []any{object{"required": []string{"topic", "expect"}}, object{"required": []string{"events"}}}}
}

// only returns the properties that the mapper has; one that is not described here takes anything.
func only(described object, keys []string) object {
	properties := object{}
	for _, k := range keys {
		properties[k] = object{}
		if d, ok := described[k]; ok {
			properties[k] = d
		}
	}
	return properties
}
