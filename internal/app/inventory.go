package app

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/django"
	"crossfade.dev/crossfade/legacy/httpbridge"
	"crossfade.dev/crossfade/legacy/inventory"
)

// InventoryOptions say which legacy sessions to sample and how.
type InventoryOptions struct {
	From    string // bridge, db, cached_db, cache or file
	Config  *config.Config
	Getenv  func(string) string
	DB      string // address of the session table's database
	Table   string
	Redis   string // address of the cache
	Prefix  string // KEY_PREFIX
	Version string // VERSION
	Dir     string // SESSION_FILE_PATH
	Cookie  string // SESSION_COOKIE_NAME; empty: the configuration's
	Secrets []string
	Salt    string
	Age     time.Duration // SESSION_COOKIE_AGE; 0: the configuration's, or Django's
	Mapping string        // file; empty: the configuration's

	Limit, Rate int
	Timeout     time.Duration
	Now         time.Time
	Rand        io.Reader
	Progress    func(read int)
}

// djangoAge is SESSION_COOKIE_AGE where nobody set one.
const djangoAge = 14 * 24 * time.Hour

// Inventory samples the legacy store. With an error it also returns what was read until then, if anything was.
func Inventory(ctx context.Context, o InventoryOptions) (*inventory.Report, error) {
	o.fill()
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	var seed [32]byte
	if _, err := io.ReadFull(o.Rand, seed[:]); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "no randomness for a sample")
	}
	source, err := o.open()
	if err != nil {
		return nil, err
	}
	defer source.Close()
	tally := inventory.NewTally(rules, o.Now)
	plan := &inventory.Plan{Limit: o.Limit, Rate: o.Rate, Now: o.Now, Rand: rand.New(rand.NewChaCha8(seed)), Sleep: inventory.Sleep,
		Progress: o.Progress, Take: tally.Add}
	store, err := source.Sample(ctx, plan)
	if len(o.Secrets) == 0 && o.From != "bridge" && o.From != "cache" {
		store.Notes = append(store.Notes, "no signature was checked: without SECRET_KEY (--keys) a forged or outdated session looks like any other")
	}
	if o.From == "cached_db" {
		store.Notes = append(store.Notes, "the rows were read; Django reads the cached copies first, in which a tuple or a date is one until the cache forgets it")
	}
	report := tally.Report(store)
	if err == nil {
		return report, nil
	}
	if ctx.Err() != nil {
		err = fault.Wrap(ctx.Err(), fault.Unavailable, "interrupted")
	}
	if report.Read == 0 {
		return nil, err
	}
	report.Cut, _ = fault.Public(err)
	return report, err
}

func (o *InventoryOptions) fill() {
	if c := o.Config; c != nil {
		if o.Cookie == "" {
			o.Cookie = c.Legacy.Cookie.Name
		}
		if o.Age == 0 {
			o.Age = c.Legacy.Cookie.Life.D()
		}
		if o.Mapping == "" {
			o.Mapping = c.Legacy.Mapping.File
		}
	}
	if o.Age == 0 {
		o.Age = djangoAge
	}
}

// rules are those of a handover by this configuration: the registry of attributes and the mapping.
func (o *InventoryOptions) rules() (inventory.Rules, error) {
	var c config.Config
	if o.Config != nil {
		c = *o.Config
	}
	c.Legacy.Mapping.File = o.Mapping
	m, err := mappingOf(&c)
	return inventory.Rules{Mapping: m, Owners: ownersOf(c.Session.Attributes)}, err
}

// ownersOf is who the registry says a legacy key belongs to. The mapping has it too, but for keys that always cross.
func ownersOf(attributes []config.Attribute) inventory.Owners {
	return func(key string) (owner string, known bool) {
		for _, a := range attributes {
			name := a.LegacyName
			if name == "" {
				name = a.Name
			}
			begin, isBegin := strings.CutSuffix(name, "*")
			if key == name {
				return a.Owner, true
			}
			if isBegin && strings.HasPrefix(key, begin) && !known {
				owner, known = a.Owner, true
			}
		}
		return owner, known
	}
}

func (o *InventoryOptions) open() (inventory.Source, error) {
	keys := django.NewKeys(o.Secrets, o.Salt)
	switch o.From {
	case "bridge":
		return o.bridge()
	case "db", "cached_db":
		return django.OpenTable(o.DB, django.TableConfig{Keys: keys, Table: o.Table, Timeout: o.Timeout, Kind: o.From})
	case "cache":
		return django.OpenRedis(django.RedisConfig{Address: o.Redis, Prefix: o.Prefix, Version: o.Version, Age: o.Age, Timeout: o.Timeout})
	case "file":
		return django.OpenFolder(django.FolderConfig{Keys: keys, Dir: o.Dir, Prefix: o.Cookie, Age: o.Age})
	}
	return nil, fault.New(fault.Invalid, "no such store: %q", o.From).WithHint("use bridge, db, cached_db, cache or file")
}

func (o *InventoryOptions) bridge() (inventory.Source, error) {
	if o.Config == nil {
		return nil, fault.New(fault.Precondition, "the bridge needs a configuration, and there is no %s here", config.FileName).
			WithHint("run this where crossfade.yaml is, name it with --config, or read the store directly: --from db --db ADDRESS")
	}
	secrets, err := o.Config.ReadSecrets(o.Getenv)
	if err != nil {
		return nil, err
	}
	c := bridgeConfig(o.Config, secrets.Bridge)
	c.Timeout, c.Clock, c.Rand = max(o.Timeout, c.Timeout), time.Now, o.Rand
	b, err := httpbridge.New(c)
	if err != nil {
		return nil, err
	}
	return inventory.ThroughBridge(b), nil
}
