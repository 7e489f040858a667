package payload_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/value"
)

// maxGrowth is how many bytes of memory a decoder may take for a payload, less than JSON takes for
// one of value.MaxPayload that is all objects.
const maxGrowth = 48 << 20

// allocated returns how many bytes f takes in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a payload claims, or holds in as few bytes as can be, does not make a decoder take more
// than maxGrowth; a small payload makes it take little.
func TestMemory(t *testing.T) {
	full := func(piece string) string { return strings.Repeat(piece, value.MaxPayload/len(piece)) }
	for name, payloads := range map[string][]string{
		"cbor": {
			"\x9a\xff\xff\xff\xff\x01", "\x9b\x00\x00\x00\xff\xff\xff\xff\xff\x01", "\x5a\xff\xff\xff\xff\x01", "\xba\xff\xff\xff\xff\x01",
			full("\x80"), full("\xa0"), full("\x9f"), full("\xbf"), full("\x9a\x00\x01\x00\x00"), "\x9a\x00\x01\x00\x00" + full("\x80"),
			"\x9f" + full("\xa1\x00\x00"), "\x99\xaa\xaa" + strings.Repeat("\xa1\x00\x00", 0xaaaa), "\x99\xaa\xaa" + strings.Repeat("\xa1\x60\x00", 0xaaaa),
			"\x5f" + full("\x40"), "\x7f" + full("\x60"), full("\xc2"),
		},
		"msgpack": {
			"\xdd\xff\xff\xff\xff\x01", "\xdf\xff\xff\xff\xff\x01", "\xc6\xff\xff\xff\xff\x01", "\xdb\xff\xff\xff\xff\x01", "\xc9\xff\xff\xff\xff\x01",
			full("\x90"), full("\x80"), full("\x91"), full("\xdd\x00\x01\x00\x00"), full("\xdf\x00\x01\x00\x00"), full("\xdc\xff\xff"),
			"\xdd\x00\x01\xff\xff" + full("\x90"), "\xdc\xaa\xaa" + strings.Repeat("\x81\x00\x00", 0xaaaa), "\xdc\xff\xff" + full("\xa1\xff"),
		},
		"form": {full("&"), full("a&"), strings.Repeat("abc&", 9_999), full("%41")},
		"csv":  {full(","), full("\n"), full("a\n"), full(`"",`), full(`"`)},
	} {
		e := named(t, name)
		for _, p := range payloads {
			n := allocated(func() { e.Decode([]byte(p)) })
			if t.Logf("%s %.12q, %d bytes: %d KiB", name, p, len(p), n>>10); n > maxGrowth || len(p) < 100 && n > 1<<20 {
				t.Errorf("%s: %.20q of %d bytes takes %d bytes", name, p, len(p), n)
			}
		}
	}
}

// fuzzDecoder decodes what comes. Nothing may panic, what is decoded has JSON text, and anything
// else is a refusal of the payload.
func fuzzDecoder(f *testing.F, e *payload.Encoding, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		d, err := e.Decode(bytes)
		if err != nil {
			if r, ok := err.(*value.Refusal); !ok || !r.Payload || r.Kind == "" || r.Reason == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		text, err := value.AppendJSON(nil, d.Value)
		if value.KindOf(err) == "too large" && len(bytes) > value.MaxText/16 {
			return
		}
		if err != nil || !json.Valid(text) {
			t.Fatalf("%v has the JSON text %s, %v", d.Value, text, err)
		}
		if d.Raw != "" && !json.Valid([]byte(d.Raw)) {
			t.Fatalf("%q is no JSON", d.Raw)
		}
		checkModel(t, d.Value)
	})
}

// checkModel fails for what is no value.
func checkModel(t *testing.T, v any) {
	switch v := v.(type) {
	case nil, bool, string, value.Bytes, int64, float64, json.Number, time.Time:
	case []any:
		for _, e := range v {
			checkModel(t, e)
		}
	case map[string]any:
		for _, m := range v {
			checkModel(t, m)
		}
	default:
		t.Fatalf("%T is no value", v)
	}
}

func FuzzForm(f *testing.F) {
	fuzzDecoder(f, named(f, "form"), "a=1&a=%C3%BC+&b", "%", "\ufeff=&&=\r\n", "a=%ff")
}

func FuzzCSV(f *testing.F) {
	fuzzDecoder(f, payload.CSV{Header: true, Comma: ';'}.Encoding(), "a;b\n1;\"2\"\"\n\"\n", "\ufeff", "\"", "a;a\n", "a\n1;2")
}

func FuzzAuto(f *testing.F) {
	fuzzDecoder(f, named(f, "auto"), `{"a":1.0}`, "online", "\ufeff[NaN]", "-inf", `"inf`, "[\"nan\x01", `{"a":1,"a":2}`)
}

func FuzzLenientJSON(f *testing.F) {
	fuzzDecoder(f, payload.LenientJSON(), `{"a":nan,}`, "// x\n[1,/* */]", "\ufeff[-Infinity]", `["\"//",]`, `{"a":[{"b":-inf}]}`, "[,]")
}

func FuzzCBOR(f *testing.F) {
	fuzzDecoder(f, named(f, "cbor"), string(fromHex("a3626964016474657874626869627473c11a601139a0")), string(fromHex("bf61619f01f97e00ffff")),
		string(fromHex("82c249010000000000000000d825410a")), string(fromHex("a301616120616241636164")), string(fromHex("9affffffff01")))
}

func FuzzMessagePack(f *testing.F) {
	fuzzDecoder(f, named(f, "msgpack"), string(fromHex("83a2696401a474657874a26869a27473d6ff601139a0")), string(fromHex("92ca41aa6666cb7ff8000000000000")),
		string(fromHex("8301a161ffa162c40163a164")), string(fromHex("ddffffffff01")), string(fromHex("c70cff1dcd650000000000601139a0")))
}
