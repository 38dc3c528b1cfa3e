package config

import (
	"bytes"
	"os"
	"runtime"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

// Secret says where a secret is: in a file or in an environment variable, one of the two.
type Secret struct {
	// File that holds the secret and nothing else. White space around it is cut off; what is left, 32 bytes
	// or more, is the secret. A file that others than its owner may write is refused.
	File string `yaml:"file"`
	// Name of the environment variable that holds the secret.
	Env string `yaml:"env"`
}

// Key is a secret with the id under which what was made with it is recognised.
type Key struct {
	// A number from 1 to 255 that no other key in the list has. It travels in every token; never give an
	// old id to a new secret.
	ID int `yaml:"id"`
	Secret
}

func (s Secret) validate(k *check, path string) {
	const hint = "write file: <path> or env: <NAME>"
	switch {
	case s.File == "" && s.Env == "":
		k.fail(path, hint, "says neither file nor env")
	case s.File != "" && s.Env != "":
		k.fail(path, hint, "says both file and env")
	}
}

func validateKeys(k *check, path string, keys []Key) {
	if len(keys) == 0 {
		k.fail(path, `"crossfade init" makes one; a list entry is {id: 1, file: secrets/key-1}`, "needs at least one key")
	}
	seen := map[int]bool{}
	for i, key := range keys {
		at := item(path, i)
		k.between(join(at, "id"), key.ID, 1, 255)
		if seen[key.ID] {
			k.fail(join(at, "id"), "give every key an id of its own", "%d is given twice", key.ID)
		}
		seen[key.ID] = true
		key.Secret.validate(k, at)
	}
}

// Secrets are the values behind a configuration. They are kept apart from it, so that no dump of a
// configuration can show one.
type Secrets struct {
	Keys    []keyring.Secret
	Bridge  []keyring.Secret
	Clients map[string][]byte // by client name
	Admin   []byte
	Store   StoreAddresses
}

// ReadSecrets reads every secret that the configuration points to. getenv is os.Getenv in production.
func (c *Config) ReadSecrets(getenv func(string) string) (*Secrets, error) {
	out := &Secrets{Clients: map[string][]byte{}}
	var err error
	if out.Keys, err = readKeys("keys", c.Keys, getenv); err != nil {
		return nil, err
	}
	if out.Bridge, err = readKeys("legacy.bridge.secrets", c.Legacy.Bridge.Secrets, getenv); err != nil {
		return nil, err
	}
	if out.Admin, err = c.Admin.Token.Read("admin.token", getenv); err != nil {
		return nil, err
	}
	if out.Store, err = c.Session.Store.Addresses(getenv); err != nil {
		return nil, err
	}
	for i, client := range c.Clients {
		secret, err := client.Secret.Read(join(item("clients", i), "secret"), getenv)
		if err != nil {
			return nil, err
		}
		out.Clients[client.Name] = secret
	}
	return out, out.distinct()
}

// distinct refuses one secret for two callers: who calls is told by the secret alone.
func (s *Secrets) distinct() error {
	owners := map[string]string{string(s.Admin): "admin.token"}
	for _, name := range names(s.Clients) {
		if other, taken := owners[string(s.Clients[name])]; taken {
			return fault.New(fault.Invalid, "client %q has the same secret as %s", name, other).
				WithHint("give each caller a secret of its own: crossfade init writes some, openssl rand -hex 32 makes one")
		}
		owners[string(s.Clients[name])] = "client " + name
	}
	return nil
}

func readKeys(path string, keys []Key, getenv func(string) string) ([]keyring.Secret, error) {
	var out []keyring.Secret
	for i, key := range keys {
		value, err := key.Secret.Read(item(path, i), getenv)
		if err != nil {
			return nil, err
		}
		out = append(out, keyring.Secret{ID: byte(key.ID), Bytes: value})
	}
	return out, nil
}

// Read gets the secret itself; path is where the configuration mentions it, for the error.
func (s Secret) Read(path string, getenv func(string) string) ([]byte, error) {
	into := ""
	if s.File != "" {
		into = " > " + s.File
	}
	return s.Presented(path, getenv, "write 32 random bytes there: openssl rand -hex 32"+into)
}

// Presented is Read for a secret that somebody else has made and that is shown to them: where there is none,
// hint says where it is to be found.
func (s Secret) Presented(path string, getenv func(string) string, hint string) ([]byte, error) {
	if s.Env != "" {
		return strong(path, "environment variable "+s.Env, []byte(getenv(s.Env)), hint)
	}
	info, err := os.Stat(s.File)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot read the secret of %s from %s", path, s.File).
			WithHint("%s", hint)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, fault.New(fault.Invalid, "others may write %s, the secret of %s", s.File, path).
			WithHint("take that right away: chmod 600 %s", s.File)
	}
	if info.Size() > maxSize {
		return nil, fault.New(fault.Invalid, "%s, the secret of %s, is larger than a secret", s.File, path)
	}
	text, err := os.ReadFile(s.File)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot read the secret of %s from %s", path, s.File).
			WithHint("let the user that runs crossfade read it")
	}
	return strong(path, s.File, text, hint)
}

func strong(path, source string, text []byte, hint string) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, fault.New(fault.Invalid, "the secret of %s is empty in %s", path, source).WithHint("%s", hint)
	}
	if len(text) < keyring.MinSecret {
		return nil, fault.New(fault.Invalid, "the secret of %s in %s has %d bytes, needs %d or more", path, source, len(text), keyring.MinSecret).
			WithHint("%s", hint)
	}
	return text, nil
}

// Warnings are what is not wrong, but should be looked at: secrets that others on this machine can read, and
// routes that may not do what they are there for.
func (c *Config) Warnings() []string {
	out := append(warnRoutes(c.Routes), c.Session.warnPreset()...)
	refs := []Secret{c.Admin.Token}
	for _, key := range append(append([]Key{}, c.Keys...), c.Legacy.Bridge.Secrets...) {
		refs = append(refs, key.Secret)
	}
	for _, client := range c.Clients {
		refs = append(refs, client.Secret)
	}
	for _, file := range c.Session.Store.files() {
		refs = append(refs, Secret{File: *file})
	}
	for _, s := range refs {
		info, err := os.Stat(s.File)
		if s.File != "" && err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
			out = append(out, "every user of this machine can read "+s.File+": chmod 600 "+s.File)
		}
	}
	return out
}
