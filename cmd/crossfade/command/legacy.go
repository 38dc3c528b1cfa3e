package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

func (p *program) legacyCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "legacy", Short: "Look at the system that is being left",
		Long: `What there is to know about the legacy system before anybody is moved. Nothing here changes it.`,
	}, p.inventoryCommand())
}

// Where addresses with passwords, and SECRET_KEY, come from.
const (
	envDB    = "CROSSFADE_LEGACY_DB"
	envRedis = "CROSSFADE_LEGACY_REDIS"
	envKeys  = "CROSSFADE_DJANGO_KEYS"
)

// inventoryFlags are what was typed.
type inventoryFlags struct {
	app.InventoryOptions
	keys, html string
}

func (p *program) inventoryCommand() *cobra.Command {
	var f inventoryFlags
	c := &cobra.Command{
		Use: "inventory", Short: "What the legacy sessions hold, and what of it would move", Args: exactly(),
		Long: `Reads some of the live legacy sessions, chosen at random, and says which keys they hold, how often, how
large, of which types, whose they are, and what a handover would move. It changes nothing, runs nothing that is in a
session, and shows no values; parts of a key's name that look like an id are shown as *.

Every session is of one of three classes:
  A  lossless: written as JSON, every type survives
  B  pickled, all types known: read without running anything
  C  identity only: unreadable, or with objects whose class only the application knows

Where it reads (--from):
  bridge     asks Crossfade's package in the Django site; works with every database (MySQL too)
             and wherever Django itself can list. Needs crossfade.yaml
  db         the table django_session, on PostgreSQL or in an SQLite file (--db)
  cached_db  the same table, which is the truth behind that cache (--db)
  cache      Redis, as Django's RedisCache and django-redis write it (--redis)
  file       the folder SESSION_FILE_PATH (--dir)

db, cached_db and file are signed. With SECRET_KEY, and SECRET_KEY_FALLBACKS, signatures are checked and the number
of the key that made them is told: one key in a line, SECRET_KEY first, in the file --keys or in
` + envKeys + `. Addresses with a password belong into ` + envDB + ` and ` + envRedis + `.`,
		Example: `  crossfade legacy inventory
  crossfade legacy inventory --from db --db postgres://reader@db.internal/shop --keys secrets/django-keys
  crossfade legacy inventory --from db --db db.sqlite3 --html inventory.html
  crossfade legacy inventory --from cache --redis redis://cache.internal:6379/1 --limit 10000 --json
  crossfade legacy inventory --from file --dir /var/lib/shop/sessions`,
		RunE: does(func(c *cobra.Command, _ []string) error { return p.inventory(c, f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.From, "from", "bridge", "the `store`: bridge, db, cached_db, cache or file")
	flags.StringVar(&f.DB, "db", "", "`address` of the database: postgres://user@host/name, or an SQLite file (default: "+envDB+")")
	flags.StringVar(&f.Table, "table", "django_session", "the session `table`")
	flags.StringVar(&f.Redis, "redis", "", "`address` of the cache: redis://host:6379/1 (default: "+envRedis+")")
	flags.StringVar(&f.Prefix, "key-prefix", "", "KEY_PREFIX of the `cache`")
	flags.StringVar(&f.Version, "key-version", "1", "VERSION of the `cache`")
	flags.StringVar(&f.Dir, "dir", "", "the `folder` with session files")
	flags.StringVar(&f.Cookie, "cookie", "", "`name` of the session cookie, with which the names of session files begin (default: the configuration's, or sessionid)")
	flags.StringVar(&f.keys, "keys", "", "`file` with SECRET_KEY and below it the fallbacks, one in a line (default: "+envKeys+")")
	flags.StringVar(&f.Salt, "salt", "", "key_salt of a SessionStore class of the site's own, as `text` (default: that of Django's)")
	flags.DurationVar(&f.Age, "age", 0, "SESSION_COOKIE_AGE as a `duration` (default: the configuration's legacy.cookie.life, or 336h)")
	flags.StringVar(&f.Mapping, "mapping", "", "the mapping `file` (default: the configuration's)")
	flags.IntVar(&f.Limit, "limit", 2000, "how `many` live sessions to read, 1 to 1000000")
	flags.IntVar(&f.Rate, "rate", 500, "how `many` to read in a second; 0: as fast as it goes")
	flags.DurationVar(&f.Timeout, "timeout", 5*time.Second, "how `long` the store may take for one answer")
	flags.StringVar(&f.html, "html", "", "also write the report as a page to this `file`")
	return c
}

func (p *program) inventory(c *cobra.Command, f inventoryFlags) error {
	if err := p.fillInventory(&f); err != nil {
		return err
	}
	report, failed := app.Inventory(c.Context(), f.InventoryOptions)
	if report == nil {
		return failed
	}
	if f.html != "" {
		if err := writePage(f.html, report.WriteHTML); err != nil {
			return err
		}
		fmt.Fprintf(p.Err, "wrote %s\n", f.html)
	}
	if p.json {
		if err := p.answerJSON(report); err != nil {
			return err
		}
		return failed
	}
	if err := report.WriteText(p.Out); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the report")
	}
	return failed
}

// fillInventory takes what flags leave open from the environment and the configuration.
func (p *program) fillInventory(f *inventoryFlags) error {
	if f.Limit < 1 || f.Limit > 1_000_000 || f.Rate < 0 || f.Timeout < 100*time.Millisecond || f.Age < 0 {
		return typed(fault.New(fault.Invalid, "--limit, --rate, --timeout or --age is out of its range").
			WithHint("--limit is 1 to 1000000, --rate 0 or more, --timeout 100ms or more"))
	}
	stores := []string{"bridge", "db", "cached_db", "cache", "file"}
	if !slices.Contains(stores, f.From) {
		e := fault.New(fault.Invalid, "no such store: %q", f.From).WithHint("use %s", strings.Join(stores, ", "))
		if near := fault.Nearest(f.From, stores); near != "" {
			e = e.WithHint("did you mean %s? there are %s", near, strings.Join(stores, ", "))
		}
		return typed(e)
	}
	var err error
	if f.Config, err = p.inventoryConfig(f.From); err != nil {
		return err
	}
	if f.DB == "" {
		f.DB = p.Getenv(envDB)
	}
	if f.Redis == "" {
		f.Redis = p.Getenv(envRedis)
	}
	f.Getenv, f.Now, f.Rand, f.Progress = p.Getenv, p.Now(), p.Rand, p.progress(f.Limit)
	f.Secrets, err = p.djangoKeys(f.keys)
	return err
}

// inventoryConfig is needed for the bridge alone; elsewhere a broken one is no obstacle where nobody named it.
func (p *program) inventoryConfig(from string) (*config.Config, error) {
	c, err := p.optionalConfig()
	if err != nil && from != "bridge" && p.config == config.FileName {
		fmt.Fprintf(p.Err, "warning: %s cannot be read and is left out of account: \"crossfade config check\" says why\n", p.config)
		return nil, nil
	}
	return c, err
}

// djangoKeys reads one secret key per line.
func (p *program) djangoKeys(file string) ([]string, error) {
	text := p.Getenv(envKeys)
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "cannot read the keys from %s", file).
				WithHint("write SECRET_KEY into it, and each of SECRET_KEY_FALLBACKS into a line below")
		}
		text = string(raw)
	}
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	if file != "" && len(out) == 0 {
		return nil, fault.New(fault.Invalid, "%s is empty", file).WithHint("write SECRET_KEY into it, and each of SECRET_KEY_FALLBACKS into a line below")
	}
	return out, nil
}

// progress tells on standard error how far the sample is, every two seconds.
func (p *program) progress(limit int) func(int) {
	last := p.Now()
	return func(read int) {
		if now := p.Now(); now.Sub(last) >= 2*time.Second {
			last = now
			fmt.Fprintf(p.Err, "read %d sessions, at most %d live ones are wanted …\n", read, limit)
		}
	}
}

// writePage replaces a report of before.
func writePage(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err == nil {
		err = write(f)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "cannot write %s", path).WithHint("name a file in a folder that exists: --html inventory.html")
	}
	return nil
}
