package app_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/testenv"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// TestApp_SharedStore: two processes on one store, as they are configured, with and without sealing. None of what stands
// between a manager and its store may hide that the store is shared: memory would be believed for ever.
func TestApp_SharedStore(t *testing.T) {
	upstream := httptest.NewServer(echo("monolith"))
	t.Cleanup(upstream.Close)
	for _, kind := range []string{"postgres", "redis"} {
		for _, seal := range []string{"off", "on"} {
			t.Run(kind+", seal "+seal, func(t *testing.T) {
				first := &site{t: t, upstream: upstream, dir: install(t, upstream.URL)}
				first.edit("routes:", "session:\n  seal: "+seal+"\n  store: "+storeOf(t, first, kind)+"\nroutes:")
				second := first.twin()
				_, err := app.Migrate(t.Context(), first.config(), os.Getenv, true)
				must(t, err)
				first.serve()
				second.serve()
				first.ready()
				second.ready()
				endsEverywhere(t, first, second)
			})
		}
	}
}

// storeOf writes the store's part of a site's configuration, on a server of the test's.
func storeOf(t *testing.T, s *site, kind string) string {
	t.Helper()
	if kind == "redis" {
		return fmt.Sprintf("{kind: redis, redis: {addresses: [%q]}}", testenv.StartRedis(t, "appendonly yes").Address)
	}
	server := testenv.SharedPostgres(t)
	dsn := filepath.Join(s.dir, "secrets", "dsn")
	must(t, os.WriteFile(dsn, []byte(server.DSN(server.Database(t))), 0o600))
	return "{kind: postgres, dsn: {file: secrets/dsn}}"
}

// twin is a second process of the same installation, with a data folder of its own.
func (s *site) twin() *site {
	s.t.Helper()
	dir := s.t.TempDir()
	must(s.t, os.CopyFS(dir, os.DirFS(s.dir)))
	return &site{t: s.t, upstream: s.upstream, dir: dir}
}

func endsEverywhere(t *testing.T, first, second *site) {
	t.Helper()
	ctx := context.Background()
	login, err := first.sessions("monolith").Upgrade(ctx, &sessionv1.UpgradeRequest{
		Subject: "ann", Visitor: "000102030405060708090a0b0c0d0e0f", Methods: []string{"pwd"},
		Set: &sessionv1.Attributes{Values: map[string]string{"cart": `{"12":1}`}},
	})
	must(t, err)
	redeemed, err := first.sessions("monolith").Redeem(ctx, &sessionv1.RedeemRequest{Handoff: login.GetHandoff()})
	must(t, err)
	worth := func(s *site) string {
		out, err := s.sessions("monolith").Resolve(ctx, &sessionv1.ResolveRequest{Token: redeemed.GetToken()})
		must(t, err)
		return out.GetWorth()
	}
	for range 3 { // the second time from memory
		if a, b := worth(first), worth(second); a != "live" || b != "live" {
			t.Fatalf("the session is %s where it was made and %s at the other process", a, b)
		}
	}
	got, err := second.sessions("monolith").Get(ctx, &sessionv1.GetRequest{Session: &sessionv1.Selector{Id: redeemed.GetSession().GetId()}})
	must(t, err)
	if cart := got.GetAttributes().GetValues()["cart"]; cart != `{"12":1}` || got.GetSession().GetSubject() != "ann" {
		t.Errorf("the other process reads %q of %q", cart, got.GetSession().GetSubject())
	}
	_, err = second.sessions("admin.token").End(ctx, &sessionv1.EndRequest{
		Target: &sessionv1.EndRequest_Subject{Subject: "ann"}, Reason: "test",
	})
	must(t, err)
	if w := worth(second); w != "ended" {
		t.Errorf("where it was ended the session is %s", w)
	}
	until(t, func() bool { return worth(first) == "ended" })
}
