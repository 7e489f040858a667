package auth

import (
	"bytes"
	"fmt"
	"strings"
)

// LineError is a mistake in a file of tokens or passwords. It quotes nothing of the line, which may
// hold one.
type LineError struct {
	Line   int // from 1
	Reason string
}

// parseLines reads a file that has one T a line; lines that are empty or begin with # do not count.
// It returns every mistake: what parse has against a line, and again, with the number of the earlier
// line, where two have the same key.
func parseLines[T any, K comparable](data []byte, parse func(text string) (T, string), key func(T) K, again string) (all []T, errs []LineError) {
	seen := map[K]int{} // key -> line
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		one, reason := parse(text)
		if first := seen[key(one)]; reason == "" && first > 0 {
			reason = fmt.Sprintf(again, first)
		}
		if reason != "" {
			errs = append(errs, LineError{number, reason})
			continue
		}
		seen[key(one)] = number
		all = append(all, one)
	}
	return all, errs
}
