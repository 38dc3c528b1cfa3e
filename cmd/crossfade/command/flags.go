package command

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crossfade.dev/crossfade/internal/fault"
)

// sayWhy is the hint where a reason is missing.
const sayWhy = "say why, for the changelog: --reason WHY"

// reasonFlag adds --reason, which the changelog keeps: the server takes no change without one.
func reasonFlag(c *cobra.Command, reason *string) {
	c.Flags().Var((*sentence)(reason), "reason", "why, in a `sentence` for the changelog; required")
	_ = c.MarkFlagRequired("reason") // fails only for a flag that does not exist
}

// sentence is a reason: whoever gives one says something.
type sentence string

func (s *sentence) String() string { return string(*s) }
func (*sentence) Type() string     { return "string" }

// Set refuses what is blank.
func (s *sentence) Set(text string) error {
	if strings.TrimSpace(text) == "" {
		return fault.New(fault.Invalid, "the reason is empty").WithHint(sayWhy)
	}
	*s = sentence(text)
	return nil
}

// within refuses a number that its flag does not take.
func within(flag string, n, low, high int32) error {
	if n >= low && n <= high {
		return nil
	}
	return typed(fault.New(fault.Invalid, "%s %d is not between %d and %d", flag, n, low, high).
		WithHint("leave it out for the default"))
}

// completion makes cobra's command refuse shells that it does not know, as every other group does.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE, c.SuggestionsMinimumDistance = knownCommand, help, 2
		}
	}
}

// withoutQuotes takes the quotes that name a flag's value out of the usage: shells show it as it is.
func withoutQuotes(c *cobra.Command) {
	plain := func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }
	c.Flags().VisitAll(plain)
	c.PersistentFlags().VisitAll(plain)
	for _, below := range c.Commands() {
		withoutQuotes(below)
	}
}
