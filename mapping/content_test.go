package mapping_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A key that ends in ? is left out if it has no value, wherever the object stands.
func TestOptionalKeys(t *testing.T) {
	const some = `{"a":1,"b":"","l":[null,2],"o":{"x":false}}`
	tests := []struct {
		name, content, payload string
		want                   string
	}{
		{"there", "{a?: =payload.a}", some, `{"a":1}`},
		{"not there", "{a?: =payload.z}", some, `{}`},
		{"null", "{a?: =payload.n}", `{"n":null}`, `{}`},
		{"empty text is a value", "{b?: =payload.b}", some, `{"b":""}`},
		{"first of three", "{y?: =payload.y, a: =payload.a, z?: =payload.z}", some, `{"a":1}`},
		{"last of three", "{y?: =payload.y, z: text, a?: =payload.a}", some, `{"z":"text","a":1}`},
		{"between", "{a: =payload.a, y?: =payload.y, b: 2, c: 3}", some, `{"a":1,"b":2,"c":3}`},
		{"all", "{y?: =payload.y, z?: =payload.z}", some, `{}`},
		{"none missing", "{a?: =payload.a, b?: =payload.b, l?: =payload.l}", some, `{"a":1,"b":"","l":[null,2]}`},
		{"behind an empty object", "{o: {}, a?: =payload.a}", some, `{"o":{},"a":1}`},
		{"a text that ends in {", "{t: '{', a?: =payload.a}", some, `{"t":"{","a":1}`},
		{"nested", "{x?: =payload.x, o: {y?: =payload.y, a?: =payload.a, p: {z?: =payload.z}}, b: 1}", some, `{"o":{"a":1,"p":{}},"b":1}`},
		{"in lists", "[{y?: =payload.y}, {a?: =payload.a, c: [{z?: =payload.z, d: 1}]}, x]", some, `[{},{"a":1,"c":[{"d":1}]},"x"]`},
		{"without ? it is null", "{y: =payload.y, z?: =payload.z}", some, `{"y":null}`},
		{"a name that ends in ?", "{a??: =payload.y, b???: =payload.z, c???: =payload.a, d????: 1}", some, `{"a?":null,"c?":1,"d??":1}`},
		{"? within a name", "{a?b: 1, ?c: 2}", some, `{"a?b":1,"?c":2}`},
		{"quoted", `{"a?": =payload.z, 'b?': =payload.b}`, some, `{"b":""}`},
		{"null that is written", "{a: null, b: ~}", some, `{"a":null,"b":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mapper(t, `rules: [{name: r, topic: t, queue: /queue/message, fields: {conversation_id: `+idA+`, channel_id: `+idA+`, message: {
    id: `+idA+`, delivery_state: PENDING, sender_type: app_user, content: `+tt.content+`}}}]`)
			result := m.Map(event("t", tt.payload))
			if len(result.Outputs) != 1 {
				t.Fatalf("result %+v", result)
			}
			var body struct{ Message struct{ Content string } }
			if err := json.Unmarshal(result.Outputs[0].Body, &body); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, body.Message.Content); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}
