package inventory

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"io"
	"strconv"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(share float64) string { return unbroken(percent(share)) }, "unbroken": unbroken, "bytes": func(n int) string { return unbroken(sizeText(n)) }, "grouped": func(n int) string { return grouped(int64(n)) }, "meaning": meaning,
	"width": func(share float64) string { return strconv.FormatFloat(share*100, 'f', 2, 64) },
	"lower": strings.ToLower,
}).Parse(pageText))

// unbroken keeps a number and its unit in one line.
func unbroken(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

// WriteHTML writes the report as one page that needs nothing else: no script, no font, no picture from anywhere.
func (r *Report) WriteHTML(w io.Writer) error {
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		*Report
		Notes            []string
		Rows, SampleText string
	}{r, r.notes(), r.Store.rowsText(), r.sampleText()}); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

// OwnerText and TypesText are for the page.
func (k KeyRow) OwnerText() string { return k.ownerText() }

// TypesText names the types of the values.
func (k KeyRow) TypesText() string { return k.typesText() }

// Pair is who the sessions belong to.
func (r *Report) Pair() []Share { return []Share{r.Authenticated, r.Anonymous} }
