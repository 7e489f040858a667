package payload

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping/value"
)

// CSV are the options of the encoding of comma-separated values (RFC 4180).
type CSV struct {
	Header bool // the first row names the columns: the rows are objects, not lists
	Comma  rune // what separates columns; ValidComma says which can
}

// ValidComma reports whether the character can separate columns.
func ValidComma(c rune) bool {
	return c != 0 && c != '"' && c != '\r' && c != '\n' && c != utf8.RuneError && utf8.ValidRune(c)
}

// Encoding returns the encoding with these options.
func (o CSV) Encoding() *Encoding {
	var options []string
	if o.Header {
		options = append(options, "header: true")
	}
	if o.Comma != ',' {
		options = append(options, "comma: "+strconv.Quote(string(o.Comma)))
	}
	name := "csv"
	if len(options) > 0 {
		name = "{csv: {" + strings.Join(options, ", ") + "}}"
	}
	return decoded(name, value.TypeList, o.decode)
}

func (o CSV) decode(payload []byte) (value.Document, error) {
	if err := value.CheckText(payload); err != nil {
		return value.Document{}, err
	}
	if n := bytes.Count(payload, []byte(string(o.Comma))) + bytes.Count(payload, []byte("\n")); n >= maxValues { // rows and columns end so
		return value.Document{}, tooMany()
	}
	r := csv.NewReader(bytes.NewReader(value.WithoutMark(payload)))
	r.Comma, r.FieldsPerRecord = o.Comma, -1
	t := table{rows: []any{}}
	for number := 1; ; number++ {
		columns, err := r.Read()
		switch {
		case err == io.EOF:
			return value.Document{Value: t.rows}, nil
		case err != nil:
			return value.Document{}, notCSV(err)
		case number == 1 && o.Header:
			err = t.name(columns)
		default:
			err = t.add(number, columns)
		}
		if err != nil {
			return value.Document{}, err
		}
	}
}

func notCSV(err error) error {
	place := ""
	if pe, ok := errors.AsType[*csv.ParseError](err); ok {
		place, err = fmt.Sprintf("line %d, column %d: ", pe.Line, pe.Column), pe.Err
	}
	return value.Refuse("not CSV", "is not CSV: %s%v", place, err)
}

// A table collects rows.
type table struct {
	names []string // of the columns; nil: rows are lists
	rows  []any
}

// name takes the first row for the names of the columns.
func (t *table) name(columns []string) error {
	seen := map[string]bool{}
	for i, name := range columns {
		switch {
		case name == "":
			return value.Refuse("not a header", "has no name for column %d in its first row", i+1)
		case seen[name]:
			return value.Refuse("not a header", "has the column %s twice in its first row", value.Quote(name))
		}
		seen[name] = true
	}
	t.names = columns
	return nil
}

func (t *table) add(number int, columns []string) error {
	if t.names == nil {
		row := make([]any, len(columns))
		for i, text := range columns {
			row[i] = text
		}
		t.rows = append(t.rows, row)
		return nil
	}
	if len(columns) != len(t.names) {
		return value.Refuse("not a row", "has %d columns in row %d, and %d names in its first row", len(columns), number, len(t.names))
	}
	row := make(map[string]any, len(columns))
	for i, text := range columns {
		row[t.names[i]] = text
	}
	t.rows = append(t.rows, row)
	return nil
}
