//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A grid is a table as Markdown has it, readable as it stands too: the first column to the left, the
// others to the right. Its first row is the head.
type grid [][]string

func (g *grid) add(cells ...string) { *g = append(*g, cells) }

// write writes the grid, with empty cells where a row is short.
func (g grid) write(w io.Writer) {
	widths := g.widths()
	for i, row := range g {
		fmt.Fprint(w, "|")
		for column, width := range widths {
			cell := ""
			if column < len(row) {
				cell = row[column]
			}
			padding := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
			if column == 0 {
				fmt.Fprintf(w, " %s%s |", cell, padding)
			} else {
				fmt.Fprintf(w, " %s%s |", padding, cell)
			}
		}
		fmt.Fprintln(w)
		if i == 0 {
			writeRule(w, widths)
		}
	}
}

func (g grid) widths() []int {
	var widths []int
	for _, row := range g {
		for column, cell := range row {
			if column == len(widths) {
				widths = append(widths, len("---"))
			}
			widths[column] = max(widths[column], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// writeRule writes what stands below the head.
func writeRule(w io.Writer, widths []int) {
	fmt.Fprint(w, "|")
	for column, width := range widths {
		if column == 0 {
			fmt.Fprintf(w, " %s |", strings.Repeat("-", width))
		} else {
			fmt.Fprintf(w, " %s: |", strings.Repeat("-", width-1))
		}
	}
	fmt.Fprintln(w)
}
