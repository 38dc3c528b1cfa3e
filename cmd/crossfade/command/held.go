package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

func (p *program) sessionExportCommand() *cobra.Command {
	var subject string
	c := &cobra.Command{
		Use: "export --subject SUBJECT", Short: "Everything that is held about one subject, as JSON", Args: exactly(),
		Long: `Prints every record of the subject, in whatever state it is, with its attributes, device and times. Secrets
and legacy keys are not in it, and of the legacy system's own login bookkeeping only the names. It looks at every
record of the store, since what has ended is in no index. "crossfade changes" has who exported what.`,
		Example: `  crossfade session export --subject 42 > 42.json`,
		RunE: does(func(c *cobra.Command, _ []string) error {
			if subject == "" {
				return fault.New(fault.Invalid, "no subject is named").WithHint("give --subject: the user's id, in Django the primary key")
			}
			a, author, err := p.dialAs()
			if err != nil {
				return err
			}
			out := &sessionv1.ExportResponse{}
			for page := ""; ; page = out.NextPage {
				part, err := call(c.Context(), a, a.sessions.Export, &sessionv1.ExportRequest{Subject: subject, Page: page, Author: author})
				if err != nil {
					return err
				}
				out.Records, out.Pending = append(out.Records, part.Records...), append(out.Pending, part.Pending...)
				out.Mark, out.NextPage = part.Mark, part.NextPage
				if out.NextPage == "" {
					break
				}
			}
			return p.answerAsJSON(unique(out))
		}),
	}
	c.Flags().StringVar(&subject, "subject", "", "whose sessions: the user's id; required")
	return c
}

// unique keeps the newest of a record that several parts had: a scan may meet one twice.
func unique(out *sessionv1.ExportResponse) *sessionv1.ExportResponse {
	at := map[string]int{}
	var records []*sessionv1.HeldRecord
	for _, r := range out.Records {
		id := r.GetSession().GetId()
		i, twice := at[id]
		switch {
		case !twice:
			at[id] = len(records)
			records = append(records, r)
		case records[i].GetSession().GetVersion() < r.GetSession().GetVersion():
			records[i] = r
		}
	}
	out.Records = records
	return out
}

func (p *program) sessionEraseCommand() *cobra.Command {
	var subject, reason string
	c := &cobra.Command{
		Use: "erase --subject SUBJECT --reason REASON", Short: "End a subject's sessions and erase what is personal in them", Args: exactly(),
		Long: `Ends all sessions of the subject, in both systems, and takes attributes, subject, visitor, device and how it
logged in out of the records that have to stay until every credential of theirs has expired. It cannot be undone, says
what is kept and why, and can be repeated: an erasure that was interrupted goes on. The legacy system's own data is
not touched, apart from its sessions.`,
		Example: `  crossfade session erase --subject 42 --reason "asked for on 2026-03-01"`,
		RunE: does(func(c *cobra.Command, _ []string) error {
			if subject == "" {
				return fault.New(fault.Invalid, "no subject is named").WithHint("give --subject: the user's id, in Django the primary key")
			}
			a, author, err := p.dialAs()
			if err != nil {
				return err
			}
			out := &sessionv1.EraseResponse{}
			for page := ""; ; page = out.NextPage {
				part, err := call(c.Context(), a, a.sessions.Erase, &sessionv1.EraseRequest{Subject: subject, Reason: reason, Author: author, Page: page})
				if err != nil {
					return err
				}
				out.Ended, out.Outstanding, out.Erased = out.Ended+part.Ended, out.Outstanding+part.Outstanding, out.Erased+part.Erased
				if out.NextPage, out.Kept = part.NextPage, part.Kept; out.NextPage == "" {
					break
				}
			}
			return p.answer(out, func(w io.Writer) { showErased(w, out) })
		}),
	}
	c.Flags().StringVar(&subject, "subject", "", "whose sessions: the user's id; required")
	reasonFlag(c, &reason)
	return c
}

func showErased(w io.Writer, out *sessionv1.EraseResponse) {
	fmt.Fprintf(w, "ended %s and erased what is personal in %s\n", count(int(out.Ended), "session"), count(int(out.Erased), "record"))
	if out.Outstanding > 0 {
		fmt.Fprintln(w, "the order to end those on legacy is sent until legacy confirms it; until then it holds the subject's id")
	}
	fmt.Fprintln(w, "kept:")
	for _, line := range out.Kept {
		fmt.Fprintf(w, "  %s\n", oneLine(line))
	}
}
