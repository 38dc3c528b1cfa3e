package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

func (p *program) magicCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "magic", Short: "Cookies that put a tester on the new system, even under kill",
		Long: `A magic cookie puts one browser on the new system, whatever the rollout says. It is bound
to the first browser that uses it, expires, can be revoked, and is not counted in
statistics.`,
	}, p.magicIssueCommand(), p.magicListCommand(), p.magicRevokeCommand())
}

func (p *program) magicIssueCommand() *cobra.Command {
	var reason, whom, ttl string
	c := &cobra.Command{
		Use: "issue", Short: "Make a magic cookie; it is shown once", Args: exactly(),
		Example: "  crossfade magic issue --for qa --ttl 2h\n  crossfade magic issue --for ben --ttl 2h --reason \"test plan 14\"",
		RunE: does(func(c *cobra.Command, _ []string) error {
			var life config.Duration
			if err := life.UnmarshalText([]byte(ttl)); err != nil {
				return typed(err)
			}
			a, author, err := p.dialAs()
			if err != nil {
				return err
			}
			if reason == "" {
				reason = whom // whom it is for says why, most of the time
			}
			out, err := call(c.Context(), a, a.control.IssueMagic, &controlv1.IssueMagicRequest{
				For: whom, TtlSeconds: int64(life.D().Seconds()), Author: author, Reason: reason})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				fmt.Fprintln(w, out.Cookie)
				fmt.Fprintf(p.Err, "magic cookie %s for %s, until %s\n", out.Magic.GetId(), oneLine(out.Magic.GetFor()), p.ahead(out.Magic.GetExpiresAt()))
				fmt.Fprintln(p.Err, "set it in the tester's browser (developer tools, Application, Cookies); it is not shown again")
			})
		}),
	}
	c.Flags().StringVar(&whom, "for", "", "`who` gets it, for the changelog; required")
	c.Flags().StringVar(&ttl, "ttl", "2h", "how `long` it works, 1m to 30d")
	_ = c.MarkFlagRequired("for")
	c.Flags().Var((*sentence)(&reason), "reason", "why, in a `sentence` for the changelog (default: what --for says)")
	return c
}

// dialAs is dial for a change that needs an author.
func (p *program) dialAs() (*admin, string, error) {
	author, err := p.by()
	if err != nil {
		return nil, "", err
	}
	a, err := p.dial()
	return a, author, err
}

func (p *program) magicListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All magic cookies that were issued", Args: exactly(),
		RunE: does(func(c *cobra.Command, _ []string) error {
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.control.ListMagic, &controlv1.ListMagicRequest{})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				rows := [][]string{{"ID", "FOR", "ISSUED BY", "EXPIRES", ""}}
				for _, m := range out.Magic {
					note := ""
					switch {
					case m.Revoked:
						note = "revoked"
					case m.ExpiresAt <= p.Now().Unix():
						note = "expired"
					}
					rows = append(rows, []string{m.Id, m.For, m.Author, p.ahead(m.ExpiresAt), note})
				}
				table(w, rows...)
			})
		}),
	}
}

func (p *program) magicRevokeCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke ID", Short: "Make a magic cookie worthless, at once", Args: exactly("ID"),
		Example: `  crossfade magic revoke 4f2c8e... --reason "laptop lost"`,
		RunE: does(func(c *cobra.Command, args []string) error {
			if args[0] == "" {
				return fault.New(fault.Invalid, "the id is empty").WithHint("crossfade magic list shows the ids")
			}
			a, author, err := p.dialAs()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.control.RevokeMagic, &controlv1.RevokeMagicRequest{Id: args[0], Author: author, Reason: reason})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) { fmt.Fprintf(w, "%s is revoked\n", out.Magic.GetId()) })
		}),
	}
	reasonFlag(c, &reason)
	return c
}
