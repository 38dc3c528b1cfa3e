package command

import (
	"fmt"
	"io"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

func (p *program) changesCommand() *cobra.Command {
	var in controlv1.ListChangesRequest
	c := &cobra.Command{
		Use: "changes", Short: "The changelog: who changed what, when and why", Args: exactly(),
		Example: "  crossfade changes\n  crossfade changes --limit 200 --of sessions --json",
		RunE: does(func(c *cobra.Command, _ []string) error {
			if err := within("--limit", in.Limit, 1, 500); err != nil {
				return err
			}
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.control.ListChanges, &in)
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				rows := [][]string{{"ID", "WHEN", "WHO", "WHAT", "OF", "EPOCH", "DETAIL", "REASON"}}
				for _, l := range out.Changes {
					rows = append(rows, []string{strconv.FormatUint(l.Id, 10), at(l.At), l.Author, l.Action, l.Subject,
						strconv.FormatUint(l.Epoch, 10), l.Detail, l.Reason})
				}
				table(w, rows...)
			})
		}),
	}
	c.Flags().Int32Var(&in.Limit, "limit", 50, "how `many`, 1 to 500")
	c.Flags().Uint64Var(&in.Before, "before", 0, "only those before this `id`")
	c.Flags().StringVar(&in.Subject, "of", "", "only changes of this `rollout`, or of what else the column OF has, like \"subject 42\"")
	return c
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: exactly(),
		RunE: does(func(*cobra.Command, []string) error {
			if p.json {
				return p.answerJSON(map[string]string{"version": p.Version, "go": runtime.Version()})
			}
			fmt.Fprintf(p.Out, "crossfade %s (%s)\n", p.Version, runtime.Version())
			return nil
		}),
	}
}
