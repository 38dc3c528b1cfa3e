package config

import (
	"bytes"
	"os"
	"runtime"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// The kinds of session store.
const (
	StoreSQLite   = "sqlite"
	StorePostgres = "postgres"
	StoreRedis    = "redis"
)

// Store is where sessions are kept. Fields that belong to another kind than the one that is chosen are
// refused: somebody meant something by them.
type Store struct {
	// sqlite: a file in data.folder, for one process. postgres: PostgreSQL 13 or later, for any number of
	// processes; its schema is made and brought up to date by "crossfade store migrate". redis: Redis 7 or Valkey, for any
	// number of processes. Default sqlite.
	Kind string `yaml:"kind"`
	// For postgres: where the address of the database is read, like postgres://user:password@host:5432/name?sslmode=verify-full
	// or host=… dbname=…. It holds a password, so it never stands in this file itself. All that libpq knows works,
	// TLS and several hosts included; with several, add target_session_attrs=read-write.
	DSN Address `yaml:"dsn"`
	// For postgres: where the address is read that goes past a pooler in transaction mode, straight to the same
	// server. Listening for what other processes change, and migrating, need that. Default: dsn.
	WatchDSN Address `yaml:"watch_dsn"`
	// The connections to the database.
	Pool Pool `yaml:"pool"`
	// For redis: where the servers are, and what is asked of them.
	Redis Redis `yaml:"redis"`
}

// Pool is about connections to a database server.
type Pool struct {
	// For postgres: how many connections this process opens at most, besides the one that listens. Default 16.
	Connections int `yaml:"connections"`
	// For postgres: prepare statements on the server, which makes reading faster. Say false behind PgBouncer in
	// transaction mode, unless it is version 1.21 or later with max_prepared_statements. Default true.
	Prepare bool `yaml:"prepare"`
}

// Address says where the address or the password of a server is read: in a file or in an environment variable.
type Address struct {
	// File that holds it and nothing else. White space around it is cut off. A file that others than its owner
	// may write is refused.
	File string `yaml:"file"`
	// Name of the environment variable that holds it.
	Env string `yaml:"env"`
}

func (s *Store) defaults() {
	s.Kind, s.Pool = StoreSQLite, Pool{Connections: 16, Prepare: true}
	s.Redis.defaults()
}

func (s *Store) validate(k *check) {
	const path = "session.store"
	k.oneOf(path+".kind", s.Kind, StoreSQLite, StorePostgres, StoreRedis)
	if s.Kind == StorePostgres {
		if s.DSN.none() {
			k.fail(path+".dsn", "write dsn: {env: CROSSFADE_SESSION_DSN}, or {file: <path>}", "is missing")
		}
		k.between(path+".pool.connections", s.Pool.Connections, 2, 1000)
	} else {
		for name, a := range map[string]Address{"dsn": s.DSN, "watch_dsn": s.WatchDSN} {
			if !a.none() {
				k.fail(join(path, name), "write kind: postgres, or leave it out", "is not for kind %s", s.Kind)
			}
		}
	}
	if s.Kind == StoreRedis {
		s.Redis.validate(k, path+".redis")
	} else if s.Redis.given() {
		k.fail(path+".redis", "write kind: redis, or leave it out", "is not for kind %s", s.Kind)
	}
	s.DSN.validate(k, path+".dsn")
	s.WatchDSN.validate(k, path+".watch_dsn")
}

func (a Address) none() bool { return a == Address{} }

func (a Address) validate(k *check, path string) {
	if a.File != "" && a.Env != "" {
		k.fail(path, "write file: <path> or env: <NAME>", "says both file and env")
	}
}

// read gets the address itself; nowhere is the empty one.
func (a Address) read(path string, getenv func(string) string) (string, error) {
	if a.none() {
		return "", nil
	}
	if a.Env != "" {
		return a.some(path, "environment variable "+a.Env, []byte(getenv(a.Env)))
	}
	info, err := os.Stat(a.File)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "cannot read %s from %s", path, a.File).
			WithHint("%s and chmod 600 %s", a.likeness(path), a.File)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return "", fault.New(fault.Invalid, "others may write %s, which %s is read from", a.File, path).
			WithHint("take that right away: chmod 600 %s", a.File)
	}
	if info.Size() > maxAddress {
		return "", fault.New(fault.Invalid, "%s, which %s is read from, is larger than an address or a password", a.File, path)
	}
	text, err := os.ReadFile(a.File)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "cannot read %s from %s", path, a.File).
			WithHint("let the user that runs crossfade read it")
	}
	return a.some(path, a.File, text)
}

// likeness is the hint what belongs there.
func (a Address) likeness(path string) string {
	if strings.HasSuffix(path, "password") {
		return "write it there,"
	}
	return "write it there, like postgres://user:password@host:5432/name,"
}

const maxAddress = 64 << 10

func (a Address) some(path, source string, text []byte) (string, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fault.New(fault.Invalid, "%s is empty in %s", path, source).
			WithHint("%s", strings.TrimSuffix(a.likeness(path), ","))
	}
	return string(text), nil
}

// StoreAddresses are the addresses behind a [Store], with their passwords.
type StoreAddresses struct {
	DSN, WatchDSN           string // empty: none
	Redis, SentinelPassword string // passwords; empty: none
}

// Addresses reads what the section points to.
func (s Store) Addresses(getenv func(string) string) (out StoreAddresses, err error) {
	if out.DSN, err = s.DSN.read("session.store.dsn", getenv); err != nil {
		return out, err
	}
	if out.WatchDSN, err = s.WatchDSN.read("session.store.watch_dsn", getenv); err != nil {
		return out, err
	}
	if out.Redis, err = s.Redis.Password.read("session.store.redis.password", getenv); err != nil {
		return out, err
	}
	out.SentinelPassword, err = s.Redis.Sentinel.Password.read("session.store.redis.sentinel.password", getenv)
	return out, err
}

func (s *Store) files() []*string {
	return append([]*string{&s.DSN.File, &s.WatchDSN.File}, s.Redis.secretFiles()...)
}
