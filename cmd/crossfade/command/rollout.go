package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

func (p *program) rolloutCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "rollout",
		Short: "See and change which share of visitors is on the new system",
		Long: `A rollout climbs a ladder of shares. Within an epoch treatment only grows, so nobody
goes back and forth; the way back is "crossfade kill" (at once, and it can be lifted)
or "crossfade rollout rollback" (ends the epoch).`,
		Example: `  crossfade rollout start sessions --reason "first visitors"
  crossfade rollout ramp sessions --reason "a quiet day"
  crossfade rollout ramp sessions --to 12.5% --reason "between two stages"`,
	}, p.listCommand(), p.showCommand(), p.startCommand(), p.rampCommand(), p.approveCommand(),
		p.holdCommand(), p.rollbackCommand(), p.finishCommand())
}

func (p *program) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All rollouts on one screen", Args: exactly(),
		RunE: does(func(c *cobra.Command, _ []string) error {
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.control.ListRollouts, &controlv1.ListRolloutsRequest{})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				rows := [][]string{{"ROLLOUT", "STATE", "TREATED", "EPOCH", "CHANGED", "BY"}}
				for _, r := range out.Rollouts {
					rows = append(rows, []string{r.Name, state(r), share(r.TreatmentMillionths), strconv.FormatUint(r.Epoch, 10), at(r.ChangedAt), r.ChangedBy})
				}
				table(w, rows...)
			})
		}),
	}
}

func (p *program) showCommand() *cobra.Command {
	return p.onRollout(&cobra.Command{
		Use: "show NAME", Short: "One rollout: state, ladder, and what can be done now",
	}, func(ctx context.Context, a *admin, name string) error {
		out, err := call(ctx, a, a.control.GetRollout, &controlv1.GetRolloutRequest{Name: name})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { show(w, out.Rollout) })
	})
}

// onRollout completes a command that takes the name of a rollout.
func (p *program) onRollout(c *cobra.Command, run func(ctx context.Context, a *admin, name string) error) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if err := exactly("NAME")(c, args); err != nil {
			return otherwise(err, `"crossfade rollout list" shows the names; usage: %s`, c.UseLine())
		}
		return nil
	}
	c.ValidArgsFunction = p.completeRollout
	c.RunE = does(func(c *cobra.Command, args []string) error {
		a, err := p.dial()
		if err != nil {
			return err
		}
		return run(c.Context(), a, args[0])
	})
	return c
}

// change is a command that changes a rollout, under an author and a reason.
func (p *program) change(c *cobra.Command, reason *string, run func(ctx context.Context, a *admin, name, author string) error) *cobra.Command {
	reasonFlag(c, reason)
	return p.onRollout(c, func(ctx context.Context, a *admin, name string) error {
		author, err := p.by()
		if err != nil {
			return err
		}
		return run(ctx, a, name, author)
	})
}

func (p *program) startCommand() *cobra.Command {
	var reason string
	var ladder []string
	c := p.change(&cobra.Command{
		Use: "start NAME", Short: "Begin at the first stage of the ladder",
		Long: `Arms and starts a rollout at its first stage, or starts again one that was rolled back.
While it is a draft, --stages replaces its ladder: shares in percent, with "!" behind a
stage that somebody else must approve before it is entered.`,
		Example: `  crossfade rollout start sessions --reason "first visitors"
  crossfade rollout start sessions --stages 0.25%,1%,5%,25%!,100% --reason "our own ladder"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		stages, err := parseLadder(ladder)
		if err != nil {
			return typed(err)
		}
		out, err := call(ctx, a, a.control.Start, &controlv1.StartRequest{Name: name, Author: author, Reason: reason, Stages: stages})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
	c.Flags().StringSliceVar(&ladder, "stages", nil, "the `ladder`, while the rollout is a draft")
	return c
}

func parseLadder(texts []string) ([]*controlv1.Stage, error) {
	var out []*controlv1.Stage
	for _, text := range texts {
		text, approval := strings.CutSuffix(strings.TrimSpace(text), "!")
		s, err := config.ParseShare(text)
		if err != nil {
			return nil, err
		}
		out = append(out, &controlv1.Stage{Millionths: uint32(s), Approval: approval})
	}
	return out, nil
}

func (p *program) rampCommand() *cobra.Command {
	var reason, to string
	c := p.change(&cobra.Command{
		Use: "ramp NAME", Short: "Widen treatment to the next stage, or to a share",
		Long: `Widens the share of visitors whom the new system governs. Visitors change systems at
their next page, never in the middle of one. A stage that needs approval waits for
"crossfade rollout approve" by somebody else.`,
		Example: `  crossfade rollout ramp sessions --reason "a quiet day"
  crossfade rollout ramp sessions --to 12.5% --reason "between two stages"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		var target config.Share
		if to != "" {
			var err error
			if target, err = config.ParseShare(to); err != nil {
				return typed(err)
			}
			if target == 0 {
				return typed(fault.New(fault.Invalid, "a ramp to 0%% would send visitors back").
					WithHint("crossfade kill %s --reason WHY, or crossfade rollout rollback %s --reason WHY", name, name))
			}
		}
		out, err := call(ctx, a, a.control.Ramp, &controlv1.RampRequest{Name: name, Author: author, Reason: reason, ToMillionths: uint32(target)})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
	c.Flags().StringVar(&to, "to", "", "`share` in percent, like 0.25 or 12.5% (default: the next stage)")
	return c
}

func (p *program) approveCommand() *cobra.Command {
	var reason string
	return p.change(&cobra.Command{
		Use: "approve NAME", Short: "Let a ramp into the stage that it waits for",
		Long:    "Approves the ramp that waits. Whoever asked for it cannot approve it.",
		Example: `  crossfade rollout approve sessions --author bela --reason "numbers look good"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		out, err := call(ctx, a, a.control.Approve, &controlv1.ApproveRequest{Name: name, Author: author, Reason: reason})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
}

func (p *program) holdCommand() *cobra.Command {
	var reason string
	return p.change(&cobra.Command{
		Use: "hold NAME", Short: "Stay where it is until the next ramp",
		Example: `  crossfade rollout hold sessions --reason "over the weekend"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		out, err := call(ctx, a, a.control.Hold, &controlv1.HoldRequest{Name: name, Author: author, Reason: reason})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
}

func (p *program) rollbackCommand() *cobra.Command {
	var reason string
	return p.change(&cobra.Command{
		Use: "rollback NAME", Short: "End this epoch: everybody to legacy, at their next page",
		Long: `Ends the epoch at stage 0. Visitors return to legacy at their next page; "crossfade kill"
is faster, since it acts on the next request. "crossfade rollout start" opens a new epoch.`,
		Example: `  crossfade rollout rollback sessions --reason "menu prices are wrong on new"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		out, err := call(ctx, a, a.control.RollBack, &controlv1.RollBackRequest{Name: name, Author: author, Reason: reason})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
}

func (p *program) finishCommand() *cobra.Command {
	var reason string
	var dry bool
	c := p.onRollout(&cobra.Command{
		Use: "finish NAME", Short: "Make the new system final; there is no way back",
		Long: `Makes the new system final, and lists what can then be removed from the old one. Legacy
sessions that are left are still taken over until the last one has expired. With
--dry-run nothing changes.`,
		Example: `  crossfade rollout finish sessions --dry-run
  crossfade rollout finish sessions --reason "four weeks at 100%"`,
	}, func(ctx context.Context, a *admin, name string) error {
		author, err := p.by()
		if err != nil {
			return err
		}
		out, err := call(ctx, a, a.control.Finish, &controlv1.FinishRequest{Name: name, Author: author, Reason: reason, DryRun: dry})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) {
			switch {
			case !dry:
				changed(w, out.Rollout)
			case out.Rollout.GetState() == "finished":
				fmt.Fprintf(w, "nothing was changed; %s is finished, and the new system final\n", name)
			default:
				fmt.Fprintf(w, "nothing was changed; finishing %s would make the new system final, with no way back\n", name)
			}
			removable(w, out.Removable)
		})
	})
	c.Flags().BoolVar(&dry, "dry-run", false, "only tell what would happen")
	c.Flags().Var((*sentence)(&reason), "reason", "why, in a `sentence` for the changelog; required without --dry-run")
	c.PreRunE = func(*cobra.Command, []string) error {
		if dry || reason != "" {
			return nil
		}
		return fault.New(fault.Invalid, `required flag(s) "reason" not set`).
			WithHint(sayWhy + "; or only look: --dry-run")
	}
	return c
}

// completeRollout asks the server for names; a shell that gets no answer completes nothing.
func (p *program) completeRollout(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.rolloutNames(c.Context()), cobra.ShellCompDirectiveNoFileComp
}
