package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

func (p *program) killCommand() *cobra.Command {
	var reason string
	var rehearsal bool
	c := p.change(&cobra.Command{
		Use: "kill NAME", Short: "Everybody back to legacy, at once",
		Long: `Sends everybody to legacy with their next request. Logged-in visitors stay logged in: their
session is restored, or they return with the counterpart that was kept for them. It needs
no second person, and nothing but the edge has to work.

--rehearsal does it to staff alone. "crossfade kill lift" ends it.`,
		Example: `  crossfade kill sessions --reason "checkout is slow on new"
  crossfade kill sessions --rehearsal --reason "monthly exercise"
  crossfade kill lift sessions --reason "fixed"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		out, err := call(ctx, a, a.control.Kill, &controlv1.KillRequest{Name: name, Author: author, Reason: reason, Rehearsal: rehearsal})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) {
			changed(w, out.Rollout)
			force := time.Duration(out.InForceMicros) * time.Microsecond
			switch {
			case out.Outstanding > 0:
				fmt.Fprintf(w, "NOT in force everywhere: %d edges have not obeyed after %s\n", out.Outstanding, force)
			case force > 0:
				fmt.Fprintf(w, "in force at every edge after %s\n", force)
			}
		})
	})
	c.Flags().BoolVar(&rehearsal, "rehearsal", false, "staff alone")
	c.AddCommand(p.liftCommand())
	return c
}

func (p *program) liftCommand() *cobra.Command {
	var reason string
	var resume bool
	c := p.change(&cobra.Command{
		Use: "lift NAME", Short: "End a kill, in a new epoch",
		Long: `Ends a kill and opens a new epoch. Other visitors than before are treated, unless --resume
keeps the ones who were.`,
		Example: `  crossfade kill lift sessions --reason "fixed"
  crossfade kill lift sessions --resume --reason "it was the network"`,
	}, &reason, func(ctx context.Context, a *admin, name, author string) error {
		out, err := call(ctx, a, a.control.Lift, &controlv1.LiftRequest{Name: name, Author: author, Reason: reason, Resume: resume})
		if err != nil {
			return err
		}
		return p.answer(out, func(w io.Writer) { changed(w, out.Rollout) })
	})
	c.Flags().BoolVar(&resume, "resume", false, "treat the same visitors as before")
	return c
}
