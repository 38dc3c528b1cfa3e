// Package config is the one YAML file that a process needs at start: listeners, keys, upstreams, routes
// and limits. What changes while a process runs (rollouts, kill switch) lives in the control plane.
//
// Invariant: a [Config] that was returned has been checked as a whole. What is unknown, contradicts
// itself, or would open the house to strangers is refused with its line, column and the way to mend it;
// no secret ever stands in the file. The command line reads it and internal/app builds a process from it.
//
// Every section is one file here: type, defaults, validation. The paragraph above each field is the one
// that "crossfade config explain" prints and the reference page shows, read from this very source.
package config

import (
	"io"
	"os"
	"path/filepath"

	"crossfade.dev/crossfade/internal/fault"
)

// FileName is where every command looks when it is not told otherwise.
const FileName = "crossfade.yaml"

// maxSize of a configuration file in bytes. The largest real one is a few hundred routes.
const maxSize = 1 << 20

// Config is the whole file.
type Config struct {
	// Where browsers reach the edge.
	Public Public `yaml:"public"`
	// Where services, operators and monitoring reach Crossfade.
	Internal Internal `yaml:"internal"`
	// What is kept on disk.
	Data Data `yaml:"data"`
	// The master secrets, each with an id from 1 to 255 and the place it is read from. The first one signs
	// and seals, all of them verify and open. To rotate without logging anybody out: add the new one second
	// and restart, make it first and restart, drop the old one after the longest session has expired.
	Keys []Key `yaml:"keys"`
	// The applications behind the edge, by name. The name is what routes refer to, and what a context is
	// issued for. Small letters, digits and dashes.
	Upstreams map[string]Upstream `yaml:"upstreams"`
	// The system that is being left, and how Crossfade talks to it.
	Legacy Legacy `yaml:"legacy"`
	// Which path goes where. The first route that matches wins; a path that none matches is answered 404.
	Routes []Route `yaml:"routes"`
	// What happens to visitors who may not pass.
	Access Access `yaml:"access"`
	// How long sessions live and how much they may hold.
	Session Session `yaml:"session"`
	// How visitors change systems.
	Handover Handover `yaml:"handover"`
	// How Crossfade's own cookies are written.
	Cookies Cookies `yaml:"cookies"`
	// Who may call the session API, each with a secret of its own.
	Clients []Client `yaml:"clients"`
	// Who may govern rollouts and end sessions.
	Admin Admin `yaml:"admin"`
	// The rollout "sessions" as it is when a data folder is new. Later changes are made by command and kept there; this
	// section does not overwrite them.
	Rollout Rollout `yaml:"rollout"`
	// What is written to standard error.
	Log Log `yaml:"log"`

	file string
	seen []byte // fingerprint of the files that it was read from
}

// File is the path that the configuration was read from; empty when it was parsed from memory.
func (c *Config) File() string { return c.file }

// Load reads and checks the file at path. Relative paths in it count from the folder that it is in.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, fault.Wrap(err, fault.NotFound, "no configuration at %s", path).
			WithHint(`write one with "crossfade init", or name another with --config`)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot read configuration %s", path)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot read configuration %s", path)
	}
	c, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "cannot find the folder of %s", path)
	}
	c.file = path
	c.resolve(folder)
	c.seen = fingerprint(c.files())
	return c, nil
}

// Parse checks a configuration that is already in memory; name is used in errors. It reads no other
// file, and leaves relative paths as they are. The error is a [*fault.Error] that wraps [Problems].
func Parse(name string, text []byte) (*Config, error) {
	c := new(Config)
	d := &decoder{at: map[string]position{}}
	if len(text) > maxSize {
		d.add("", position{}, "larger than %d bytes", maxSize)
	} else {
		d.document(text, c)
	}
	if len(d.problems) == 0 {
		c.validate(&check{decoder: d, config: c})
	}
	if len(d.problems) > 0 {
		return nil, d.problems.fault(name)
	}
	return c, nil
}

func (c *Config) validate(k *check) {
	c.Public.validate(k)
	c.Internal.validate(k)
	c.Data.validate(k)
	validateKeys(k, "keys", c.Keys)
	validateUpstreams(k, c.Upstreams)
	c.Legacy.validate(k)
	validateRoutes(k, c.Routes)
	c.Access.validate(k)
	c.Session.validate(k)
	c.Handover.validate(k)
	c.Cookies.validate(k)
	validateClients(k, c.Clients)
	c.Admin.validate(k)
	c.Rollout.validate(k)
	c.Log.validate(k)
}

// resolve makes every path of the file absolute.
func (c *Config) resolve(folder string) {
	for _, p := range c.paths() {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

func (c *Config) paths() []*string {
	out := []*string{
		&c.Data.Folder, &c.Public.TLS.Certificate, &c.Public.TLS.Key, &c.Legacy.Mapping.File, &c.Admin.Token.File,
	}
	out = append(append(out, c.Session.Store.files()...), c.Session.Store.Redis.plainFiles()...)
	for i := range c.Keys {
		out = append(out, &c.Keys[i].File)
	}
	for i := range c.Legacy.Bridge.Secrets {
		out = append(out, &c.Legacy.Bridge.Secrets[i].File)
	}
	for i := range c.Clients {
		out = append(out, &c.Clients[i].Secret.File)
	}
	return out
}
