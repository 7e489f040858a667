package source

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

const mark = "\uFEFF" // the byte order mark, which may begin a file

// fault returns the first place where data is no text that YAML can be written in; nil: there is
// none. It never quotes what stands there: that may be a part of a secret.
func fault(name string, data []byte) *Problem {
	if utf16(data) {
		return &Problem{File: name, Line: 1, Column: 1, Width: 1, Message: "the file is in UTF-16", Hint: "save it as UTF-8"}
	}
	text := strings.TrimPrefix(string(data), mark)
	for i, r := range text {
		message, hint := refuse(r, text[i:])
		if message == "" {
			continue
		}
		lines := Lines(text[:i])
		return &Problem{File: name, Line: len(lines), Column: utf8.RuneCountInString(lines[len(lines)-1]) + 1, Width: 1, Message: message, Hint: hint}
	}
	return nil
}

// refuse says why r, with which rest begins, cannot stand in a file (YAML 1.2.2, 5.1), and what to
// do about it; "" when it can.
func refuse(r rune, rest string) (message, hint string) {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD"):
		return "this is not UTF-8", "save the file as UTF-8"
	case r == 0:
		return "there is a zero byte", "save the file as UTF-8 text; in a text in double quotes it is written \\0"
	case r < 0x20 && !strings.ContainsRune("\t\n\r", r), r >= 0x80 && r < 0xA0 && r != 0x85:
		return fmt.Sprintf("there is the control character %U", r), fmt.Sprintf(`remove it; in a text in double quotes it is written \x%02X`, r)
	case r == 0xFFFE || r == 0xFFFF:
		return fmt.Sprintf("there is %U, which is not a character", r), "remove it"
	case r == 0xFEFF:
		return "there is a byte order mark within the file", "remove this invisible character; only the first of a file may be one"
	}
	return "", ""
}

// utf16 reports whether data begins as a file in UTF-16 does, with a byte order mark or with a key
// in ASCII.
func utf16(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		return true
	}
	return len(data) >= 4 && (data[0] == 0 && data[2] == 0 && data[1] != 0 && data[3] != 0 || data[1] == 0 && data[3] == 0 && data[0] != 0 && data[2] != 0)
}

// printable returns the line as it can be shown on a terminal, each character in its column.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r == 0xFEFF {
			return utf8.RuneError
		}
		return r
	}, line)
}
