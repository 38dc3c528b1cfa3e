package inventory

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// percent shows a share so that what is there is not shown as nothing, nor what is missing as whole.
func percent(share float64) string {
	tenths := math.Round(share * 1000)
	switch {
	case share > 0 && tenths == 0:
		return "< 0.1 %"
	case share < 1 && tenths == 1000:
		return "> 99.9 %"
	case tenths == 0 || tenths == 1000:
		return strconv.Itoa(int(tenths/10)) + " %"
	}
	return strconv.FormatFloat(tenths/10, 'f', 1, 64) + " %"
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(int64(n)) + " " + noun
}

// grouped is a number that people can read.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// sizeText is a size in the unit that people would say it in.
func sizeText(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(n) + " B"
	case n < 1_000_000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + " kB"
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
}

// meaning says what a class is, in a line.
func meaning(class string) string {
	return map[string]string{
		"A": "lossless: every type survives",
		"B": "pickled, all types known: read without running anything",
		"C": "identity only: unreadable, or objects of unknown classes",
	}[class]
}

// rowsText says how many sessions the store has.
func (s Store) rowsText() string {
	switch {
	case s.Rows < 0 && s.Live >= 0:
		return count(int(s.Live), "live session")
	case s.Rows < 0:
		return "not known how many sessions"
	case s.Exact:
		return count(int(s.Rows), "session")
	}
	return "about " + count(int(s.Rows), "session")
}

// WriteText prints the report for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Summary())
	t := newTable(&b)
	t.row("store", r.Store.Name+", "+r.Store.rowsText())
	t.row("sample", r.sampleText())
	t.row("who", fmt.Sprintf("%s authenticated, %s anonymous", percent(r.Authenticated.Share), percent(r.Anonymous.Share)))
	t.row("last saved", list(r.Saved))
	t.row("expire in", list(r.Expires))
	t.row("size", fmt.Sprintf("p50 %s, p95 %s, max %s", sizeText(r.Size.P50), sizeText(r.Size.P95), sizeText(r.Size.Max)))
	if len(r.VerifiedBy) > 0 {
		t.row("signed with", list(r.VerifiedBy))
	}
	if len(r.Problems) > 0 {
		t.row("unreadable", list(r.Problems))
	}
	if r.TooLarge.Count > 0 {
		t.row("too large", fmt.Sprintf("%s hold more than crosses in one session (%s, %d keys)", percent(r.TooLarge.Share), sizeText(r.Limits["bytes"]), r.Limits["keys"]))
	}
	t.end()
	b.WriteByte('\n')
	t = newTable(&b)
	t.row("CLASS", "SHARE", "95 % SURE", "SESSIONS", "MEANS")
	for _, c := range r.Classes {
		t.row(c.Name, percent(c.Share), c.Bounds(), grouped(int64(c.Count)), meaning(c.Name))
	}
	t.end()
	if len(r.Keys) > 0 {
		b.WriteByte('\n')
		r.keysText(&b)
	}
	for _, note := range r.notes() {
		fmt.Fprintf(&b, "\nnote: %s", note)
	}
	if len(r.notes()) > 0 {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Bounds is where the share in the whole store is.
func (s Share) Bounds() string {
	if s.Low == s.High {
		return percent(s.Share)
	}
	return percent(s.Low) + " to " + percent(s.High)
}

func (r *Report) sampleText() string {
	s := count(r.Live, "live session")
	if r.Store.Whole {
		s += ", which is all of them"
	}
	if r.Expired > 0 {
		s += fmt.Sprintf("; and %s that nothing has deleted yet", grouped(int64(r.Expired))+" expired")
	}
	return s
}

func (r *Report) keysText(b *strings.Builder) {
	t := newTable(b)
	t.row("KEY", "IN", "TYPE", "P50", "P95", "MAX", "CLASS", "OWNER", "HANDOVER")
	for _, k := range r.Keys {
		t.row(k.Name, percent(k.Share), k.typesText(), sizeText(k.Size.P50), sizeText(k.Size.P95), sizeText(k.Size.Max), string(k.Class), k.ownerText(), k.HandoverText())
	}
	t.end()
}

func (k KeyRow) typesText() string {
	const most = 2
	var names []string
	for i, s := range k.Types {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func (k KeyRow) ownerText() string {
	switch {
	case k.Owner == "" && k.Rule:
		return "-"
	case k.Owner == "":
		return "?"
	case k.Guess:
		return k.Owner + "*"
	}
	return k.Owner
}

// HandoverText says what would become of the key's values.
func (k KeyRow) HandoverText() string {
	var stays []string
	total := k.Moves
	for _, s := range k.Stays {
		stays = append(stays, s.Name)
		total += s.Count
	}
	moves := "moves"
	if k.Target != "" && k.Target != k.Name {
		moves += " as " + k.Target
	}
	switch {
	case k.Moves == 0:
		return "stays: " + strings.Join(stays, ", ")
	case len(stays) > 0:
		return fmt.Sprintf("%s of %s %s; stays: %s", grouped(int64(k.Moves)), grouped(int64(total)), moves, strings.Join(stays, ", "))
	}
	return moves
}

func (r *Report) notes() []string {
	out := append([]string(nil), r.Store.Notes...)
	if r.Cut != "" {
		out = append(out, "the sample is not whole: "+r.Cut)
	}
	for _, k := range r.Keys {
		if k.Guess {
			out = append(out, "an owner with * is who usually has a key of that name; the mapping says it for sure (docs/inventory.md)")
			break
		}
	}
	if r.Hidden > 0 {
		out = append(out, fmt.Sprintf("%s are not shown: there are too many different names", count(r.Hidden, "value")))
	}
	if len(r.Unknown) > 0 {
		out = append(out, count(len(r.Unknown), "key")+" belong to nobody that is known here: "+strings.Join(r.Unknown[:min(len(r.Unknown), 12)], ", ")+map[bool]string{true: ", …"}[len(r.Unknown) > 12])
	}
	return out
}

// list is the shares that are not empty, in a line.
func list(of []Share) string {
	var parts []string
	for _, s := range of {
		if s.Count > 0 {
			parts = append(parts, percent(s.Share)+" "+s.Name)
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

type textTable struct{ t *tabwriter.Writer }

func newTable(w io.Writer) textTable { return textTable{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row keeps what others wrote from forging lines or moving the cursor.
func (t textTable) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				return ' '
			}
			return r
		}, c)
	}
	fmt.Fprintln(t.t, strings.Join(cells, "\t"))
}

func (t textTable) end() { _ = t.t.Flush() } // a buffer takes everything
