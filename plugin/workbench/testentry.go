package workbench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/value"
	"mqtt-stomp-bridge/plugin/config"
)

// testFile is the name of a file that is not there: it holds the test while it is tried.
const testFile = "the test of this event"

// test returns an entry of tests that expects of the event what came of it, or a note why there is
// none. It has been run: an entry that does not pass is not returned.
func (s Source) test(ctx context.Context, files []File, e mapping.Event, t mapping.Trace, recalled []RecalledKey) (entry, note string) {
	for _, payload := range payloads(e.Payload) {
		if ctx.Err() != nil {
			return "", "no test was made, since that takes too long"
		}
		entry := testOf(e, payload, t.Result, recalled)
		if s.passes(files, entry) {
			return entry, ""
		}
	}
	return "", "no test can be written that passes: YAML has no way to write this event, or what came of it"
}

// passes reports whether the entry passes beside the files.
func (s Source) passes(files []File, entry string) bool {
	texts, err := s.texts(files)
	if err != nil {
		return false
	}
	texts[testFile] = "tests:\n" + entry
	e := config.CheckEdited(s.Path, s.Environ, texts)
	if e.Mapper == nil {
		return false
	}
	passed := false
	for r := range e.Mapper.TestsIn(testFile) { // the one
		passed = r.Problem == nil
	}
	return passed
}

// payloads returns the lines of a test that give it the payload, the easiest to read first.
func payloads(p []byte) (lines []string) {
	if len(p) == 0 {
		return []string{""}
	}
	// Rules take no JSON that nests deeper, and each level would be indented further.
	if v := json.RawMessage(bytes.TrimSpace(p)); json.Valid(v) && (v[0] == '{' || v[0] == '[') && value.CheckDepth(string(v)) == nil {
		lines = append(lines, member("    ", "payload", v))
	}
	if text := string(p); writable(text) {
		lines = append(lines, "    text: "+quoted(text)+"\n")
	}
	return append(lines, "    base64: "+base64.StdEncoding.EncodeToString(p)+"\n")
}

// writable reports whether the text can be written in YAML, and read by people.
func writable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r == '\uFEFF' || !unicode.IsPrint(r) && !strings.ContainsRune("\t\n\r", r)
	})
}

// testOf returns the entry, with the line of its payload.
func testOf(e mapping.Event, payload string, r mapping.Result, recalled []RecalledKey) string {
	var b strings.Builder
	b.WriteString("  - name: " + quoted("an event on "+e.Topic) + "\n    topic: " + quoted(e.Topic) + "\n" + payload)
	if len(e.User) > 0 {
		b.WriteString("    user:\n")
		for _, name := range slices.Sorted(maps.Keys(e.User)) {
			b.WriteString("      " + keyText(name) + ": " + quoted(e.User[name]) + "\n")
		}
	}
	if e.ContentType != "" {
		b.WriteString("    content_type: " + quoted(e.ContentType) + "\n")
	}
	if e.QoS != 0 {
		b.WriteString("    qos: " + strconv.Itoa(int(e.QoS)) + "\n")
	}
	if e.Retained {
		b.WriteString("    retained: true\n")
	}
	b.WriteString("    received: '" + e.Received.UTC().Format(time.RFC3339Nano) + "'\n")
	writeMemory(&b, recalled)
	writeExpect(&b, r)
	return b.String()
}

// writeMemory writes what was remembered before the event, as far as the rules have looked.
func writeMemory(b *strings.Builder, recalled []RecalledKey) {
	there := slices.DeleteFunc(slices.Clone(recalled), func(k RecalledKey) bool { return k.Value == nil })
	if len(there) == 0 {
		return
	}
	slices.SortStableFunc(there, func(x, y RecalledKey) int { return strings.Compare(x.Memory, y.Memory) })
	b.WriteString("    memory:\n")
	for i, k := range there {
		if i == 0 || there[i-1].Memory != k.Memory {
			b.WriteString("      " + keyText(k.Memory) + ":\n")
		}
		b.WriteString(member("        ", k.Key, k.Value))
	}
}

func writeExpect(b *strings.Builder, r mapping.Result) {
	switch {
	case len(r.Outputs)+len(r.Rejections) > 0:
		b.WriteString("    expect:\n")
	case len(r.Changes) > 0:
		b.WriteString("    expect: remembered\n")
		return
	default:
		b.WriteString("    expect: filtered\n")
		return
	}
	var queues []string
	for _, o := range r.Outputs {
		if !slices.Contains(queues, o.Queue) {
			queues = append(queues, o.Queue)
		}
	}
	for _, queue := range queues {
		b.WriteString("      " + queue + ":\n")
		for _, o := range r.Outputs {
			if o.Queue == queue {
				writeOutput(b, o)
			}
		}
	}
	if len(r.Rejections) > 0 {
		b.WriteString("      rejected:\n")
	}
	for _, rejection := range r.Rejections {
		b.WriteString("        - " + quoted(rejection.Reason) + "\n")
	}
}

// writeOutput writes one payload of a list, with its audience as a field.
func writeOutput(b *strings.Builder, o mapping.Output) {
	var fields strings.Builder
	if o.Audience != nil {
		users, groups := split(o.Audience)
		fields.WriteString("          audience: {")
		if len(users) > 0 {
			fields.WriteString("users: " + inline(users))
		}
		if len(users) > 0 && len(groups) > 0 {
			fields.WriteString(", ")
		}
		if len(groups) > 0 {
			fields.WriteString("groups: " + inline(groups))
		}
		fields.WriteString("}\n")
	}
	fields.WriteString(members("          ", o.Body))
	b.WriteString("        - " + strings.TrimPrefix(fields.String(), "          "))
}

// split returns the names of an audience.
func split(a audience.Audience) (users, groups []string) {
	for _, token := range a {
		kind, name, _ := strings.Cut(token, ":")
		if audience.User(name) == kind+":"+name {
			users = append(users, name)
		} else {
			groups = append(groups, name)
		}
	}
	return users, groups
}

// members writes the members of a JSON object in lines of YAML.
func members(indent string, object json.RawMessage) string {
	var b strings.Builder
	d := json.NewDecoder(bytes.NewReader(object))
	d.Token() // {
	for d.More() {
		key, _ := d.Token()
		name, _ := key.(string)
		var v json.RawMessage
		if d.Decode(&v) != nil {
			break
		}
		b.WriteString(member(indent, name, v))
	}
	return b.String()
}

// member writes one: an object in lines of its own, anything else as the JSON that it is.
func member(indent, name string, v json.RawMessage) string {
	if v[0] == '{' && bytes.ContainsRune(v, ':') {
		return indent + keyText(name) + ":\n" + members(indent+"  ", v)
	}
	var decoded any
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if d.Decode(&decoded) != nil {
		return ""
	}
	return indent + keyText(name) + ": " + inline(decoded) + "\n"
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// wordsOfYAML are not text where they are not quoted.
var wordsOfYAML = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

func keyText(name string) string {
	if plainKey.MatchString(name) && !slices.Contains(wordsOfYAML, strings.ToLower(name)) {
		return name
	}
	return quoted(name)
}

func quoted(text string) string { return inline(text) }

// inline returns the JSON text of v, which is YAML too.
func inline(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}
