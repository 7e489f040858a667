package workbench

import (
	"encoding/json"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/plugin/config"
)

// Words are what an editor of rules can complete.
type Words struct {
	Schema    json.RawMessage `json:"schema"` // JSON Schema of tables, memory, rules and tests
	Functions []Function      `json:"functions"`
	Fields    []Field         `json:"fields"`
}

// A Field is one that a payload may have.
type Field struct {
	Name     string   `json:"name"`  // message.sender_type
	Wants    string   `json:"wants"` // a UUID
	Optional bool     `json:"optional,omitempty"`
	Queues   []string `json:"queues"`
}

// A Function is one that expressions may call.
type Function struct {
	Name    string `json:"name"`
	Usage   string `json:"usage"`   // split(text, separator, limit?)
	About   string `json:"about"`   // also of others of its family
	Example string `json:"example"` // an expression
	Result  string `json:"result"`  // its value, JSON
}

// RuleWords returns the words that there are.
func RuleWords() Words {
	w := Words{Schema: ruleSchema(), Fields: fields()}
	for _, section := range expression.Reference() {
		for _, d := range section.Docs {
			for usage := range strings.SplitAfterSeq(d.Usage, ")") {
				usage = strings.TrimSpace(usage)
				if name, _, ok := strings.Cut(usage, "("); ok {
					w.Functions = append(w.Functions, Function{name, usage, d.About, d.Example, d.Result})
				}
			}
		}
	}
	return w
}

// fields returns the fields of all payloads.
func fields() (all []Field) {
	for _, queue := range contract.QueueNames() {
		for _, f := range contract.ShapeOf(queue).Fields {
			i := slices.IndexFunc(all, func(x Field) bool { return x.Name == f.Name && x.Wants == f.Target.Wants })
			if i < 0 {
				all = append(all, Field{Name: f.Name, Wants: f.Target.Wants, Optional: f.Optional || f.Received})
				i = len(all) - 1
			}
			all[i].Queues = append(all[i].Queues, queue)
		}
	}
	return all
}

// ruleSchema is the part of the schema that is for rules.
func ruleSchema() json.RawMessage {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		panic("workbench: " + err.Error()) // it is embedded
	}
	part := map[string]json.RawMessage{}
	for _, key := range []string{"tables", "memory", "rules", "tests"} {
		part[key] = schema.Properties[key]
	}
	text, err := json.Marshal(map[string]any{"type": "object", "properties": part})
	if err != nil {
		panic("workbench: " + err.Error())
	}
	return text
}
