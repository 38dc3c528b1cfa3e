package control_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"crossfade.dev/crossfade/control"
)

func TestHeartbeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	synctest.Test(t, func(t *testing.T) {
		d := deps(t, nil)
		d.Now = time.Now // the bubble's clock
		c, err := control.Open(ctx, control.Config{Path: path}, d)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if age := c.Snapshot().Age(time.Now()); age >= control.DefaultHeartbeat {
			t.Fatalf("the snapshot is %s old while the control plane lives", age)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if age := c.Snapshot().Age(time.Now()); age < time.Minute {
			t.Fatalf("the snapshot is only %s old a minute after the end", age)
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	c := open(b, newClock(), nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c.Snapshot() == nil {
				b.Fail()
			}
		}
	})
}

func BenchmarkChange(b *testing.B) {
	c := open(b, newClock(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.IssueMagic(ctx, "qa", time.Hour, by("ann")); err != nil {
			b.Fatal(err)
		}
	}
}
