// Package command is the command line of Crossfade: what operators type, and what they read when it
// fails.
//
// Invariant: a command that failed says what failed and what to do next on standard error, and ends with
// 1, or with 2 when it was typed wrongly; standard output holds the answer and nothing else, so that it
// can be piped. Only the program itself calls it. Commands that govern a running server go through its
// admin API and hold no rules of their own.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// Env is everything that a command gets from outside.
type Env struct {
	In       io.Reader // who answers questions; nil: nobody does
	Out, Err io.Writer
	Getenv   func(string) string
	User     func() string // name of the operating system's user; may be empty
	Now      func() time.Time
	Rand     io.Reader
	HTTP     *http.Client
	Version  string
	// Serve runs a server on the configuration until ctx ends.
	Serve func(ctx context.Context, c *config.Config, version string) error
	// Migrate brings the session store's schema up to date, or only looks, and gives its steps.
	Migrate func(ctx context.Context, c *config.Config, getenv func(string) string, apply bool) ([]app.Migration, error)
}

// program is one call of the command line.
type program struct {
	Env
	config    string
	server    string
	tokenFile string
	author    string
	json      bool
}

// Run carries out args and returns the exit code.
func Run(ctx context.Context, env Env, args []string) int {
	root := New(env)
	root.SetArgs(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		withoutQuotes(root)
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	done, ran := errors.AsType[*failure](err)
	if ran {
		err = done.error
	} else {
		err = usage(err)
	}
	complain(env.Err, err, slices.Contains(args, "--json"))
	if _, typed := errors.AsType[*mistyped](err); ran && !typed {
		return 1
	}
	return 2
}

// complain says what failed and what to do next, as JSON when the answer would have been.
func complain(w io.Writer, err error, asJSON bool) {
	message, hint := fault.Public(err)
	if fault.CodeOf(err) == fault.Internal && message == "internal error" {
		message = err.Error() // the operator is the one who may see it
	}
	if asJSON {
		text, _ := json.Marshal(map[string]string{"error": message, "hint": hint, "code": string(fault.CodeOf(err))})
		fmt.Fprintln(w, string(text)) // a map of strings always marshals
		return
	}
	fmt.Fprintln(w, "crossfade: "+message)
	if hint != "" {
		fmt.Fprintln(w, "hint: "+hint)
	}
}

// otherwise gives a fault that the caller's input brought about another hint, where the place that found
// it could know none.
func otherwise(err error, hint string, args ...any) error {
	e, ok := errors.AsType[*fault.Error](err)
	if ok && (e.Code == fault.Invalid || e.Code == fault.NotFound) {
		return e.WithHint(hint, args...)
	}
	return err
}

// failure marks what a command itself reports, as opposed to the way it was typed.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// mistyped marks what a command refuses of its own arguments, before it does anything: the exit code is the
// one of wrong usage.
type mistyped struct{ error }

func (m *mistyped) Unwrap() error { return m.error }

func typed(err error) error {
	if err == nil {
		return nil
	}
	return &mistyped{err}
}

// usage gives cobra's complaints our form.
func usage(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if strings.HasPrefix(err.Error(), "required flag") {
		for flag, hint := range map[string]string{"reason": sayWhy, "for": "say whom it is for: --for qa"} {
			if strings.Contains(err.Error(), strconv.Quote(flag)) {
				return fault.New(fault.Invalid, "%s", err).WithHint("%s", hint)
			}
		}
	}
	return fault.New(fault.Invalid, "%s", err).
		WithHint(`"crossfade help" lists the commands, --help after one tells its flags`)
}

func quoteAll(names []string) string {
	for i, n := range names {
		names[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(names, " or ")
}

// New is the tree of commands.
func New(env Env) *cobra.Command {
	p := &program{Env: env}
	root := &cobra.Command{
		Use:   "crossfade",
		Short: "Move live visitors from an old application to a new one, and back",
		Long: `Crossfade stands in front of an old application and its successor and moves live
visitors from one to the other, and back, without logging anybody out.

  crossfade init          write a first configuration
  crossfade serve         run with it
  crossfade rollout ...   widen the share of visitors on the new system
  crossfade kill ...      everybody back to the old one, at once

Commands that govern a running server find it by --server, CROSSFADE_SERVER or the
configuration, and its token by --token-file, CROSSFADE_TOKEN, the configuration or
secrets/admin.token.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: knownCommand, RunE: help,
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.CompletionOptions.HiddenDefaultCmd = false
	flags := root.PersistentFlags()
	flags.StringVar(&p.config, "config", config.FileName, "the configuration `file`")
	flags.StringVar(&p.server, "server", "", "`address` of the server's internal listener (default: CROSSFADE_SERVER, the configuration's, or "+defaultServer+")")
	flags.StringVar(&p.tokenFile, "token-file", "", "`file` with the admin token")
	flags.StringVar(&p.author, "author", "", "`name` that the changelog records (default: CROSSFADE_AUTHOR, or the user of this machine)")
	flags.BoolVar(&p.json, "json", false, "answer with JSON, as the API sends it; failures too, on standard error")
	root.AddCommand(p.serveCommand(), p.initCommand(), p.configCommand(), p.rolloutCommand(), p.killCommand(),
		p.magicCommand(), p.sessionCommand(), p.storeCommand(), p.legacyCommand(), p.changesCommand(), p.versionCommand())
	completion(root)
	return root
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

// group is a command that only holds others. Cobra would print help for a name that it does not know
// and call that success.
func group(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.RunE = help
	c.SuggestionsMinimumDistance = 2
	c.Args = knownCommand
	return c
}

func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "unknown command %q for %q", args[0], c.CommandPath())
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return e.WithHint("did you mean %s?", quoteAll(near))
	}
	return e.WithHint("%s --help lists what there is", c.CommandPath())
}

// does wraps what a command does, so that its failures are told from wrong usage.
func does(run func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := run(c, args); err != nil {
			return &failure{err}
		}
		return nil
	}
}

// exactly wants arguments by name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		what := "nothing"
		if len(names) > 0 {
			what = strings.Join(names, " ")
		}
		return fault.New(fault.Invalid, "%s takes %s, got %d arguments", c.CommandPath(), what, len(args)).
			WithHint("usage: %s", c.UseLine())
	}
}
