package contract_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/mitchellh/mapstructure"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/instant"
)

const (
	idA = "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
	idB = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22"
	idC = "0f0e5b1c-6a0d-4c55-9b3e-2f6f2d1c9a77"
)

// BenchmarkTyped converts the seven values of a message: to the JSON of its payload as Map does, and,
// for comparison, to a struct by mapstructure with decode hooks, which is no JSON yet.
func BenchmarkTyped(b *testing.B) {
	values := chatValues(idA, idB, idC)
	b.Run("fields", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := appendMessage(values); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("mapstructure", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := decodeMessage(values); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// chatValues are what the expressions of a message's fields gave, in the order of the fields.
func chatValues(conversation, channel, id string) map[string]any {
	return map[string]any{
		"conversation_id": conversation, "channel_id": channel,
		"message": map[string]any{
			"id": id, "content": `{"text":"Where is my order?"}`, "delivery_state": "DELIVERED", "sender_type": "source_contact",
			"sent_at": int64(1611741600000),
		},
	}
}

// appendMessage puts a message together by its fields.
func appendMessage(values map[string]any) (err error) {
	inner := values["message"].(map[string]any)
	body := make([]byte, 0, 512)
	for i := range benchShape.Fields {
		f := &benchShape.Fields[i]
		v, ok := values[f.Name]
		if !ok {
			v = inner[f.Name[len("message."):]]
		}
		if body, err = f.Append(body, v); err != nil {
			return err
		}
	}
	return nil
}

var benchShape = contract.ShapeOf(contract.QueueMessage)

// decodeMessage fills the same fields by mapstructure.
func decodeMessage(values map[string]any) error {
	var m struct {
		ConversationID uuid.UUID `mapstructure:"conversation_id"`
		ChannelID      uuid.UUID `mapstructure:"channel_id"`
		Message        struct {
			ID            uuid.UUID `mapstructure:"id"`
			Content       string    `mapstructure:"content"`
			DeliveryState string    `mapstructure:"delivery_state"`
			SenderType    string    `mapstructure:"sender_type"`
			SentAt        time.Time `mapstructure:"sent_at"`
		} `mapstructure:"message"`
	}
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{ErrorUnused: true, Result: &m, DecodeHook: convertHook})
	if err != nil {
		return err
	}
	return d.Decode(values)
}

func convertHook(_, to reflect.Type, v any) (any, error) {
	switch to {
	case reflect.TypeFor[uuid.UUID]():
		return uuid.Parse(v.(string))
	case reflect.TypeFor[time.Time]():
		return instant.Of(v)
	}
	return v, nil
}
