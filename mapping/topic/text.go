package topic

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is the most that a text of MQTT may have. MQTT 5, 1.5.4: it has a two-byte length.
const MaxBytes = 65535

// CheckText says what no text of MQTT may hold, be it a topic, a client id or a user name: the
// first character for which a broker may end the connection (MQTT 5, 1.5.4), or too many bytes.
// nil: every broker takes it. Message goes on from a subject: "has a line end".
func CheckText(text string) *Mistake {
	offset := 0 // in characters
	for i, r := range text {
		if m := checkRune(text[i:], r); m != nil {
			m.Offset, m.Width = offset, 1
			return m
		}
		offset++
	}
	if len(text) > MaxBytes {
		return &Mistake{Width: 1, Message: fmt.Sprintf("has %d bytes, and MQTT takes at most %d", len(text), MaxBytes), Hint: "write a shorter one"}
	}
	return nil
}

// checkRune says what is wrong with r, with which rest begins.
func checkRune(rest string, r rune) *Mistake {
	switch {
	case r == '\n' || r == '\r':
		return &Mistake{Message: "has a line end", Hint: "write it on one line, without | or > before it"}
	case r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD"):
		return &Mistake{Message: "has a byte that is not UTF-8", Hint: "write it in UTF-8"}
	case unicode.Is(unicode.Cc, r):
		return &Mistake{Message: fmt.Sprintf("has the control character %U", r), Hint: "remove it"}
	case r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
		return &Mistake{Message: fmt.Sprintf("has %U, which is not a character", r), Hint: "remove it"}
	}
	return nil
}

// Blank says where a level of a topic begins or ends with white space, which is part of its name;
// nil: nowhere.
func Blank(text string) *Mistake {
	offset := 0
	for level := range strings.SplitSeq(text, "/") {
		if trimmed := strings.TrimSpace(level); trimmed != level {
			return &Mistake{
				Offset: offset, Width: max(1, utf8.RuneCountInString(level)),
				Message: "has a blank at the edge of a level, where it is part of the topic", Hint: "remove it, unless the publisher writes it too",
			}
		}
		offset += utf8.RuneCountInString(level) + 1
	}
	return nil
}
