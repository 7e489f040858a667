package mapping

import (
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/mitchellh/mapstructure"
)

// AppendText is what writes the texts of a body.
var AppendText = appendText

// BreakRule makes the first field of the named rule panic for items whose index is item, as a fault of our own would.
func BreakRule(m *Mapper, name string, item int) {
	for _, r := range m.rules {
		if r.name == name {
			f := &r.fields[0]
			f.from = broken{f.from, item}
		}
	}
}

type broken struct {
	valueSource
	item int
}

func (b broken) value(s *scope) (any, error) {
	if s.index == b.item {
		panic("a value source that panics")
	}
	return b.valueSource.value(s)
}

// ChatValues are what the expressions of a message's fields gave, in the order of the fields.
func ChatValues(conversation, channel, id string) map[string]any {
	return map[string]any{
		"conversation_id": conversation, "channel_id": channel,
		"message": map[string]any{
			"id": id, "content": `{"text":"Where is my order?"}`, "delivery_state": "DELIVERED", "sender_type": "source_contact",
			"sent_at": int64(1611741600000),
		},
	}
}

// SetMessage fills a message by the setters of its fields.
func SetMessage(values map[string]any) error {
	p := new(message)
	inner := values["message"].(map[string]any)
	for i := range benchShape.fields {
		f := &benchShape.fields[i]
		v, ok := values[f.name]
		if !ok {
			v = inner[f.name[len("message."):]]
		}
		if err := f.set(p, v); err != nil {
			return err
		}
	}
	return nil
}

var benchShape = messageShape()

// DecodeMessage fills the same fields by mapstructure. The same converters refuse what mapstructure itself would take:
// it makes whole numbers of fractions, and zeros of nothing.
func DecodeMessage(values map[string]any) error {
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
		return toUUID(v)
	case reflect.TypeFor[time.Time]():
		return toTime(v)
	}
	return v, nil
}
