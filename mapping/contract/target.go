package contract

import (
	"strconv"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/value"
)

// A Target is the type of a field. It converts what a rule gives, and refuses what does not fit.
type Target struct {
	Wants   string                 // for messages: a UUID
	Convert func(any) (any, error) // as Field.Set does, for values that are known at load
	Fits    value.Types            // the types that Convert may accept
	Hint    string                 // what to do about a text that does not fit
}

var (
	uuidTarget = &Target{
		Wants: "a UUID", Convert: Checked(toUUID), Fits: value.TypeText,
		Hint: `an id of another kind becomes a UUID by =uuid("a name for this kind of id", …)`,
	}
	timeTarget = &Target{
		Wants: "a time", Convert: Checked(toTime), Fits: value.TypeText | value.TypeNumber | value.TypeTime,
		Hint: "an expression starts with =, such as =payload.ts or =received",
	}
	countTarget = &Target{
		Wants: "a whole number", Convert: Checked(toCount), Fits: value.TypeText | value.TypeNumber,
		Hint: "an expression starts with =, such as =payload.unread",
	}
	deliveryTarget = &Target{Wants: "one of " + deliveryStates.String(), Convert: Checked(deliveryStates.convert), Fits: value.TypeText}
	senderTarget   = &Target{Wants: "one of " + senderTypes.String(), Convert: Checked(senderTypes.convert), Fits: value.TypeText}
	textTarget     = &Target{Wants: "text", Convert: Checked(value.Text), Fits: value.TypeText | value.TypeWhole}
)

// ContentTarget is the type of a content: what is not text becomes its JSON text.
var ContentTarget = &Target{Wants: "text or an object", Convert: Checked(toContent), Fits: value.TypeSomething}

// Checked makes a Target's Convert of a conversion to T.
func Checked[T any](convert func(any) (T, error)) func(any) (any, error) {
	return func(v any) (any, error) { return convert(v) }
}

func toUUID(v any) (uuid.UUID, error) {
	text, ok := value.String(v)
	if !ok {
		return uuid.UUID{}, value.Refuse("not a UUID",
			`%s is not a UUID; derive one with uuid("a name for this kind of id", …)`, value.TypeName(v))
	}
	// Of 38 characters google/uuid looks only at those between the first and the last.
	braced := len(text) != 38 || text[0] == '{' && text[37] == '}'
	if u, err := uuid.Parse(text); err == nil && braced {
		return u, nil
	}
	return uuid.UUID{}, value.Refuse("not a UUID", `%s is not a UUID; derive one with uuid("a name for this kind of id", …)`,
		value.Quote(text))
}

func toCount(v any) (int64, error) {
	if text, ok := value.String(v); ok {
		if n, err := strconv.ParseUint(text, 10, 63); err == nil {
			return int64(n), nil
		}
		return 0, value.Refuse("not a count", "%s is not a whole number of 0 or more", value.Quote(text))
	}
	n, ok := value.Number(v)
	if !ok {
		return 0, value.Refuse("not a count", "%s is not a whole number", value.TypeName(v))
	}
	if i, ok := value.Whole(n); ok && i >= 0 {
		return i, nil
	}
	return 0, value.Refuse("not a count", "%v is not a whole number of 0 or more", n)
}

// toContent returns text as it is, bytes as the text that they are, and the JSON text of anything else.
func toContent(v any) (string, error) {
	switch v.(type) {
	case string, value.Bytes:
		return value.Text(v)
	}
	b, err := value.AppendJSON(nil, v)
	return string(b), err
}
