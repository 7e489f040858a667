package contract

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

// A Target is the type of a field. It converts what a rule gives, and refuses what does not fit.
type Target struct {
	Wants string      // for messages: a UUID
	Fits  value.Types // the types that Convert may accept
	Hint  string      // what to do about a text that does not fit

	// Convert appends the JSON of what v becomes. An error is a *value.Refusal, and what is appended
	// then means nothing.
	Convert func(b []byte, v any) ([]byte, error)

	// span does so for a span where it can; false: Convert must take the value.
	span func(b []byte, s value.Span) ([]byte, bool)
}

var (
	uuidTarget = &Target{
		Wants: "a UUID", Convert: Converts(toUUID, appendUUID), Fits: value.TypeText, span: spanUUID,
		Hint: `an id of another kind becomes a UUID by =uuid("a name for this kind of id", …)`,
	}
	timeTarget = &Target{
		Wants: "a time", Convert: Converts(toTime, value.AppendTime), Fits: value.TypeText | value.TypeNumber | value.TypeTime, span: spanTime,
		Hint: "an expression starts with =, such as =payload.ts or =received",
	}
	countTarget = &Target{
		Wants: "a whole number", Convert: Converts(toCount, appendCount), Fits: value.TypeText | value.TypeNumber, span: spanCount,
		Hint: "an expression starts with =, such as =payload.unread",
	}
	deliveryTarget = &Target{
		Wants: "one of " + deliveryStates.String(), Convert: Converts(deliveryStates.convert, appendPlain), Fits: value.TypeText,
		span: deliveryStates.span,
	}
	senderTarget = &Target{
		Wants: "one of " + senderTypes.String(), Convert: Converts(senderTypes.convert, appendPlain), Fits: value.TypeText,
		span: senderTypes.span,
	}
	textTarget = &Target{
		Wants: "text", Convert: Converts(value.Text, value.AppendText[string]), Fits: value.TypeText | value.TypeWhole, span: spanText,
	}
)

// ContentTarget is the type of a content: what is not text becomes its JSON text.
var ContentTarget = &Target{
	Wants: "text or an object", Convert: Converts(toContent, value.AppendText[string]), Fits: value.TypeSomething, span: spanContent,
}

// Converts makes a Target's Convert of a conversion to T, and of what appends a T.
func Converts[T any](convert func(any) (T, error), appendJSON func([]byte, T) []byte) func([]byte, any) ([]byte, error) {
	return func(b []byte, v any) ([]byte, error) {
		t, err := convert(v)
		if err != nil {
			return b, err
		}
		return appendJSON(b, t), nil
	}
}

// Check reports what Convert refuses.
func (t *Target) Check(v any) error {
	_, err := t.Convert(nil, v)
	return err
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

func appendUUID(b []byte, u uuid.UUID) []byte {
	b = hex.AppendEncode(append(b, '"'), u[0:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	b = hex.AppendEncode(append(b, '-'), u[10:16])
	return append(b, '"')
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

// appendPlain appends a text that needs no escapes.
func appendPlain(b []byte, text string) []byte { return append(append(append(b, '"'), text...), '"') }

func appendCount(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// toTime returns the time, whose year has four digits.
func toTime(v any) (time.Time, error) {
	t, err := instant.Of(v)
	if y := t.UTC().Year(); err == nil && (y < 0 || y > 9999) {
		err = value.Refuse("not a time", "the year %d does not have four digits", y)
	}
	return t, err
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
