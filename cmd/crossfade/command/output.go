package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// answer prints a message of the API: as JSON when asked, otherwise as people writes it.
func (p *program) answer(m proto.Message, people func(w io.Writer)) error {
	if !p.json {
		people(p.Out)
		return nil
	}
	return p.answerAsJSON(m)
}

// answerAsJSON prints a message of the API as JSON.
func (p *program) answerAsJSON(m proto.Message) error {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true, UseProtoNames: true}.Marshal(m)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the answer as JSON")
	}
	// protojson varies its white space on purpose; scripts compare output.
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the answer as JSON")
	}
	fmt.Fprintln(p.Out, out.String())
	return nil
}

// answerJSON prints a value of our own.
func (p *program) answerJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the answer as JSON")
	}
	fmt.Fprintln(p.Out, string(text))
	return nil
}

// table aligns rows; the first is the head.
func table(w io.Writer, rows ...[]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = oneLine(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n")) // the last column is not padded
	}
}

// pairs prints names and values, leaving out what is empty.
func pairs(w io.Writer, rows ...[2]string) {
	var known [][]string
	for _, row := range rows {
		if row[1] != "" {
			known = append(known, row[:])
		}
	}
	table(w, known...)
}

// oneLine keeps what others wrote (reasons, names) from forging lines or moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func share(millionths uint32) string { return config.Share(millionths).String() }

// at is a moment in local time; 0 is none.
func at(unix int64) string {
	if unix == 0 {
		return ""
	}
	return time.Unix(unix, 0).Format("2006-01-02 15:04:05 -07:00")
}

// ahead says how long until a moment, or since.
func (p *program) ahead(unix int64) string {
	if unix == 0 {
		return ""
	}
	d := time.Unix(unix, 0).Sub(p.Now())
	if d < 0 {
		return fmt.Sprintf("%s (%s ago)", at(unix), span(-d))
	}
	return fmt.Sprintf("%s (in %s)", at(unix), span(d))
}

// span is a length of time in the units that people would say it in, rounded to the smaller one.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, names ...string) string {
		d = d.Round(small)
		text := fmt.Sprintf("%d %s", d/big, names[0])
		if rest := d % big / small; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, names[1])
		}
		return text
	}
	switch {
	case d.Round(time.Hour) >= day:
		return two(day, time.Hour, "d", "h")
	case d.Round(time.Minute) >= time.Hour:
		return two(time.Hour, time.Minute, "h", "min")
	case d.Round(time.Second) >= time.Minute:
		return two(time.Minute, time.Second, "min", "s")
	}
	return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
}
