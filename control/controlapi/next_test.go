package controlapi_test

import (
	"strings"
	"testing"

	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
)

// Whatever the state, the first command that the API proposes is one that the state accepts, and with
// everybody on new the first ones are the ways back: a finish is only looked at.
func TestAPI_next(t *testing.T) {
	api := client(serve(t), bearer)
	const name, author, reason = "sessions", "ann", "on"
	steps := map[string]func() error{
		"crossfade rollout start": func() error {
			_, err := api.Start(ctx, &controlv1.StartRequest{Name: name, Author: author, Reason: reason,
				Stages: []*controlv1.Stage{{Millionths: 10, Approval: true}, {Millionths: 20}, {Millionths: 1_000_000}}})
			return err
		},
		"crossfade rollout approve": func() error {
			_, err := api.Approve(ctx, &controlv1.ApproveRequest{Name: name, Author: "bob", Reason: reason})
			return err
		},
		"crossfade rollout ramp": func() error {
			_, err := api.Ramp(ctx, &controlv1.RampRequest{Name: name, Author: author, Reason: reason})
			return err
		},
		"crossfade kill lift": func() error {
			_, err := api.Lift(ctx, &controlv1.LiftRequest{Name: name, Author: author, Reason: reason})
			return err
		},
	}
	var done []string
	for range 10 {
		r := ok(t)(api.GetRollout(ctx, &controlv1.GetRolloutRequest{Name: name})).(*controlv1.GetRolloutResponse).Rollout
		if r.State == "finished" {
			want := "start approve ramp kill-lift ramp finish"
			if got := strings.Join(done, " "); got != want {
				t.Fatalf("went %s, want %s", got, want)
			}
			return
		}
		if r.TreatmentMillionths == 20 && !r.Killed && !strings.Contains(strings.Join(done, " "), "lift") {
			ok(t)(api.Kill(ctx, &controlv1.KillRequest{Name: name, Author: author, Reason: reason}))
			continue
		}
		if r.TreatmentMillionths == 1_000_000 && !r.Killed {
			want := "crossfade kill sessions --reason WHY, crossfade rollout rollback sessions --reason WHY, crossfade rollout finish sessions --dry-run"
			if got := strings.Join(r.Next, ", "); got != want {
				t.Fatalf("at 100 %%: %s", got)
			}
			ok(t)(api.Finish(ctx, &controlv1.FinishRequest{Name: name, Author: author, Reason: reason}))
			done = append(done, "finish")
			continue
		}
		verb, _, _ := strings.Cut(r.Next[0], " "+name)
		if err := steps[verb](); err != nil {
			t.Fatalf("%s in state %s: %v", verb, r.State, err)
		}
		done = append(done, strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(verb, "crossfade "), "rollout "), " ", "-"))
	}
	t.Fatalf("never finished: %v", done)
}

func TestAPI_next_onHold(t *testing.T) {
	api := client(serve(t), bearer)
	const name, author, reason = "sessions", "ann", "on"
	ok(t)(api.Start(ctx, &controlv1.StartRequest{Name: name, Author: author, Reason: reason}))
	r := ok(t)(api.Hold(ctx, &controlv1.HoldRequest{Name: name, Author: author, Reason: reason})).(*controlv1.HoldResponse).Rollout
	if strings.Contains(strings.Join(r.Next, "\n"), "hold") {
		t.Errorf("what is on hold could be held: %v", r.Next)
	}
}
