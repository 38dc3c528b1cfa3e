package rollout_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func draft(t *testing.T, stages ...rollout.Stage) rollout.Rollout {
	t.Helper()
	if len(stages) == 0 {
		stages = rollout.DefaultLadder()
	}
	r, err := rollout.NewDraft(rollout.Sessions, "holdout", stages, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do applies one step in the words of the command line, so that a case reads like an operator's day.
func do(r rollout.Rollout, step string) (rollout.Rollout, error) {
	words := strings.Fields(step)
	by := "ann"
	if last := words[len(words)-1]; last == "bob" {
		by, words = last, words[:len(words)-1]
	}
	arg := strings.Join(words[1:], " ")
	switch words[0] {
	case "start":
		return r.Start(rollout.Settings{}, "salt-of-"+step, by)
	case "ramp":
		if arg == "" {
			return r.Ramp(0, by)
		}
		to, err := rollout.ParseMillionths(arg)
		if err != nil {
			return r, err
		}
		return r.Ramp(to, by)
	case "approve":
		return r.Approve(by)
	case "hold":
		return r.Hold()
	case "rollback":
		return r.RollBack()
	case "kill":
		return r.Kill(rollout.KillEverybody, "broken")
	case "rehearse":
		return r.Kill(rollout.KillRehearsal, "exercise")
	case "lift":
		return r.Lift("lifted")
	case "resume":
		return r.Lift("")
	case "finish":
		return r.Finish(start, 0)
	case "finish-later":
		return r.Finish(start, time.Hour)
	}
	panic("no such step: " + step)
}

func TestTransitions(t *testing.T) {
	needsApproval := []rollout.Stage{{Share: 10_000}, {Share: 250_000, Approval: true}, {Share: rollout.Whole}}
	firstApproved := []rollout.Stage{{Share: 10_000, Approval: true}, {Share: rollout.Whole}}
	staffFirst := []rollout.Stage{{Share: rollout.Whole, Employees: true}, {Share: 10_000}, {Share: rollout.Whole}}
	staffApproved := []rollout.Stage{{Share: 10_000, Employees: true}, {Share: rollout.Whole, Employees: true, Approval: true}, {Share: rollout.Whole}}
	const whole = "start, ramp, ramp, ramp, ramp"

	for name, c := range map[string]struct {
		stages []rollout.Stage
		steps  string // the last one is judged
		want   string // state treatment stage epoch, or the refusal
	}{
		"a start goes to the first stage":         {nil, "start", "running 0.25% 0 1"},
		"a ramp goes to the next stage":           {nil, "start, ramp", "running 1% 1 1"},
		"a ramp goes to any millionth":            {nil, "start, ramp 3.0001", "running 3.0001% 1 1"},
		"the ladder goes on from there":           {nil, "start, ramp 3, ramp", "running 5% 2 1"},
		"a ramp may jump":                         {nil, "start, ramp 100", "running 100% 4 1"},
		"a ramp never goes down":                  {nil, "start, ramp, ramp 0.5", "never goes down to 0.5%"},
		"a ramp to where it is":                   {nil, "start, ramp, ramp 1", "is at 1% already"},
		"a ramp past 100 %":                       {nil, "start, ramp 101", "101% is more than 100%"},
		"a ramp finer than a millionth":           {nil, "start, ramp 0.00001", "0.00001% is finer than a millionth"},
		"a ramp at the top":                       {nil, whole + ", ramp", "is at 100% already"},
		"a ramp before the start":                 {nil, "ramp", "is not started"},
		"a second start":                          {nil, "start, start", "is running already"},
		"an approval stage waits":                 {needsApproval, "start, ramp", "awaiting_approval 1% 0 1"},
		"an approval stage waits by its share":    {needsApproval, "start, ramp 25", "awaiting_approval 1% 0 1"},
		"another person lets it pass":             {needsApproval, "start, ramp, approve bob", "running 25% 1 1"},
		"nobody approves their own":               {needsApproval, "start, ramp, approve", "ann asked for 25% and cannot approve it too"},
		"a ramp past an approval":                 {needsApproval, "start, ramp 26", "stage 2 (25%) on the way needs approval"},
		"a ramp just before an approval":          {needsApproval, "start, ramp 24.9999", "running 24.9999% 0 1"},
		"a ramp while one waits":                  {needsApproval, "start, ramp, ramp 2", "awaits approval for 25%"},
		"a hold withdraws what waits":             {needsApproval, "start, ramp, hold", "holding 1% 0 1"},
		"an approval of nothing":                  {needsApproval, "start, approve bob", "nothing that awaits approval"},
		"passed once, it is passed":               {needsApproval, "start, ramp, approve bob, ramp 30", "running 30% 1 1"},
		"a rollback asks again":                   {needsApproval, "start, ramp, approve bob, rollback, start, ramp 30", "needs approval"},
		"a first stage with approval arms":        {firstApproved, "start", "armed 0% -1 1"},
		"an armed rollout starts when approved":   {firstApproved, "start, approve bob", "running 1% 0 1"},
		"an armed rollout can be withdrawn":       {firstApproved, "start, hold", "armed 0% -1 1"},
		"a hold keeps everybody where they are":   {nil, "start, ramp, hold", "holding 1% 1 1"},
		"a ramp ends the hold":                    {nil, "start, ramp, hold, ramp", "running 5% 2 1"},
		"a second hold":                           {nil, "start, hold, hold", "is on hold already"},
		"a hold before the start":                 {nil, "hold", "there is nothing to hold"},
		"a rollback ends the epoch at stage 0":    {nil, whole + ", rollback", "armed 0% -1 1"},
		"a start after a rollback is a new epoch": {nil, "start, ramp, rollback, start", "running 0.25% 0 2"},
		"a rollback of nothing":                   {nil, "rollback", "has nobody to send back"},
		"employees go first":                      {staffFirst, "start", "running 0% 0 1"},
		"then everybody":                          {staffFirst, "start, ramp", "running 1% 1 1"},
		"employees may be jumped":                 {staffFirst, "start, ramp 50", "running 50% 1 1"},
		"but not past their approval":             {staffApproved, "start, ramp 50", "stage 2 (100%) on the way needs approval"},
		"a kill keeps the stage":                  {nil, "start, ramp, kill", "running 1% 1 1 everybody"},
		"a kill before the start":                 {nil, "kill", "draft 0% -1 0 everybody"},
		"no start while killed":                   {nil, "kill, start", "is killed (everybody): broken"},
		"no ramp while killed":                    {nil, "start, kill, ramp", "is killed (everybody): broken"},
		"no approval while killed":                {needsApproval, "start, ramp, kill, approve bob", "is killed"},
		"no finish while killed":                  {nil, whole + ", kill, finish", "is killed"},
		"a second kill is no error":               {nil, "start, kill, kill", "running 0.25% 0 1 everybody"},
		"a rehearsal can become a kill":           {nil, "start, rehearse, kill", "running 0.25% 0 1 everybody"},
		"a kill cannot become a rehearsal":        {nil, "start, kill, rehearse", "would let visitors back"},
		"lifting opens an epoch at the stage":     {nil, "start, ramp, kill, lift", "running 1% 1 2"},
		"resuming opens one too":                  {nil, "start, ramp, kill, resume", "running 1% 1 2"},
		"lifting a rehearsal disturbs nobody":     {nil, "start, ramp, rehearse, lift", "running 1% 1 1"},
		"lifting nothing":                         {nil, "start, lift", "is not killed"},
		"a kill may be rolled back as well":       {nil, "start, kill, rollback", "armed 0% -1 1 everybody"},
		"finish is final":                         {nil, whole + ", finish", "finished 100% 4 1"},
		"finish needs everybody":                  {nil, "start, finish", "finishing would move everybody else unwatched"},
		"finish with a grace waits":               {nil, whole + ", finish-later", "finishing 100% 4 1"},
		"a hold takes finishing back":             {nil, whole + ", finish-later, hold", "holding 100% 4 1"},
		"a kill takes finishing back":             {nil, whole + ", finish-later, kill", "holding 100% 4 1 everybody"},
		"a second finish":                         {nil, whole + ", finish, finish", "is finished already"},
		"a kill after finish":                     {nil, whole + ", finish, kill", "there is no way back"},
		"a rollback after finish":                 {nil, whole + ", finish, rollback", "there is no way back"},
		"a start after finish":                    {nil, whole + ", finish, start", "there is no way back"},
		"a ramp after finish":                     {nil, whole + ", finish, ramp", "there is no way back"},
		"a hold after finish":                     {nil, whole + ", finish, hold", "there is no way back"},
	} {
		t.Run(name, func(t *testing.T) {
			r := draft(t, c.stages...)
			steps := strings.Split(c.steps, ", ")
			for i, step := range steps {
				next, err := do(r, step)
				if i == len(steps)-1 {
					judge(t, r, next, err, c.want)
				} else if err != nil {
					t.Fatalf("%s: %v", step, err)
				}
				r = next
			}
		})
	}
}

func judge(t *testing.T, before, after rollout.Rollout, err error, want string) {
	t.Helper()
	got := describe(after)
	if err != nil {
		if after.State != before.State || after.Treatment != before.Treatment || after.Epoch != before.Epoch {
			t.Fatal("a refused transition changed something")
		}
		if _, hint := fault.Public(err); hint == "" && fault.CodeOf(err) != fault.Precondition {
			t.Fatalf("no hint with %v", err)
		}
		got = err.Error()
	}
	if got != want && (err == nil || !strings.Contains(got, want)) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func describe(r rollout.Rollout) string {
	words := []string{string(r.State), r.Treatment.String(), strconv.Itoa(r.Stage), strconv.FormatUint(r.Epoch, 10)}
	if r.Killed != "" {
		words = append(words, string(r.Killed))
	}
	return strings.Join(words, " ")
}

func TestRollout_salts(t *testing.T) {
	r, _ := do(draft(t), "start")
	first := r.Salt
	killed, _ := do(r, "kill")
	lifted, _ := do(killed, "lift")
	resumed, _ := do(killed, "resume")
	if lifted.Salt == first || resumed.Salt != first {
		t.Fatalf("lift %q, resume %q, before %q", lifted.Salt, resumed.Salt, first)
	}
	if lifted.ControlSalt != r.ControlSalt {
		t.Fatal("the control slice must hold the same visitors over all epochs")
	}
}

func TestRollout_Start_settings(t *testing.T) {
	none, tooMuch := rollout.Millionths(0), rollout.Millionths(600_000)
	t.Run("a small site starts without a control slice", func(t *testing.T) {
		r, err := draft(t).Start(rollout.Settings{ControlSlice: &none, Segments: []string{"gold"}}, "s", "ann")
		if err != nil || r.ControlSlice != 0 || len(r.Segments) != 1 {
			t.Fatal(r, err)
		}
	})
	t.Run("a slice of most visitors is refused", func(t *testing.T) {
		if _, err := draft(t).Start(rollout.Settings{ControlSlice: &tooMuch}, "s", "ann"); fault.CodeOf(err) != fault.Invalid {
			t.Fatal(err)
		}
	})
	t.Run("the draft is untouched by its copy", func(t *testing.T) {
		stages := rollout.DefaultLadder()
		r, _ := draft(t).Start(rollout.Settings{Stages: stages}, "s", "ann")
		stages[0].Share = 9
		if r.Stages[0].Share != 2_500 {
			t.Fatal("the ladder is shared with the caller")
		}
	})
}

func TestRollout_Settle(t *testing.T) {
	r := draft(t)
	for _, step := range []string{"start", "ramp 100", "finish-later"} {
		var err error
		if r, err = do(r, step); err != nil {
			t.Fatal(err)
		}
	}
	if _, done := r.Settle(start.Add(time.Hour - time.Second)); done {
		t.Fatal("final before its time")
	}
	if settled, done := r.Settle(start.Add(time.Hour)); !done || settled.State != rollout.Finished {
		t.Fatal("not final at its time")
	}
	rehearsed, _ := do(r, "rehearse")
	if _, done := rehearsed.Settle(start.Add(2 * time.Hour)); done {
		t.Fatal("final while a kill is in force")
	}
}

func TestCheckLadder(t *testing.T) {
	all := rollout.Stage{Share: rollout.Whole}
	for name, stages := range map[string][]rollout.Stage{
		"empty":                      {},
		"too long":                   make([]rollout.Stage, rollout.MaxStages+1),
		"not up to everybody":        {{Share: 10}},
		"only employees":             {{Share: rollout.Whole, Employees: true}},
		"narrower than before":       {{Share: 20}, {Share: 10}, all},
		"the same as before":         {{Share: 10}, {Share: 10}, all},
		"an empty stage":             {{Share: 0}, all},
		"more than everybody":        {{Share: rollout.Whole + 1}, all},
		"employees after everybody":  {{Share: 10}, {Share: 20, Employees: true}, all},
		"employees narrower as well": {{Share: 20, Employees: true}, {Share: 10, Employees: true}, all},
	} {
		err := rollout.CheckLadder(stages)
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Invalid || hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := rollout.CheckLadder(rollout.DefaultLadder()); err != nil {
		t.Error(err)
	}
}
