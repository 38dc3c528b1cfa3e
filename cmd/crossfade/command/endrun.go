package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

// endConditions are the flags of "session end" that make a run of it.
type endConditions struct {
	kind, before, address, method, device, origin string
	attributes                                    []string
	dry, yes                                      bool
	rate                                          uint32
}

func (e *endConditions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&e.before, "issued-before", "", "whose last login or step-up, else beginning, was before this `moment`: 2026-03-01T10:00:00Z, 2026-03-01 (UTC), or a span back like 36h")
	f.StringVar(&e.address, "address", "", "that were begun from this `network`, like 203.0.113.0/24; of an address only /24 or /56 is known, so a smaller range counts whole")
	f.StringVar(&e.method, "method", "", "logged in by this `method`: pwd, otp, sms …")
	f.StringVar(&e.device, "device", "", "whose user agent has this `text` in it, or whose label it is")
	f.StringVar(&e.origin, "origin", "", "that came from this legacy `system`")
	f.StringVar(&e.kind, "kind", "", "only `guest` or authenticated sessions")
	f.StringArrayVar(&e.attributes, "attribute", nil, "that hold this value, as `key=JSON`: 'plan=\"trial\"'; may be given several times")
	f.BoolVar(&e.dry, "dry-run", false, "with conditions: count what would end, show some of it, and end nothing")
	f.BoolVar(&e.yes, "yes", false, "with conditions: do not count and ask first")
	f.Uint32Var(&e.rate, "rate", 500, "with conditions: how many sessions a `second` end at most")
}

// where is nil when no condition is given.
func (e *endConditions) where(subject string, now time.Time) (*sessionv1.EndWhere, error) {
	w := &sessionv1.EndWhere{Kind: e.kind, Address: e.address, Method: e.method, Device: e.device, Origin: e.origin}
	if e.before == "" && len(e.attributes) == 0 && e.kind+e.address+e.method+e.device+e.origin == "" {
		if e.dry || e.yes {
			return nil, fault.New(fault.Invalid, "--dry-run and --yes go with a condition").
				WithHint("one of --issued-before, --address, --method, --device, --origin, --kind, --attribute; to count a subject's sessions: crossfade session find SUBJECT")
		}
		return nil, nil
	}
	w.Subject = subject
	if e.before != "" {
		at, err := momentOf(e.before, now)
		if err != nil {
			return nil, err
		}
		w.IssuedBefore = at.Unix()
	}
	for _, a := range e.attributes {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return nil, fault.New(fault.Invalid, "--attribute %q is not key=JSON", a).WithHint(`write it like 'plan="trial"' or visits=3`)
		}
		if w.Attributes == nil {
			w.Attributes = map[string]string{}
		}
		w.Attributes[key] = value
	}
	return w, nil
}

// momentOf reads a time as people write one.
func momentOf(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 -07:00", time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fault.New(fault.Invalid, "--issued-before %q is no moment", text).
		WithHint("write it like 2026-03-01T10:00:00Z, 2026-03-01 (the beginning of that day in UTC), or 36h (ago)")
}

// endWhere counts what meets the conditions, asks, and ends it.
func (p *program) endWhere(c *cobra.Command, where *sessionv1.EndWhere, e *endConditions, reason string) error {
	author, err := p.by()
	if err != nil {
		return err
	}
	a, err := p.dial()
	if err != nil {
		return err
	}
	in := &sessionv1.StartEndRunRequest{Where: where, Author: author, Reason: reason, Rate: e.rate}
	if e.dry || !e.yes {
		counted, err := p.countWhere(c.Context(), a, in)
		if err != nil {
			return err
		}
		if e.dry {
			return p.answer(counted, func(w io.Writer) { p.showCounted(w, counted) })
		}
		if err := p.confirm(counted); err != nil {
			return err
		}
	}
	out, err := call(c.Context(), a, a.sessions.StartEndRun, in)
	if err != nil {
		return err
	}
	return p.answer(out.Run, func(w io.Writer) {
		fmt.Fprintf(w, "run %s ends sessions with %s\nhow far it is: crossfade session ends show %s\n", out.Run.Id, out.Run.Text, out.Run.Id)
	})
}

// countEvery is how often a dry run is asked how far it is.
const countEvery = 200 * time.Millisecond

func (p *program) countWhere(ctx context.Context, a *admin, in *sessionv1.StartEndRunRequest) (*sessionv1.EndRun, error) {
	started, err := call(ctx, a, a.sessions.StartEndRun, &sessionv1.StartEndRunRequest{
		Where: in.Where, DryRun: true, Author: in.Author, Reason: in.Reason, Rate: in.Rate})
	if err != nil {
		return nil, err
	}
	for run := started.Run; ; {
		if run.State == "done" {
			return run, nil
		}
		if run.State == "cancelled" {
			return nil, fault.New(fault.Precondition, "the count was cancelled by %s", run.CancelledBy)
		}
		if run.Trouble != "" {
			fmt.Fprintf(p.Err, "still counting: %s\n", oneLine(run.Trouble))
		}
		select {
		case <-ctx.Done():
			return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "the count was not waited for").
				WithHint("nothing has ended; the count goes on: crossfade session ends show %s", run.Id)
		case <-time.After(countEvery):
		}
		out, err := call(ctx, a, a.sessions.GetEndRun, &sessionv1.GetEndRunRequest{Id: run.Id})
		if err != nil {
			return nil, err
		}
		run = out.Run
	}
}

func (p *program) showCounted(w io.Writer, run *sessionv1.EndRun) {
	fmt.Fprintf(w, "%s would end, of %d looked at: those with %s\n", count(int(run.Matched), "session"), run.Scanned, run.Text)
	for _, id := range run.Samples {
		fmt.Fprintf(w, "  %s\n", id)
	}
	if more := int(run.Matched) - len(run.Samples); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// confirm asks whoever sits at the keyboard. Without one, or where the answer is for a program, it refuses.
func (p *program) confirm(counted *sessionv1.EndRun) error {
	p.showCounted(p.Err, counted)
	unasked := fault.New(fault.Precondition, "not confirmed: nothing has ended").
		WithHint("answer with y, or give --yes; --dry-run only counts")
	if p.In == nil || p.json {
		return unasked
	}
	fmt.Fprintf(p.Err, "end %s in both systems? this cannot be undone [y/N] ", count(int(counted.Matched), "session"))
	answer, _ := bufio.NewReader(p.In).ReadString('\n') // nothing is no
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return unasked
	}
	return nil
}

func (p *program) sessionEndsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "ends", Short: "Ends by condition: how far each is", Args: exactly(),
		Long: `Lists the ends by condition that were started with "crossfade session end --method ..." and the
like, newest first, for 90 days. One is "running" while sessions are looked for, "confirming"
when all have ended in the new system and legacy has not confirmed each, and "done" when it
has. A run looks at all sessions twice, the second time after 15 seconds at the earliest, to
meet those that were being written when it began. Any server goes on with a run whose server
has died. "crossfade changes" has them for good.`,
		Example: `  crossfade session ends
  crossfade session ends show 0196a1b2c3d4e5f6
  crossfade session ends cancel 0196a1b2c3d4e5f6 --reason "wrong network"`,
		RunE: does(func(c *cobra.Command, _ []string) error {
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.sessions.ListEndRuns, &sessionv1.ListEndRunsRequest{})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				rows := [][]string{{"RUN", "STARTED", "STATE", "LOOKED AT", "ENDED", "OUTSTANDING", "WHO", "WITH"}}
				for _, r := range out.Runs {
					rows = append(rows, []string{r.Id, at(r.Started), runState(r), strconv.FormatUint(r.Scanned, 10),
						runEnded(r), outstanding(r), r.Author, r.Text})
				}
				table(w, rows...)
			})
		}),
	}
	c.AddCommand(p.endRunShowCommand(), p.endRunCancelCommand())
	return c
}

func runState(r *sessionv1.EndRun) string {
	switch {
	case r.State == "running" && r.Trouble != "":
		return "waiting"
	case r.State == "running" && !r.DryRun:
		return fmt.Sprintf("running (%d of 2)", min(r.Pass, 2))
	}
	return r.State
}

func runEnded(r *sessionv1.EndRun) string {
	if r.DryRun {
		return fmt.Sprintf("(%d would)", r.Matched)
	}
	return strconv.FormatUint(r.Ended, 10)
}

func outstanding(r *sessionv1.EndRun) string {
	text := strconv.FormatUint(r.Outstanding, 10)
	if r.OutstandingAtLeast {
		return text + " or more"
	}
	return text
}

func (p *program) endRunShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "One end by condition", Args: exactly("RUN"),
		Example: "  crossfade session ends show 0196a1b2c3d4e5f6",
		RunE: does(func(c *cobra.Command, args []string) error {
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.sessions.GetEndRun, &sessionv1.GetEndRunRequest{Id: args[0]})
			if err != nil {
				return err
			}
			return p.answer(out.Run, func(w io.Writer) { p.showRun(w, out.Run) })
		}),
	}
}

func (p *program) showRun(w io.Writer, r *sessionv1.EndRun) {
	pairs(w, [2]string{"run", r.Id}, [2]string{"ends sessions with", r.Text}, [2]string{"state", runState(r)},
		[2]string{"trouble", r.Trouble}, [2]string{"started", at(r.Started)}, [2]string{"by", r.Author}, [2]string{"reason", r.Reason},
		[2]string{"finished", at(r.Finished)}, [2]string{"cancelled by", r.CancelledBy},
		[2]string{"at most", strconv.FormatUint(uint64(r.Rate), 10) + " a second"},
		[2]string{"looked at", strconv.FormatUint(r.Scanned, 10)}, [2]string{"ended", runEnded(r)},
		[2]string{"legacy has still to confirm", outstanding(r)}, [2]string{"some of them", strings.Join(r.Samples, " ")})
}

func (p *program) endRunCancelCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "cancel RUN", Short: "Stop an end by condition; what has ended stays ended", Args: exactly("RUN"),
		Example: `  crossfade session ends cancel 0196a1b2c3d4e5f6 --reason "wrong network"`,
		RunE: does(func(c *cobra.Command, args []string) error {
			author, err := p.by()
			if err != nil {
				return err
			}
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.sessions.CancelEndRun, &sessionv1.CancelEndRunRequest{Id: args[0], Author: author, Reason: reason})
			if err != nil {
				return err
			}
			return p.answer(out.Run, func(w io.Writer) {
				fmt.Fprintf(w, "run %s is cancelled; %s had ended and stay ended\n", out.Run.Id, count(int(out.Run.Ended), "session"))
			})
		}),
	}
	reasonFlag(c, &reason)
	return c
}
