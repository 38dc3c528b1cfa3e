package measure

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Table is a Markdown table whose columns line up on a terminal too.
type Table struct {
	Head []string
	rows [][]string
}

// Row adds one. The first cell is text and stands left, the others are figures and stand right.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Write prints it.
func (t *Table) Write(w io.Writer) {
	width := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	writeRow(w, t.Head, width)
	rule := make([]string, len(width))
	for i, n := range width {
		rule[i] = strings.Repeat("-", n)
		if i > 0 {
			rule[i] = rule[i][1:] + ":"
		}
	}
	writeRow(w, rule, width)
	for _, row := range t.rows {
		writeRow(w, row, width)
	}
}

func writeRow(w io.Writer, cells []string, width []int) {
	for i, cell := range cells {
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			fmt.Fprint(w, "| ", cell, pad)
		} else {
			fmt.Fprint(w, " | ", pad, cell)
		}
	}
	fmt.Fprintln(w, " |")
}

// Number prints a count with a comma between thousands.
func Number(v float64) string {
	s := fmt.Sprintf("%.0f", math.Abs(v))
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	if v <= -0.5 {
		s = "-" + s
	}
	return s
}

// Percent prints a part of one.
func Percent(v float64) string { return fmt.Sprintf("±%.0f %%", 100*v) }

// Micros prints a duration in microseconds, given in nanoseconds.
func Micros(ns float64) string {
	us := ns / float64(time.Microsecond)
	switch {
	case us >= 100:
		return Number(us)
	case us >= 10:
		return fmt.Sprintf("%.1f", us)
	}
	return fmt.Sprintf("%.2f", us)
}

// Mebibytes prints a size, given in bytes.
func Mebibytes(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }

// Goal prints one goal with what was reached, and whether that is enough.
func Goal(w io.Writer, met bool, goal, reached string) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	fmt.Fprintf(w, "goal: %s: %s: %s\n", goal, reached, verdict)
}
