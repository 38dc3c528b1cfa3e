package peers_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/bench/peers"
	"crossfade.dev/crossfade/internal/testenv"
)

// full is what "make bench-session" asks for. Without it every Go contestant runs once, small: that the
// measurement works is tested wherever the rest is.
var full = flag.Bool("full", false, "measure for real, with all contestants that are installed")

// TestMain lets the test binary play the contestants that are written in Go.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], peers.RolePrefix) {
		if err := peers.Play(os.Args[1], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestPeers(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := peers.Run{Program: program, Rounds: 1, Seconds: 0.05, Times: 1, Sessions: 64, Owned: 20, Dead: 30, Out: t.Output()}
	if *full {
		run = peers.Run{
			Program: program, Root: checkout(t), Rounds: 5, Seconds: 1, Times: 1,
			Sessions: 10_000, Owned: 1_000, Dead: 10_000, Out: os.Stdout, Progress: os.Stderr,
		}
	}
	// As durable as they are installed: PostgreSQL syncs each commit, Redis once a second.
	postgres := testenv.StartPostgres(t, testenv.PostgresConfig{})
	run.Place = func() (peers.Opening, error) {
		redis := testenv.StartRedis(t)
		return peers.Opening{Postgres: postgres.DSN(postgres.Database(t)), Redis: redis.Address, Dir: t.TempDir()}, nil
	}
	if err := run.All(); err != nil {
		t.Fatal(err)
	}
}

// checkout is the root of the repository; this module's own is below it.
func checkout(t *testing.T) string { return filepath.Dir(filepath.Dir(testenv.Root(t))) }
