package expression_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/value"
)

// The roots of the tests.
const (
	rootPayload expression.Root = iota
	rootReceived
	rootDevice
	rootRest
	rootTopic
	rootQoS
	rootRetained
	rootContentType
	rootUser
)

// received is when the events of the tests were received.
var received = time.Date(2026, 3, 4, 5, 6, 7, 890_123_456, time.UTC)

// names are what the expressions of the tests see: the names of a rule with the topic
// t/{device}/{rest...}.
func names() *expression.Names {
	text, object := value.TypeText, value.TypeObject
	return &expression.Names{
		Roots: []expression.Name{
			{Name: "payload", Root: rootPayload, Types: value.AnyType},
			{Name: "received", Root: rootReceived, Types: value.TypeTime},
		},
		Groups: []expression.Group{
			{Name: "topic", Below: []expression.Name{{Name: "device", Root: rootDevice, Types: text}, {Name: "rest", Root: rootRest, Types: text}}},
			{Name: "mqtt", Below: []expression.Name{
				{Name: "content_type", Root: rootContentType, Types: text},
				{Name: "qos", Root: rootQoS, Types: value.TypeWhole},
				{Name: "retained", Root: rootRetained, Types: value.TypeBool},
				{Name: "topic", Root: rootTopic, Types: text},
				{Name: "user", Root: rootUser, Types: object},
			}},
			{Name: "table", Hint: "there are no tables", Below: []expression.Name{
				{Name: "state", Types: object, Entries: map[string]any{"sent": "DELIVERED", "1": "one", "true": "yes"}},
			}},
		},
	}
}

// data are the values of one event.
type data struct {
	payload any
	text    string // that payload is decoded from; "": none
}

func (d data) Value(r expression.Root) (any, error) {
	return map[expression.Root]any{
		rootPayload: d.payload, rootReceived: received, rootDevice: "front_door", rootRest: "x/y", rootTopic: "t/front_door/x/y",
		rootQoS: 1, rootRetained: false, rootContentType: "application/json",
		rootUser: map[string]string{"message_id": "77", "content-type": "x"},
	}[r], nil
}

func decode(t testing.TB, payload string) data {
	t.Helper()
	d, err := value.DecodeJSON([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return data{d.Value, payload}
}

// direct has the scope evaluate expressions on items: those of a payload that is JSON stand on a
// tape.
func direct(s *expression.Scope, d data) {
	items := items{data: d, scope: s}
	var tape value.Tape
	items.taped = tape.Read([]byte(d.text))
	s.Direct(items, &tape, rootPayload)
}

type items struct {
	data
	scope *expression.Scope
	taped bool
}

func (i items) Item(r expression.Root) (expression.Item, error) {
	v, _ := i.Value(r)
	_, isText := v.(string)
	switch {
	case r == rootPayload && i.taped:
		return i.scope.At(value.Root), nil
	case isText:
		return expression.TextAt(int(r)), nil
	}
	return expression.Made(v), nil
}

func (i items) TextAt(n int) []byte {
	v, _ := i.Value(expression.Root(n))
	return []byte(v.(string))
}

// evaluate returns the JSON text of the expression's value, or "rejected: " with the reason. It is
// the same by the engine and on items, and so is what is spent.
func evaluate(text string, d data) string {
	x, mistake := names().Parse(text)
	if mistake != nil {
		return "load: " + mistake.Message
	}
	if diff := differs(x, d); diff != "" {
		return diff
	}
	var s expression.Scope
	s.Begin(d, nil)
	return result(x, &s)
}

// differs says what differs between the expression by the engine and on items: its value, why there
// is none, or what is spent.
func differs(x *expression.Expression, d data) string {
	var s expression.Scope
	s.Begin(d, nil)
	s.Listen()
	engine, missing, left, hints := result(x, &s), s.Missing(), leftOf(&s), s.Hints()
	s.Begin(d, nil)
	s.Listen()
	direct(&s, d)
	if got, why, rest := result(x, &s), s.Missing(), leftOf(&s); got != engine || why != missing || rest != left {
		return fmt.Sprintf("on items %s (%s) with %d left, by the engine %s (%s) with %d left", got, why, rest, engine, missing, left)
	}
	if got := s.Hints(); !slices.Equal(got, hints) {
		return fmt.Sprintf("on items the hints %q, by the engine %q", got, hints)
	}
	return ""
}

// leftOf returns how much work is left.
func leftOf(s *expression.Scope) int {
	n := 0
	for step := 16 << 20; step > 0; step /= 2 {
		for s.Spend(step) == nil {
			n += step
		}
		_ = s.Spend(-step)
	}
	return n
}

// result returns the JSON text of the expression's value, or why there is none.
func result(x *expression.Expression, s *expression.Scope) string {
	v, err := x.Eval(s)
	var b []byte
	if err == nil {
		b, err = value.AppendJSON(nil, v)
	}
	if err != nil {
		return "rejected: " + err.Error()
	}
	return string(b)
}

func TestExpressions(t *testing.T) {
	d := decode(t, `{"s": "Straße", "n": 5, "f": 2.5, "big": 9007199254740993, "huge": 123456789012345678901234567890, "yes": true, "no": false,
			"nothing": null, "list": [1, 2, 3], "texts": ["b", "a"], "empty": [], "o": {"a": {"b": [10, {"c": "deep"}]}, "k-1": 1, "1": "one"},
			"items": [{"id": 1, "ok": true}, {"id": 2}, {"id": 3, "ok": false}], "json": "{\"a\": [1, 2.50]}", "key": "a", "t": "2021-01-27 11:00:00",
			"state": "sent", "digits": "0042", "max": 9223372036854775807, "min": -9223372036854775808}`)
	tests := []struct{ expression, want string }{
		// Paths: what is missing is nothing, on whatever way.
		{`payload.s`, `"Straße"`},
		{`payload.o.a.b[1].c`, `"deep"`},
		{`payload["o"]["a"].b[-2]`, `10`},
		{`payload.o["k-1"]`, `1`},
		{`payload.o["1"]`, `"one"`},
		{`payload?.o?.a.b[0]`, `10`},
		{`payload.x`, `null`},
		{`payload.x.y.z[3].w`, `null`},
		{`payload.s.x`, `null`},
		{`payload.s[0]`, `null`},
		{`payload.list.x`, `null`},
		{`payload.list[3]`, `null`},
		{`payload.list[-4]`, `null`},
		{`payload.o[0]`, `null`},
		{`payload.nothing.x`, `null`},
		{`payload[payload.key]`, `null`},
		{`payload.o[payload.key].b[0]`, `10`},
		{`payload.list[payload.n - 4]`, `2`},
		{`payload.o[payload.x]`, `null`},
		{`payload.x ?? payload.nothing ?? "default"`, `"default"`},
		{`payload.s ?? "default"`, `"Straße"`},
		{`topic.device + "|" + topic.rest`, `"front_door|x/y"`},
		{`topic["device"]`, `"front_door"`},
		{`mqtt.topic`, `"t/front_door/x/y"`},
		{`[mqtt.qos, mqtt.retained, mqtt.content_type]`, `[1,false,"application/json"]`},
		{`mqtt.user.message_id`, `"77"`},
		{`mqtt.user["content-type"]`, `"x"`},
		{`mqtt.user.absent ?? "none"`, `"none"`},
		{`mqtt.user.message_id.x`, `null`},
		{`mqtt.user`, `{"content-type":"x","message_id":"77"}`},
		{`received`, `"2026-03-04T05:06:07.890Z"`},
		{`string(received)`, `"2026-03-04T05:06:07.890Z"`},

		// Tables.
		{`table.state[payload.state]`, `"DELIVERED"`},
		{`table.state.sent`, `"DELIVERED"`},
		{`table.state[payload.n] ?? "?"`, `"?"`},
		{`table.state[payload.x] ?? "?"`, `"?"`},
		{`table.state[payload.n - 4]`, `"one"`},
		{`table.state[1]`, `"one"`},
		{`table.state[len("a")]`, `"one"`},
		{`table.state[payload.yes]`, `"yes"`},
		{`table.state[payload.list]`, `rejected: table.state takes text as a key, not a list`},
		{`payload.state in table.state`, `true`},
		{`table.state`, `{"1":"one","sent":"DELIVERED","true":"yes"}`},

		// Conditions: what is missing is false.
		{`payload.yes and payload.x`, `false`},
		{`payload.x or payload.yes`, `true`},
		{`not payload.x`, `true`},
		{`!payload.yes`, `false`},
		{`payload.x && payload.x.y`, `false`},
		{`payload.n and true`, `rejected: a number is not true or false; to ask whether it is there, write … != nil`},
		{`not payload.s`, `rejected: text is not true or false; to ask whether it is there, write … != nil`},
		{`payload.x ? 1 : 2`, `2`},
		{`payload.yes ? "a" : "b"`, `"a"`},
		{`if payload.no { 1 } else { 2 }`, `2`},

		// Comparisons.
		{`payload.n == 5`, `true`},
		{`payload.n == 5.0`, `true`},
		{`payload.n == "5"`, `false`},
		{`payload.x == nil`, `true`},
		{`nil == payload.x`, `true`},
		{`payload.n == payload.o`, `false`},
		{`payload.list in [[1, 2, 3]]`, `true`},
		{`payload.list in [[1, 2, "3"]]`, `false`},
		{`payload.f < 2.5`, `false`},
		{`payload.n == payload.f * 2`, `true`},
		{`payload.n != nil`, `true`},
		{`payload.s == "Straße"`, `true`},
		{`payload.s == payload.s`, `true`},
		{`payload.s == payload.n`, `false`},
		{`payload.list == payload.list`, `true`},
		{`payload.list != payload.texts`, `true`},
		{`payload.big == 9007199254740992`, `false`},
		{`payload.n < 6`, `true`},
		{`payload.n >= payload.f`, `true`},
		{`payload.big > 9007199254740992`, `true`},
		{`payload.huge > payload.big`, `true`},
		{`payload.s < "Z"`, `true`},
		{`received > time("2020", "2006")`, `true`},
		{`payload.x > 3`, `rejected: > compares two numbers, texts or times, not nothing and a number: payload has no "x"; it has: big, digits, empty, f, huge, items, json, key and 12 more`},
		{`payload.s > 3`, `rejected: > compares two numbers, texts or times, not text and a number`},
		{`payload.n in [1, 5]`, `true`},
		{`payload.n in payload.list`, `false`},
		{`payload.n not in payload.list`, `true`},
		{`payload.state in ["sent", "read"]`, `true`},
		{`payload.n in ["a"]`, `false`},
		{`"a" in payload.o`, `true`},
		{`payload.n in payload.o`, `false`},
		{`payload.n in payload.x`, `false`},
		{`payload.n in payload.s`, `rejected: in takes a list or an object, not text`},
		{`payload.s contains "aß"`, `true`},
		{`payload.s startsWith "Str"`, `true`},
		{`payload.s endsWith "e"`, `true`},
		{`payload.x contains "a"`, `false`},
		{`payload.n contains "a"`, `rejected: contains takes two texts, not a number and text`},
		{`payload.s matches "^S.*e$"`, `true`},
		{`payload.x matches "a"`, `false`},
		{`payload.n matches "a"`, `rejected: matches takes text, not a number`},

		// Arithmetic: whole numbers stay exact, and nothing stays nothing.
		{`payload.n + 1`, `6`},
		{`payload.big + 1`, `9007199254740994`},
		{`payload.n - payload.f`, `2.5`},
		{`payload.n * payload.big`, `45035996273704965`},
		{`payload.n / 2`, `2.5`},
		{`payload.n % 3`, `2`},
		{`payload.n ** 2`, `25`},
		{`-payload.n`, `-5`},
		{`payload.x + 1`, `null`},
		{`payload.x + "a" ?? "b"`, `null`},
		{`(payload.x + "a") ?? "b"`, `"b"`},
		{`payload.s + "!"`, `"Straße!"`},
		{`payload.s + 1`, `rejected: + joins two texts or adds two numbers, not text and a number; write string(…)`},
		{`payload.list + 1`, `rejected: + joins two texts or adds two numbers, not a list and a number; write flatten([a, b])`},
		{`payload.max + 1`, `rejected: + has no numeric result`},
		{`payload.min - 1`, `rejected: - has no numeric result`},
		{`payload.max * 2`, `rejected: * has no numeric result`},
		{`payload.min * -1`, `rejected: * has no numeric result`},
		{`payload.n / 0`, `rejected: / has no numeric result`},
		{`payload.n % 0`, `rejected: % has no numeric result`},
		{`payload.min % -1`, `0`},
		{`payload.f % 0`, `rejected: % has no numeric result`},

		// Text.
		{`upper(payload.s)`, `"STRAßE"`},
		{`lower("ÄB")`, `"äb"`},
		{`trim(" a ")`, `"a"`},
		{`trimPrefix(payload.s, "Str")`, `"aße"`},
		{`trimSuffix(payload.s, "e")`, `"Straß"`},
		{`hasPrefix(payload.s, "S")`, `true`},
		{`hasSuffix(payload.x, "S")`, `false`},
		{`replace(topic.device, "_", " ")`, `"front door"`},
		{`replace(payload.x, "a", "b")`, `null`},
		{`split(topic.rest, "/")`, `["x","y"]`},
		{`split(topic.rest, "/")[1]`, `"y"`},
		{`join(payload.texts, ", ")`, `"b, a"`},
		{`join(payload.list, "")`, `"123"`},
		{`join(payload.items, "")`, `rejected: join: element 0: an object is not text`},
		{`payload.s[0:5]`, `"Straß"`},
		{`payload.s[:-1]`, `"Straß"`},
		{`payload.s[4:99]`, `"ße"`},
		{`payload.s[9:2]`, `""`},
		{`payload.x[0:2]`, `null`},
		{`payload.n[0:2]`, `rejected: a number has no length`},
		{`upper(payload.x)`, `null`},
		{`upper(payload.n)`, `rejected: upper takes text, not a number`},
		{`payload.s | upper() | lower()`, `"straße"`},

		// Conversions.
		{`string(payload.n) + "a"`, `"5a"`},
		{`string(payload.f)`, `"2.5"`},
		{`string(1611741600000.0)`, `"1611741600000"`},
		{`string(payload.huge)`, `"123456789012345678901234567890"`},
		{`string(payload.yes)`, `"true"`},
		{`string(payload.x)`, `null`},
		{`string(payload.list)`, `rejected: string takes one value, not a list; write toJSON(…)`},
		{`int(payload.digits)`, `42`},
		{`int(payload.f)`, `2`},
		{`int("x")`, `rejected: "x" is not a number`},
		{`int(payload.list)`, `rejected: a list is not a number`},
		{`int(payload.huge)`, `rejected: int: 123456789012345678901234567890 is too large`},
		{`int(payload.x)`, `null`},
		{`int(payload.big)`, `9007199254740993`},
		{`round(payload.f)`, `3`},
		{`float("2.50")`, `2.5`},
		{`float(payload.n) / 2`, `2.5`},
		{`float("Inf")`, `rejected: "Inf" is not a number`},
		{`toJSON(payload.items[0])`, `"{\"id\":1,\"ok\":true}"`},
		{`toJSON(payload.x)`, `null`},
		{`json(payload.json).a[1]`, `2.50`},
		{`json(payload.x)`, `null`},
		{`json("{")`, `rejected: json: the text is not JSON: unexpected end of JSON input`},
		{`time(payload.t, "2006-01-02 15:04:05")`, `"2021-01-27T11:00:00.000Z"`},
		{`time(payload.x, "2006-01-02")`, `null`},
		{`time(payload.s, "2006-01-02")`, `rejected: time: "Straße" does not have the layout "2006-01-02"`},
		{`time(payload.n, "2006-01-02")`, `rejected: time takes text and a layout, not a number and text`},

		// Lists.
		{`len(payload.list) + len("äö") + len(payload.o)`, `8`},
		{`len(payload.x)`, `null`},
		{`(len(payload.x) ?? 0) > 0`, `false`},
		{`len(payload.n)`, `rejected: a number has no length`},
		{`first(payload.list)`, `1`},
		{`last(payload.list)`, `3`},
		{`first(payload.empty)`, `null`},
		{`first(payload.x)`, `null`},
		{`payload.list[1:]`, `[2,3]`},
		{`keys(payload.o)`, `["1","a","k-1"]`},
		{`values(payload.items[0])`, `[1,true]`},
		{`keys(payload.list)`, `rejected: a list has no keys`},
		{`filter(payload.items, .ok)`, `[{"id":1,"ok":true}]`},
		{`map(payload.items, .id)`, `[1,2,3]`},
		{`map(payload.items, #.ok ?? "?")`, `[true,"?",false]`},
		{`map(payload.texts, upper(#))`, `["B","A"]`},
		{`map(payload.list, # * 2 + #index)`, `[2,5,8]`},
		{`find(payload.items, .id == 2)`, `{"id":2}`},
		{`find(payload.items, .id == 9).id`, `null`},
		{`count(payload.items, .ok)`, `1`},
		{`any(payload.items, .ok)`, `true`},
		{`all(payload.items, .id > 0)`, `true`},
		{`none(payload.x, .id > 0)`, `true`},
		{`one(payload.items, .ok)`, `true`},
		{`filter(payload.x, true)`, `[]`},
		{`all(payload.s, true)`, `rejected: all goes through a list, not text`},
		{`filter(payload.items, .id)`, `rejected: a number is not true or false; to ask whether it is there, write … != nil`},
		{`let x = payload.o.a; x.b[0] + 1`, `11`},
		// What is left to the engine speaks of no Go types either.
		{`{(payload.n): 1}`, `rejected: the expression cannot be evaluated: it is number, not text`},
		{`count(payload.list)`, `rejected: the expression cannot be evaluated: it is number, not true or false`},
		{`let item = payload.n; let index = 2; item * index`, `10`}, // no each: the names are free
		{`{"a": payload.n, "b": [payload.s, nil]}`, `{"a":5,"b":["Straße",null]}`},
	}
	for _, tt := range tests {
		if got := evaluate(tt.expression, d); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expression, got, tt.want)
		}
	}
}

// Ids derived by uuid are part of the data contract: these came from Python's uuid module,
// uuid5(uuid5(uuid5(NAMESPACE_DNS, "mqtt-stomp-bridge"), kind), id).
func TestUUIDFunction(t *testing.T) {
	d := decode(t, `{"n": 7263548190273645123, "empty": "", "f": 1.5}`)
	tests := []struct{ expression, want string }{
		{`uuid("zigbee2mqtt", topic.device)`, `"a123d339-bc1c-5e42-8cef-5368d143932b"`},
		{`uuid(lower("ZIGBEE2MQTT"), topic.device)`, `"a123d339-bc1c-5e42-8cef-5368d143932b"`},
		{`uuid("conversation", payload.n)`, `"422a6ecb-c654-58d4-86c4-e0d6045378b7"`},
		{`uuid("conversation", "7263548190273645123")`, `"422a6ecb-c654-58d4-86c4-e0d6045378b7"`},
		{`uuid("", "ü")`, `"acdf511b-f60d-57cc-9b3b-191c3503d81b"`},
		{`uuid("a", payload.x)`, `null`},
		{`uuid(payload.x, "a")`, `null`},
		{`uuid("a", payload.empty)`, `rejected: uuid: the id is empty`},
		{`uuid("a", payload.f)`, `rejected: uuid: the id: 1.5 has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant`},
		{`uuid("msg", 88121, 3)`, `"dcb891b2-3a19-5efb-8b44-8e83d40bd375"`},
		{`uuid("msg", 88120, 4)`, `"830f48dc-55c9-5cd9-a4bb-e97c8d59b173"`},
		{`uuid("msg", "8812", "13")`, `"bfcfaafb-37d9-57df-83fa-d5f9d5ab67a7"`},
		{`uuid("msg", "88121", "3")`, `"dcb891b2-3a19-5efb-8b44-8e83d40bd375"`},
		{`uuid("msg", "a", "b", "c")`, `"0717c25c-df5b-5499-9666-87e1f266acc4"`},
		{`uuid("msg", "a", payload.x)`, `null`},
		{`uuid("msg", "a", payload.empty)`, `rejected: uuid: part 2 of the id is empty`},
		{`uuid("msg", payload, "a")`, `rejected: uuid: part 1 of the id: an object is not text`},
		{`uuid("a", received)`, `"59558c47-42fb-58f9-980a-c1e5fa919c29"`},
		{`uuid("a", received) == uuid("a", string(received))`, `true`},
		{`uuid("a", "b", received) == uuid("a", "b", "2026-03-04T05:06:07.890Z")`, `true`},
		{`uuid(received, "b")`, `rejected: uuid: the kind of id: a time is not text`},
		{`uuid("a", payload)`, `rejected: uuid: the id: an object is not text`},
	}
	for _, tt := range tests {
		if got := evaluate(tt.expression, d); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expression, got, tt.want)
		}
	}
}

// What a time stands for does not depend on the machine's time zone: an abbreviation is not looked
// up there.
func TestTimeWithZoneAbbreviation(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	d := decode(t, `{}`)
	tests := []struct{ text, layout, want string }{
		{"14 Jul 2021 08:32 EDT", "02 Jan 2006 15:04 MST", `rejected: time: "14 Jul 2021 08:32 EDT": EDT means different offsets in different places; name the place: time(…, "02 Jan 2006 15:04 MST", "America/New_York")`},
		{"14 Jul 2021 08:32 GMT+3", "02 Jan 2006 15:04 MST", `rejected: time: "14 Jul 2021 08:32 GMT+3": GMT+3 means different offsets in different places; write the offset that it stands for, such as +02:00: time(replace(…, "GMT+3", "+02:00"), "02 Jan 2006 15:04 Z07:00")`},
		{"14 Jul 2021 08:32 UTC", "02 Jan 2006 15:04 MST", `"2021-07-14T08:32:00.000Z"`},
		{"14 Jul 2021 08:32 GMT", "02 Jan 2006 15:04 MST", `"2021-07-14T08:32:00.000Z"`},
		{"14 Jul 2021 08:32 Z", "02 Jan 2006 15:04 Z07:00", `"2021-07-14T08:32:00.000Z"`},
		{"14 Jul 2021 08:32 -0400 EDT", "02 Jan 2006 15:04 -0700 MST", `"2021-07-14T12:32:00.000Z"`},
		{"14 Jul 2021 08:32", "02 Jan 2006 15:04", `"2021-07-14T08:32:00.000Z"`},
	}
	for _, zone := range []*time.Location{time.UTC, loadZone(t, "America/New_York"), loadZone(t, "Europe/London")} {
		time.Local = zone
		for _, tt := range tests {
			if got := evaluate(fmt.Sprintf("time(%q, %q)", tt.text, tt.layout), d); got != tt.want {
				t.Errorf("%s on a machine in %s\n got %s\nwant %s", tt.text, zone, got, tt.want)
			}
		}
		// As elements of lists, times are compared with all that they have.
		if got := evaluate(`[time("2021-07-14T08:32:00-04:00", "2006-01-02T15:04:05Z07:00")] == [time("2021-07-14T12:32:00Z", "2006-01-02T15:04:05Z07:00")]`, d); got != "true" {
			t.Errorf("equal times in lists on a machine in %s: %s", zone, got)
		}
	}
}

func loadZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return zone
}
