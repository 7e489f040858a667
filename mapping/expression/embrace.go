package expression

import (
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// An embraced text is an expression in which every object that is an argument stands in parentheses:
// map(list, {"a": .b}) is map(list, ({"a": .b})). The engine's parser takes { there for the begin of
// a closure.
type embraced struct {
	text  string
	added []int // where, in characters of text, there is a parenthesis that the author did not write
}

// embrace puts such objects in parentheses.
func embrace(text string) embraced {
	tokens, err := lexer.Lex(file.NewSource(text))
	if err != nil {
		return embraced{text: text} // the parser will say what is wrong
	}
	adds := map[int]string{} // by character of the author's text
	for i, t := range tokens {
		if i == 0 || !t.Is(lexer.Bracket, "{") || !tokens[i-1].Is(lexer.Operator, ",") && !tokens[i-1].Is(lexer.Bracket, "(") {
			continue
		}
		if end := closing(tokens, i); end > 0 && beginsObject(tokens[i+1:]) {
			adds[t.From] += "("
			adds[tokens[end].To] += ")"
		}
	}
	if len(adds) == 0 {
		return embraced{text: text}
	}
	var e embraced
	var out []rune
	for i, r := range append([]rune(text), 0) {
		for _, parenthesis := range adds[i] {
			e.added = append(e.added, len(out))
			out = append(out, parenthesis)
		}
		out = append(out, r)
	}
	e.text = string(out[:len(out)-1])
	return e
}

// beginsObject reports whether what follows a { is an object's first key, or its end.
func beginsObject(tokens []lexer.Token) bool {
	if len(tokens) == 0 {
		return false
	}
	after := 1
	switch first := tokens[0]; {
	case first.Is(lexer.Bracket, "}"):
		return true
	case first.Is(lexer.Bracket, "("):
		after = closing(tokens, 0) + 1
	case !first.Is(lexer.String) && !first.Is(lexer.Identifier) && !first.Is(lexer.Number):
		return false
	}
	return after > 0 && after < len(tokens) && tokens[after].Is(lexer.Operator, ":")
}

// closing returns the index of the bracket that closes the one at i; -1 if there is none.
func closing(tokens []lexer.Token, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case t.Is(lexer.Bracket, ")", "]", "}"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// written returns the place in the author's text of a place in the embraced one.
func (e embraced) written(offset int) int {
	before := 0
	for _, at := range e.added {
		if at < offset {
			before++
		}
	}
	return offset - before
}

// mistake moves the mistake to its place in the author's text.
func (e embraced) mistake(m Mistake) Mistake {
	from := e.written(m.Offset)
	m.Offset, m.Width = from, max(1, e.written(m.Offset+m.Width)-from)
	return m
}
