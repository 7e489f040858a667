// Package spelling finds the word that a misspelt one was meant to be.
package spelling

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Nearest returns the candidate that word was probably meant to be, in any letter case; "" when
// none is near: one slip is near for words of three letters, two for six, and so on.
func Nearest(word string, candidates []string) string {
	length := utf8.RuneCountInString(word)
	best, bestDistance := "", length/3+1
	for _, c := range candidates {
		if abs(length-utf8.RuneCountInString(c)) >= bestDistance {
			continue // words come from events too, and may be long
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// DidYouMean returns a hint that names the nearest candidate; without one it lists them all.
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known here: " + strings.Join(candidates, ", ")
}

// distance is the number of insertions, deletions, substitutions and swaps of neighbours between a
// and b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
