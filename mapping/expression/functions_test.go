package expression_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping/expression"
)

// Every function has a line in the reference, and its example gives what it says.
func TestReferenceExamples(t *testing.T) {
	d := decode(t, expression.ExamplePayload)
	var documented []string
	for _, section := range expression.Reference() {
		for _, doc := range section.Docs {
			for usage := range strings.FieldsFuncSeq(doc.Usage, func(r rune) bool { return r == ')' }) {
				documented = append(documented, strings.TrimSpace(usage[:strings.IndexByte(usage, '(')]))
			}
			if got := evaluate(doc.Example, d); got != doc.Result {
				t.Errorf("%s\n got %s\nwant %s", doc.Example, got, doc.Result)
			}
		}
	}
	slices.Sort(documented)
	if all := expression.Functions(); !slices.Equal(documented, all) {
		t.Errorf("documented %v\nfunctions  %v", documented, all)
	}
}

func TestMoreFunctions(t *testing.T) {
	d := decode(t, `{"s": "Straße", "n": 5, "one": 1.0, "f": 2.5, "big": 18446744073709551615, "yes": true, "nothing": null, "list": [3, 1, 2], "texts": ["b", "a"],
		"nested": [1, [2, [3, []]]], "o": {"a": 1, "b": {"c": 2}}, "b64": "_-8", "std": "/+8=", "hex": "FFef00", "text64": "SGVscCDwn5iA", "epoch": 1611741600,
		"rooms": [{"people": [{"x": 1}]}, {"people": []}, {}], "zone": "Europe/Berlin", "mixed": [1, "a"], "layouts": ["2006-01-02", "02.01.2006"], "bits": [1, 255], "bad": [256]}`)
	for _, tt := range []struct{ expression, want string }{
		// Text.
		{`trim("xxaxx", "x")`, `"a"`},
		{`trim(payload.x, "x")`, `null`},
		{`split("a,b,c", ",", 2)`, `["a","b,c"]`},
		{`split("a,b,c", ",", 1)`, `["a,b,c"]`},
		{`split("a,b", ",", payload.one)`, `["a,b"]`},
		{`split("a,b", ",", 0)`, `rejected: split: the limit is a whole number of 1 or more, not 0`},
		{`split("a,b", ",", payload.f)`, `rejected: split: the limit is a whole number of 1 or more, not 2.5`},
		{`split("a,b", ",", payload.s)`, `rejected: split: the limit is a whole number of 1 or more, not text`},
		{`split("a,b", ",", payload.x)`, `null`},
		{`capture("room-17", "^([a-z]+)-([0-9]+)$")`, `["room","17"]`},
		{`capture("room-17", "(?P<kind>[a-z]+)-(?P<no>[0-9]+)").no`, `"17"`},
		{`capture("room-", "([a-z]+)-([0-9]+)?")`, `["room",null]`},
		{`capture("room", "([0-9]+)")`, `null`},
		{`capture(payload.x, "([0-9]+)")`, `null`},
		{`capture(payload.n, "([0-9]+)")`, `rejected: capture takes text, not a number`},
		{`capture("a", payload.s)`, `load: capture takes a pattern that is written in the rule`},
		{`capture("a", "(")`, "load: the pattern is not a regular expression: missing closing ): `(`"},
		{`capture("a", "a")`, `load: the pattern has no group`},
		{`format("%d %5.1f|%-4s|%t|%v %%", payload.n, payload.f, "ab", payload.yes, payload.f)`, `"5   2.5|ab  |true|2.5 %"`},
		{`format("%08x", payload.big)`, `"ffffffffffffffff"`},
		{`format("%d", payload.one)`, `"1"`},
		{`format("%f", payload.n)`, `"5.000000"`},
		{`format("%d", payload.x)`, `null`},
		{`format("%d", payload.s)`, `rejected: format: %d takes a whole number of 64 bits, not text; write int(…)`},
		{`format("%d", payload.f)`, `rejected: format: %d takes a whole number of 64 bits, not a number`},
		{`format("%f", payload.s)`, `rejected: format: %f takes a number, not text; write float(…)`},
		{`format("%s", payload.list)`, `rejected: format: %s takes text or a whole number, not a list`},
		{`format("%t", payload.s)`, `rejected: format: %t takes true or false, not text`},
		{`format("%v", payload.o)`, `rejected: format: %v takes one value, not an object`},
		{`format("%y", 1)`, `load: "%y" is not a verb of format`},
		{`format("%*d", 1)`, `load: "%*" is not a verb of format`},
		{`format("%[1]d", 1)`, `load: "%[" is not a verb of format`},
		{`format("%0065d", 1)`, `load: "%0065" asks for more than 64 characters`},
		{`format("%.65f", 1)`, `load: "%.65" asks for more than 64 characters`},
		{`format("%99999999999999999999d", 1)`, `load: "%99999999999999999999" asks for more than 64 characters`},
		{`format("100%", 1)`, `load: "%" has no letter behind it`},
		{`format("%d %d", 1)`, `load: format: the number of values is 1, and the format asks for 2`},
		{`format(payload.s + "%d %d", 1)`, `rejected: format: the number of values is 1, and the format asks for 2`},
		{`format(payload.s + "%y", 1)`, `rejected: format: "%y" is not a verb of format`},
		{`format(payload.s + " %d", 1)`, `"Straße 1"`},
		{`format(payload.n, 1)`, `rejected: format takes text as its format, not a number`},

		// Numbers.
		{`[floor(-2.5), ceil(-2.5), floor("2.5"), ceil(payload.n)]`, `[-3,-2,2,5]`},
		{`floor(payload.x)`, `null`},
		{`floor(payload.s)`, `rejected: "Straße" is not a number`},
		{`[abs(-3), abs(2.5), abs(-payload.f)]`, `[3,2.5,2.5]`},
		{`abs(payload.s)`, `rejected: abs takes a number, not text`},
		{`[min(3, 1, 2), max(payload.list), min(1, payload.f), max([2.5])]`, `[1,3,1,2.5]`},
		{`min(1, payload.x)`, `null`},
		{`max([])`, `null`},
		{`min(payload.s, 1)`, `rejected: min takes numbers, not text`},
		{`[sum(payload.list), sum([]), sum([1, 0.5])]`, `[6,0,1.5]`},
		{`sum(payload.texts)`, `rejected: sum: element 0 is text, not a number`},
		{`sum(payload.n)`, `rejected: sum takes a list of numbers, not a number`},
		{`payload.list[payload.one]`, `1`},
		{`string(payload.one) + uuid("k", payload.one)`, `"1afbf2c4a-dd97-584e-b915-2fb9b20dfa3c"`},
		{`uuid("k", payload.one) == uuid("k", "1")`, `true`},
		{`table.state[payload.one]`, `"one"`},

		{`b"x"`, `load: b"…" is not a value of rules`},

		// Bits.
		{`[bitand(payload.n, 4), bitor(payload.n, 2), bitxor(payload.n, 1), bitnot(payload.n), bitshl(payload.n, 2), bitshr(payload.n, 1)]`, `[4,7,4,-6,20,2]`},
		{`[bitand(payload.one, 1), bitand(2 ** 3, 12), bitand(0xff, 0b11), bitand(-1, 0x0f)]`, `[1,8,3,15]`},
		{`[bitshl(1, 62), bitshl(1, 63), bitshl(3, 63), bitshr(-8, 1), bitshr(-1, 63), bitshr(1, 0)]`, `[4611686018427387904,-9223372036854775808,-9223372036854775808,-4,-1,1]`},
		{`[bitand(payload.big, 255), bitshr(payload.big, 63), bitnot(payload.big), bitor(payload.big, 1), bitand(-1, payload.big)]`, `[255,1,0,18446744073709551615,18446744073709551615]`},
		{`[bitand(payload.x, 1), bitor(1, payload.x), bitnot(payload.x), bitshl(payload.x, 1), bitshr(1, payload.x)]`, `[null,null,null,null,null]`},
		{`bitand(payload.n, 4) != 0 and bitand(payload.n, 2) == 0`, `true`},
		{`payload.n | bitand(4)`, `4`},
		{`bitand(payload.f, 1)`, `rejected: bitand takes whole numbers of 64 bits, not 2.5; write int(…)`},
		{`bitor(1, payload.s)`, `rejected: bitor takes whole numbers of 64 bits, not text; write int(…)`},
		{`bitxor(1, payload.yes)`, `rejected: bitxor takes whole numbers of 64 bits, not true or false; write int(…)`},
		{`bitnot(payload.list)`, `rejected: bitnot takes whole numbers of 64 bits, not a list; write int(…)`},
		{`bitnot(payload.big * 2)`, `rejected: bitnot takes whole numbers of 64 bits, not 36893488147419103000; write int(…)`},
		{`bitshl(payload.s, 1)`, `rejected: bitshl takes whole numbers of 64 bits, not text; write int(…)`},
		{`bitshl(1, 64)`, `rejected: bitshl: the places are a whole number from 0 to 63, not 64`},
		{`bitshr(1, -1)`, `rejected: bitshr: the places are a whole number from 0 to 63, not -1`},
		{`bitshr(1, payload.f)`, `rejected: bitshr: the places are a whole number from 0 to 63, not 2.5`},
		{`bitshr(1, payload.s)`, `rejected: bitshr: the places are a whole number from 0 to 63, not text`},
		{`bitand("1", 1)`, `load: bitand takes a number here, not text`},
		{`bitand(1, nil)`, `load: bitand takes a number here, not nil`},
		{`payload.n ^ 2`, `load: ^ is not an operator of rules`},
		{`"a" ^ 2`, `load: ^ is not an operator of rules`},

		// Lists.
		{`sort(payload.list)`, `[1,2,3]`},
		{`sort(payload.texts)`, `["a","b"]`},
		{`sort(payload.x)`, `null`},
		{`sort([nil, 1])`, "rejected: sort takes numbers, texts or times, and element 0 is nothing"},
		{`string(-1 * 0.0) + format("%v", -1 * 0.0)`, `"00"`},
		{`sort(payload.mixed)`, `rejected: sort: element 1 is text, and element 0 is a number`},
		{`sort(payload.s)`, `rejected: sort takes a list, not text`},
		{`flatten(payload.nested)`, `[1,2,3]`},
		{`flatten(payload.x)`, `null`},
		{`flatten(payload.s)`, `rejected: flatten takes a list, not text`},
		{`len(flatten(map(payload.rooms, .people)))`, `2`},
		{`any(payload.rooms, any(.people, .x == 1))`, `true`},
		{`filter(payload.rooms, none(.people, .x == 1))`, `[{"people":[]},{}]`},
		{`map(payload.rooms, {"n": len(.people), "o": {"a": #index}})`, `[{"n":1,"o":{"a":0}},{"n":0,"o":{"a":1}},{"n":null,"o":{"a":2}}]`},
		{`payload.list | map({"a": #}) | first()`, `{"a":3}`},
		{`map(payload.list, {})`, `[{},{},{}]`},
		{`map(payload.list, {# + 1})`, `[4,2,3]`},
		{`map(payload.list, {let x = #; x > 1 ? "a" : "b"})`, `["a","b","a"]`},
		{`map(payload.texts, {(#): 1, "k{": 2})`, `[{"b":1,"k{":2},{"a":1,"k{":2}]`},
		{`any(payload.a, any(.b, any(.c, true)))`, `load: a condition over a list may contain another one, but that may not contain a third`},

		// Objects and JSON.
		{`pick(payload.o, "a", "z")`, `{"a":1}`},
		{`pick(payload.o, ["b"])`, `{"b":{"c":2}}`},
		{`omit(payload.o, "a", payload.x)`, `{"b":{"c":2}}`},
		{`omit(payload.x, "a")`, `null`},
		{`omit(payload.list, "a")`, `rejected: omit takes an object and keys, not a list`},
		{`pick(payload.o, payload.o)`, `rejected: pick takes text as a key, not an object`},
		{`merge(payload.o, {"a": 2}, payload.x)`, `{"a":2,"b":{"c":2}}`},
		{`merge(payload.x, payload.y)`, `null`},
		{`merge(payload.o, payload.s)`, `rejected: merge takes objects, not text`},
		{`[payload.o.a, merge(payload.o, {"a": 2}).a, payload.o.a]`, `[1,2,1]`},
		{`fromJSON("{\"a\": [1]}").a[0]`, `1`},
		{`fromJSON("{")`, `rejected: fromJSON: the text is not JSON: unexpected end of JSON input`},
		{`fromJSON(payload.n)`, `rejected: fromJSON takes text, not a number`},

		// Bytes.
		{`fromBase64(payload.text64)`, `"Help 😀"`},
		{`[fromBase64("SGk"), fromBase64("SGk="), fromBase64("SG\nk=\n"), fromBase64("")]`, `["Hi","Hi","Hi",""]`},
		{`[toHex(fromBase64(payload.b64)), toHex(fromBase64(payload.std))]`, `["ffef","ffef"]`},
		{`fromBase64(payload.b64)`, `"/+8="`},
		{`fromBase64("S*")`, `rejected: fromBase64: "S*" is not base64`},
		{`fromBase64(payload.n)`, `rejected: fromBase64 takes text, not a number`},
		{`fromBase64(payload.x)`, `null`},
		{`toBase64(payload.s)`, `"U3RyYcOfZQ=="`},
		{`toBase64(payload.n)`, `rejected: toBase64 takes bytes or text, not a number`},
		{`toHex(payload.x)`, `null`},
		{`fromHex("4869")`, `"Hi"`},
		{`fromHex("486")`, `rejected: fromHex: "486" is not hexadecimal`},
		{`toHex(bytes(fromHex(payload.hex))[1:])`, `"ef00"`},
		{`[len(bytes(payload.s)), len(payload.s)]`, `[7,6]`},
		{`bytes(payload.s)[0:4]`, `"U3RyYQ=="`},
		{`toHex(bytes(payload.bits))`, `"01ff"`},
		{`bytes(payload.bad)`, `rejected: bytes: element 0 is not a whole number from 0 to 255`},
		{`bytes(payload.n)`, `rejected: bytes takes text, bytes or a list of numbers, not a number`},
		{`bytes(payload.x)`, `null`},
		{`upper(fromHex("ff"))`, `rejected: upper takes text, not bytes`},
		{`string(fromHex("ff"))`, `rejected: these 1 bytes are not UTF-8 text; write toBase64(…) or toHex(…)`},
		{`upper(bytes("a")) + bytes("b")`, `"Ab"`},
		{`fromHex("ff") + "b"`, `rejected: + joins two texts or adds two numbers, not bytes and text; write toHex(…) or toBase64(…)`},
		{`[uint8(payload.s, 0), uint8("a", -1), int8(fromHex("ff"), 0)]`, `[83,97,-1]`},
		{`[uint16be(fromHex(payload.hex), 0), uint16le(fromHex(payload.hex), 0), int16be(fromHex(payload.hex), 0), int16le(fromHex("00ff"), 0)]`, `[65519,61439,-17,-256]`},
		{`let b = fromHex("ffeeddccbbaa9988"); [uint32be(b, 0), uint32le(b, 4), int32be(b, 0), int32le(b, 0)]`, `[4293844428,2291772091,-1122868,-857870593]`},
		{`let b = fromHex("ffeeddccbbaa9988"); [uint64be(b, 0), uint64le(b, 0), int64be(b, 0), int64le(b, 0)]`, `[18441921395520346504,9843086184167632639,-4822678189205112,-8603657889541918977]`},
		{`[float32be(fromHex("41ac0000"), 0), float32le(fromHex("0000ac41"), 0), float64be(fromHex("4035800000000000"), 0), float64le(fromHex("0000000000803540"), 0)]`, `[21.5,21.5,21.5,21.5]`},
		{`float32be(fromHex("7fc00000"), 0)`, `null`},
		{`[uint16be("a", 0), uint8("", 0), uint8("a", 1), uint8("a", -2), uint64be("abcd", 9007199254740992)]`, `[null,null,null,null,null]`},
		{`uint8(payload.x, 0)`, `null`},
		{`uint8("a", payload.x)`, `null`},
		{`uint8("a", payload.one - 1)`, `97`},
		{`uint8("a", payload.f)`, `rejected: uint8: the offset is a whole number, not 2.5`},
		{`uint8(payload.n, 0)`, `rejected: uint8 takes bytes or text, not a number`},

		// Times.
		{`time("2021-09-14T06:32Z")`, `"2021-09-14T06:32:00.000Z"`},
		{`time(payload.epoch)`, `"2021-01-27T10:00:00.000Z"`},
		{`time("27.01.2021")`, `rejected: time: "27.01.2021" has no time zone; give the layout and the zone: time(…, "02.01.2006", "Europe/Berlin")`},
		{`time("27.07.2021", "02.01.2006", "Europe/Berlin")`, `"2021-07-26T22:00:00.000Z"`},
		{`time("27.07.2021", "02.01.2006", payload.zone)`, `"2021-07-26T22:00:00.000Z"`},
		{`time("27.07.2021", ["2006-01-02", "02.01.2006"])`, `"2021-07-27T00:00:00.000Z"`},
		{`time("27.07.2021", payload.layouts, "Europe/Berlin")`, `"2021-07-26T22:00:00.000Z"`},
		{`time("27/07/2021", payload.layouts)`, `rejected: time: "27/07/2021" has none of the 2 layouts`},
		{`time("27.07.2021 CET", ["2006", "02.01.2006 MST"])`, `rejected: time: "27.07.2021 CET": CET means different offsets in different places; name the place: time(…, "02.01.2006 MST", "Europe/Berlin")`},
		{`time("27.07.2021", payload.list)`, `rejected: time takes text and a layout, not text and a list`},
		{`time("27.07.2021", [])`, `rejected: time takes text and a layout, not text and a list`},
		{`time("27.07.2021", "02.01.2006", "Europe/Berln")`, `load: "Europe/Berln" is not a time zone`},
		{`time("27.07.2021", "02.01.2006", "Local")`, `load: "Local" is not a time zone`},
		{`time("27.07.2021", "02.01.2006", "")`, `load: "" is not a time zone`},
		{`time("27.07.2021", "02.01.2006", payload.s)`, `rejected: time: "Straße" is not a time zone; zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`},
		{`time("27.07.2021", "02.01.2006", payload.n)`, `rejected: time takes the name of a time zone, not a number`},
		{`time("27.07.2021", ["2006-01-02", "DD.MM.YYYY"])`, `load: the layout "DD.MM.YYYY" has no year, month or day in it`},
		{`time(payload.x)`, `null`},
		{`formatTime(received, "15:04 MST", "America/New_York")`, `"00:06 EST"`},
		{`formatTime("2021-07-27T10:00Z", "02.01.2006 15:04")`, `"27.07.2021 10:00"`},
		{`formatTime(payload.epoch, "2006", payload.zone)`, `"2021"`},
		{`formatTime(payload.s, "2006")`, `rejected: formatTime: "Straße" is not an ISO 8601 time; give the layout, which is how 2 January 2006, 15:04:05, would look: time(…, "2006-01-02 15:04:05")`},
		{`formatTime(payload.yes, "2006")`, `rejected: formatTime: true or false is not a time`},
		{`formatTime(received, payload.n)`, `rejected: formatTime takes a time and a layout, not a number`},
		{`formatTime(received, "YYYY")`, `load: the layout "YYYY" has no year, month or day in it`},
		{`formatTime(payload.x, "2006")`, `null`},
		{`time("31.06.2026", "02.01.2006")`, `rejected: time: "31.06.2026", read as "02.01.2006": there is no such day`},
		{`time("29.02.2026 10:00 +0100", ["2006-01-02", "02.01.2006 15:04 -0700"])`, `rejected: time: "29.02.2026 10:00 +0100", read as "02.01.2006 15:04 -0700": there is no such day`},
		{`time("27.13.2026", "02.01.2006", "Europe/Berlin")`, `rejected: time: "27.13.2026", read as "02.01.2006": there is no such month`},
		{`time("27.13.2026", ["02.01.2006", "01.02.2006"])`, `rejected: time: "27.13.2026", read as "02.01.2006": there is no such month`},
		{`time("06/27/2026", ["02/01/2006", "01/02/2006"])`, `"2026-06-27T00:00:00.000Z"`},
		{`time("2026-06-31T10:00:00Z")`, `rejected: time: "2026-06-31T10:00:00Z": there is no such day`},
		{`[seconds(received), seconds(payload.epoch), seconds("2021-01-27T10:00:00Z"), seconds("1611741600500")]`, `[1772600767.890123,1611741600,1611741600,1611741600.5]`},
		{`seconds(received) - seconds("2026-03-04T05:05:07.890123456Z") == 60`, `true`},
		{`time(seconds("2021-01-27T10:00:00Z") + 60)`, `"2021-01-27T10:01:00.000Z"`},
		{`seconds(payload.x)`, `null`},
		{`seconds(payload.s)`, `rejected: seconds: "Straße" is not an ISO 8601 time; give the layout, which is how 2 January 2006, 15:04:05, would look: time(…, "2006-01-02 15:04:05")`},
		{`seconds(payload.list)`, `rejected: seconds: a list is not a time`},
		{`int(received)`, `rejected: a time is not a number; write seconds(…)`},
		{`received > payload.hex`, `rejected: > compares two numbers, texts or times, not a time and text; write time(…)`},
		{`payload.epoch <= received`, `rejected: <= compares two numbers, texts or times, not a number and a time; write time(…)`},
		{`received - payload.epoch`, `rejected: - takes two numbers, not a time and a number; write seconds(…)`},
		{`received + payload.epoch`, `rejected: + takes two numbers, not a time and a number; write seconds(…)`},
		{`received + payload.s`, `rejected: + joins two texts or adds two numbers, not a time and text; write string(…)`},
		{`payload.o + payload.o`, `rejected: + joins two texts or adds two numbers, not an object and an object; write merge(a, b)`},

		// Rejecting.
		{`payload.x ?? reject("no x")`, `rejected: no x`},
		{`payload.s ?? reject("no s")`, `"Straße"`},
		{`payload.n > 3 ? reject("n is " + string(payload.n)) : 1`, `rejected: n is 5`},
		{`reject(payload.x)`, `rejected: the rule rejects this, and its reason has no value: payload has no "x"; it has: b64, bad, big, bits, epoch, f, hex, layouts and 14 more`},
		{`reject(payload.o)`, `rejected: string takes one value, not an object; write toJSON(…)`},
		{`reject(join(split(string(1000000000000000000), "0"), "` + strings.Repeat("ä", 30) + `"))`, "rejected: 1" + strings.Repeat("ä", 249) + "…"},

		// A variable may have the name of a function that is not called.
		{`let sum = 1; sum + 1`, `2`},
	} {
		if got := evaluate(tt.expression, d); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expression, got, tt.want)
		}
	}
}

// The whole language gives the same on machines in other zones, and on one that has none.
func TestOtherMachines(t *testing.T) {
	for _, env := range []string{"TZ=America/St_Johns", "TZ=Asia/Kolkata", "TZ=Nowhere/Land", "ZONEINFO=" + t.TempDir()} {
		cmd := exec.Command(os.Args[0], "-test.run", "^(TestExpressions|TestMoreFunctions|TestReferenceExamples|TestUUIDFunction|TestEqual)$")
		cmd.Env = append(os.Environ(), env)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", env, err, out)
		}
	}
}

// Mistakes and doubts behind an object keep their place.
func TestPlaceBehindObjects(t *testing.T) {
	text := `map(payload.ä, {"a": {"b": 1}}) == [payloud.x]`
	_, m := names().Parse(text)
	if m == nil || m.Offset != strings.Index(text, "payloud")-1 || m.Width != 7 {
		t.Errorf("%+v", m)
	}
	text = `map(payload.a, {"a": 1}) == fromHex("00")[1:2]`
	x := parse(t, text)
	if d := x.Doubts(); len(d) != 1 || d[0].Offset != strings.Index(text, "fromHex") || d[0].Width != 7 {
		t.Errorf("%+v", d)
	}
}

func TestMissingOfFunctions(t *testing.T) {
	for text, want := range map[string]string{
		`uint16be("abc", 2)`:                "3 bytes have no uint16be at 2",
		`float32le(fromHex("0000807f"), 0)`: "the float32le at 0 is not a number",
		`capture("abc", "([0-9])")`:         `"abc" does not match "([0-9])"`,
	} {
		var s expression.Scope
		s.Begin(decode(t, `{}`), nil)
		if v, err := parse(t, text).Eval(&s); v != nil || err != nil || s.Missing() != want {
			t.Errorf("%s: %v, %v, %q, want %q", text, v, err, s.Missing(), want)
		}
	}
}

func TestDoubts(t *testing.T) {
	for text, want := range map[string]string{
		`len(fromBase64(payload.x))`:                "fromBase64",
		`let b = fromHex(payload.x); b[0:2]`:        "fromHex",
		`len(bytes(fromBase64(payload.x)))`:         "",
		`uint8(fromBase64(payload.x), 0)`:           "",
		`let b = bytes(fromHex(payload.x)); b[0:2]`: "",
	} {
		d := parse(t, text).Doubts()
		if len(d) > 1 || (len(d) == 1) != (want != "") || want != "" && d[0].Hint != "to count bytes always, write bytes("+want+"(…))" {
			t.Errorf("%s: %+v", text, d)
		}
	}
}

// What the functions give is bounded, whatever they are given.
func TestBounds(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	d := data{payload: map[string]any{"long": long, "b64": base64.StdEncoding.EncodeToString([]byte(long)), "list": slices.Repeat([]any{any(int64(1))}, 1001),
		"lists": slices.Repeat([]any{slices.Repeat([]any{any(int64(1))}, 900)}, 900)}}
	for expression, want := range map[string]string{
		`toBase64(payload.long)`:                  "rejected: toBase64 gives more than 1048576 bytes",
		`toHex(payload.long)`:                     "rejected: toHex gives more than 1048576 bytes",
		`flatten(payload.list)`:                   "rejected: flatten gives more than 1000 elements",
		`sort(payload.list)`:                      "rejected: sort goes through 1001 elements; at most 1000 are allowed",
		`format("%s%s", payload.long, "b")`:       "rejected: format gives more than 1048576 bytes",
		`formatTime(received, payload.long)`:      "rejected: formatTime: the layout has more than 1000 bytes",
		`time(payload.b64, payload.long)`:         "rejected: time: \"" + strings.Repeat("YWFh", 20) + "…\" does not have the layout \"" + strings.Repeat("a", 80) + "…\"",
		`all(payload.lists, all(#, # == 1))`:      "rejected: the rule does too much work on this event",
		`capture(payload.long, "(a{1,500}){2}b")`: "rejected: the rule does too much work on this event",
	} {
		if got := evaluate(expression, d); got != want {
			t.Errorf("%s\n got %.200s\nwant %s", expression, got, want)
		}
	}
}
