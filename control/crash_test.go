package control_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/rollout"
)

// childEnv makes this test binary the process that is killed.
const childEnv = "CROSSFADE_TEST_CONTROL_DB"

// TestCrash_child is the victim: it changes a rollout for ever and prints each version once answered.
func TestCrash_child(t *testing.T) {
	path := os.Getenv(childEnv)
	if path == "" {
		t.Skip("runs only as the child of TestCrash")
	}
	c := openAt(t, path, newClock(), nil)
	must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
	for to := rollout.Millionths(2_501); ; to++ {
		r := must(c.Ramp(ctx, by("ann"), to))(t)
		fmt.Printf("answered %d %d\n", r.Version, r.Treatment)
	}
}

func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	child := exec.Command(os.Args[0], "-test.run=^TestCrash_child$")
	child.Env = append(os.Environ(), childEnv+"="+path)
	out := must(child.StdoutPipe())(t)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var version uint64
	var treatment rollout.Millionths
	lines := bufio.NewScanner(out)
	for n := 0; n < 50 && lines.Scan(); n++ {
		if _, err := fmt.Sscanf(strings.TrimSpace(lines.Text()), "answered %d %d", &version, &treatment); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
	}
	if err := child.Process.Kill(); err != nil { // SIGKILL, in the middle of its work
		t.Fatal(err)
	}
	child.Wait()

	c := openAt(t, path, newClock(), nil) // the lock went with the process
	r := must(c.Rollout(rollout.Sessions))(t)
	if version == 0 || r.Version < version || r.Treatment < treatment {
		t.Fatalf("answered version %d at %s, found %d at %s", version, treatment, r.Version, r.Treatment)
	}
	last := must(c.Changes(ctx, changelog.Query{Limit: 1}))(t)[0]
	if last.Version != r.Version || last.Author != "ann" || c.Snapshot().Version() != r.Version {
		t.Fatalf("state %d, changelog %d, snapshot %d", r.Version, last.Version, c.Snapshot().Version())
	}
	must(c.Ramp(ctx, by("ann"), 0))(t)
}
