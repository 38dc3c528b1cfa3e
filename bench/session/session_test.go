package main

import (
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	t.Run("a small run measures everything", func(t *testing.T) {
		o := options{rounds: 1, each: 20 * time.Millisecond, sessions: 300, dir: t.TempDir()}
		if err := o.run(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nothing to measure is refused", func(t *testing.T) {
		if err := (options{}).run(); err == nil {
			t.Error("accepted")
		}
	})
}
