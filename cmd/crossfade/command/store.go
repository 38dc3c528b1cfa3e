package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

func (p *program) storeCommand() *cobra.Command {
	return group(&cobra.Command{Use: "store", Short: "Look after the session store"}, p.storeMigrateCommand())
}

func (p *program) storeMigrateCommand() *cobra.Command {
	var status bool
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the session store's schema up to date", Args: exactly(),
		Long: `Brings the schema of session.store up to date: the first time it makes it. Run it before
the program that needs it; serve refuses to start on an older schema. Programs that use the
older schema go on meanwhile: no step holds a table for long, and what has to wait for one
gives up after some seconds and can be run again. Two at once wait for each other.

It needs the address that goes past a pooler in transaction mode (session.store.watch_dsn,
or dsn), and a user who may create tables. The embedded store, SQLite, needs none of this:
it is brought up to date when crossfade serves.`,
		Example: "  crossfade store migrate\n  crossfade store migrate --status\n  crossfade store migrate --config /etc/crossfade/crossfade.yaml",
		RunE: does(func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(p.config)
			if err != nil {
				return err
			}
			steps, err := p.Migrate(c.Context(), cfg, p.Getenv, !status)
			if err != nil {
				return err
			}
			return p.migrations(cfg.Session.Store.Kind, steps, status)
		}),
	}
	c.Flags().BoolVar(&status, "status", false, "only say what was done and what is to do; exit code 1 if something is")
	return c
}

// migration is a step as JSON.
type migration struct {
	Version int64      `json:"version"`
	Name    string     `json:"name"`
	Applied *time.Time `json:"applied"` // null: not yet
	Now     bool       `json:"now"`
}

func (p *program) migrations(kind string, steps []app.Migration, status bool) error {
	list, rows, open := []migration{}, [][]string{{"SCHEMA", "STEP", "DONE"}}, 0
	for _, s := range steps {
		m := migration{Version: s.Version, Name: s.Name, Now: s.Now}
		done := "not yet"
		if s.Applied.IsZero() {
			open++
		} else {
			m.Applied, done = &s.Applied, at(s.Applied.Unix())
		}
		if s.Now {
			done = "now"
		}
		list, rows = append(list, m), append(rows, []string{fmt.Sprint(s.Version), s.Name, done})
	}
	switch {
	case p.json:
		if err := p.answerJSON(map[string]any{"kind": kind, "steps": list, "outstanding": open}); err != nil {
			return err
		}
	case len(steps) == 0:
		fmt.Fprintf(p.Out, "%s is brought up to date when crossfade serves: nothing to do here\n", kind)
	default:
		table(p.Out, rows...)
	}
	if status && open > 0 {
		return fault.New(fault.Precondition, "%s of the session store to do", count(open, "step")).WithHint("crossfade store migrate")
	}
	return nil
}
