package payload

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping/value"
)

// maxFields is how many fields a form has at most.
const maxFields = 10_000

// decodeForm decodes application/x-www-form-urlencoded: the object of the fields, each a text, or a
// list of texts where the key comes several times.
func decodeForm(payload []byte) (value.Document, error) {
	if err := value.CheckText(payload); err != nil {
		return value.Document{}, err
	}
	text := strings.TrimRight(string(value.WithoutMark(payload)), "\r\n")
	if n := strings.Count(text, "&") + 1; n > maxFields {
		return value.Document{}, value.Refuse("too many fields", "is a form of %d fields; at most %d are decoded", n, maxFields)
	}
	form := map[string]any{}
	for field := range strings.SplitSeq(text, "&") {
		if field == "" {
			continue
		}
		key, text, _ := strings.Cut(field, "=")
		key, err := unescape("a key", key)
		if err != nil {
			return value.Document{}, err
		}
		text, err = unescape("the value of "+value.Quote(key), text)
		if err != nil {
			return value.Document{}, err
		}
		switch before := form[key].(type) {
		case nil:
			form[key] = text
		case string:
			form[key] = []any{before, text}
		case []any:
			form[key] = append(before, text)
		}
	}
	return value.Document{Value: form}, nil
}

func unescape(what, text string) (string, error) {
	plain, err := url.QueryUnescape(text)
	switch {
	case err != nil:
		return "", value.Refuse("not a form", "is not a form: %s has the %v; %% is written %%25", what, err)
	case !utf8.ValidString(plain):
		return "", value.Refuse("not a form", "is not a form in UTF-8: %s is %s", what, value.Quote(plain))
	}
	return plain, nil
}
