package command_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crossfade.dev/crossfade/cmd/crossfade/command"
)

var update = flag.Bool("update", false, "write the reference page")

func TestReference(t *testing.T) {
	_, here, _, _ := runtime.Caller(0)
	page := filepath.Join(filepath.Dir(here), "../../../docs/reference/cli.md")
	root := command.New(command.Env{Out: io.Discard, Err: io.Discard})
	want := reference(root)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != want {
		t.Errorf("docs/reference/cli.md does not say what the commands say (%v): run go test ./cmd/crossfade/... -run Reference -update", err)
	}
}

func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Command line\n\n<!-- Generated from cmd/crossfade/command: go test ./cmd/crossfade/... -run Reference -update -->\n\n")
	b.WriteString("Exit codes: 0 done, 1 failed, 2 typed wrongly. Standard output holds the answer alone; what failed, and what to\n" +
		"do next, is on standard error. `crossfade completion bash|zsh|fish|powershell` prints a completion script: in bash\n" +
		"`source <(crossfade completion bash)`, which needs the package `bash-completion`.\n")
	walk(&b, root)
	return b.String()
}

func walk(b *strings.Builder, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if c.Runnable() && !c.HasAvailableSubCommands() || c.Name() == "kill" {
		fmt.Fprintf(b, "\n    %s\n", c.UseLine())
	}
	if c.Long != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", c.Long)
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n```console\n%s\n```\n", strings.TrimSpace(strings.ReplaceAll(c.Example, "\n  ", "\n")))
	}
	flags(b, c.NonInheritedFlags())
	for _, below := range c.Commands() {
		walk(b, below)
	}
}

func flags(b *strings.Builder, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	b.WriteString("\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, "* `--%s` %s", f.Name, usage)
		if value != "" {
			fmt.Fprintf(b, " (%s)", value)
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
			fmt.Fprintf(b, "; default `%s`", f.DefValue)
		}
		b.WriteString("\n")
	})
}

func TestHelp(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		t.Run(c.CommandPath(), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Error("needs one line that says what it does")
			}
			for line := range strings.SplitSeq(c.Example, "\n") {
				found, _, err := command.New(command.Env{Out: io.Discard, Err: io.Discard}).Find(strings.Fields(line)[min(1, len(strings.Fields(line))):])
				if line != "" && (err != nil || !strings.HasPrefix(found.CommandPath(), c.CommandPath())) {
					t.Errorf("example %q does not run this command", line)
				}
			}
		})
		for _, below := range c.Commands() {
			check(below)
		}
	}
	check(command.New(command.Env{Out: io.Discard, Err: io.Discard}))
}
