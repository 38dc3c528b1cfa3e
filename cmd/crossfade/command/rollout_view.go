package command

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

// state is the state in one word or three.
func state(r *controlv1.Rollout) string {
	if !r.Killed {
		return r.State
	}
	if r.KillScope == "rehearsal" {
		return "killed for staff (" + r.State + ")"
	}
	return "KILLED (" + r.State + ")"
}

// changed is what a command that changed a rollout says.
func changed(w io.Writer, r *controlv1.Rollout) {
	fmt.Fprintf(w, "%s: %s, %s treated, epoch %d\n", r.Name, state(r), share(r.TreatmentMillionths), r.Epoch)
	if r.PendingMillionths > 0 {
		fmt.Fprintf(w, "%s waits for approval by somebody else\n", share(r.PendingMillionths))
	}
	next(w, r)
}

func next(w io.Writer, r *controlv1.Rollout) {
	if len(r.Next) == 0 {
		return
	}
	fmt.Fprintln(w, "next:")
	for _, line := range r.Next {
		fmt.Fprintln(w, "  "+oneLine(line))
	}
}

func show(w io.Writer, r *controlv1.Rollout) {
	pending := ""
	if r.PendingMillionths > 0 {
		pending = share(r.PendingMillionths)
	}
	pairs(w,
		[2]string{"rollout", r.Name}, [2]string{"state", state(r)}, [2]string{"killed because", r.KillReason},
		[2]string{"treated", share(r.TreatmentMillionths)}, [2]string{"waits for approval", pending},
		[2]string{"control slice", share(r.ControlSliceMillionths)},
		[2]string{"epoch", strconv.FormatUint(r.Epoch, 10)}, [2]string{"snapshot", fmt.Sprintf("%d, obeyed where crossfade_snapshot_version is that or more", r.Version)},
		[2]string{"changed", at(r.ChangedAt)}, [2]string{"by", r.ChangedBy})
	fmt.Fprintln(w)
	rows := [][]string{{"", "STAGE", "SHARE", ""}}
	for i, s := range r.Stages {
		mark, note := "", ""
		if int32(i) == r.Stage {
			mark = ">"
		}
		if s.Approval {
			note = "needs approval"
		}
		rows = append(rows, []string{mark, strconv.Itoa(i + 1), share(s.Millionths), note})
	}
	table(w, rows...)
	next(w, r)
}

// removable says what a finish lets go of, what has to come first, and what stays.
func removable(w io.Writer, lines []string) {
	for _, part := range []struct{ prefix, heading string }{
		{"first: ", "First:"}, {"", "Then remove, in this order:"}, {"keep: ", "Keep:"},
	} {
		heading := "\n" + part.heading + "\n"
		for _, line := range lines {
			rest, ok := strings.CutPrefix(line, part.prefix)
			if !ok || part.prefix == "" && (strings.HasPrefix(line, "first: ") || strings.HasPrefix(line, "keep: ")) {
				continue
			}
			fmt.Fprint(w, heading)
			fmt.Fprintln(w, "  - "+oneLine(rest))
			heading = ""
		}
	}
}

func (p *program) rolloutNames(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // somebody waits with a finger on the tab key
	defer cancel()
	a, err := p.dial()
	if err != nil {
		return nil
	}
	out, err := a.control.ListRollouts(ctx, &controlv1.ListRolloutsRequest{})
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range out.Rollouts {
		names = append(names, r.Name)
	}
	return names
}
