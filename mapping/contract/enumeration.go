package contract

import (
	"fmt"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/value"
)

// An enumeration is a closed set of texts. Any letter case is accepted; the document's is sent.
type enumeration []string

var (
	deliveryStates = enumeration{"PENDING", "FAILED", "DELIVERED"}
	senderTypes    = enumeration{"source_contact", "source_user", "app_user"}
)

func (e enumeration) String() string { return strings.Join(e, ", ") }

func (e enumeration) convert(v any) (string, error) {
	text, ok := value.String(v)
	if !ok {
		return "", value.Refuse("not one of the values", "%s is not one of %s", value.TypeName(v), e)
	}
	if slices.Contains(e, text) {
		return text, nil
	}
	for _, value := range e {
		if strings.EqualFold(text, value) {
			return value, nil
		}
	}
	meant := ""
	if near := spelling.Nearest(text, e); near != "" {
		meant = fmt.Sprintf("; did you mean %s?", near)
	}
	return "", value.Refuse("not one of the values", "%s is not one of %s%s", value.Quote(text), e, meant)
}
