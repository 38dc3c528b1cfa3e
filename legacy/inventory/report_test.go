package inventory_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/inventory"
	"crossfade.dev/crossfade/legacy/mapping"
)

var now = time.Unix(1_700_000_000, 0)

func rules(t *testing.T, text string) inventory.Rules {
	t.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return inventory.Rules{Mapping: m}
}

const shop = `
keys:
  cart: {owner: checkout, target: basket}
  "seen_*": {owner: shop, action: drop}
  code_4711: {owner: promo}
`

// session is one that lives for a day.
func session(f inventory.Format, keys ...inventory.Key) inventory.Session {
	return inventory.Session{Format: f, Size: 100, Saved: now.Add(-time.Minute), Expires: now.Add(24*time.Hour - time.Second), Keys: keys}
}

func key(name, kind string) inventory.Key {
	return inventory.Key{Name: name, Type: kind, JSON: true, Size: len(name)}
}

func odd(name, kind, odd, opaque string) inventory.Key {
	return inventory.Key{Name: name, Type: kind, Odd: odd, Opaque: opaque, Size: 10}
}

func report(t *testing.T) *inventory.Report {
	t.Helper()
	tally := inventory.NewTally(rules(t, shop), now)
	for i := range 97 {
		s := session(inventory.JSON, key("cart", "list"), key("seen_"+strings.Repeat("7", i%9+1), "int"), key("_csrftoken", "str"))
		s.Authenticated, s.Key = i < 40, 1
		tally.Add(s)
	}
	tally.Add(session(inventory.Pickle, key("cart", "list"), odd("when", "datetime.datetime", "datetime.datetime", ""), key("code_4711", "str")))
	tally.Add(session(inventory.Pickle, odd("cart", "list", "shop.Line", "shop.Line"), key("plain", "dict")))
	broken := session(inventory.Unreadable)
	broken.Problem, broken.Expires = "signed with none of the keys", time.Time{}
	tally.Add(broken)
	dead := session(inventory.JSON, key("dead", "str"))
	dead.Expires = now
	tally.Add(dead)
	return tally.Report(inventory.Store{Kind: "db", Name: "a test", Rows: 12345, Live: -1})
}

func TestReport_CountsClassesKeysAndWhatMoves(t *testing.T) {
	r := report(t)
	if r.Summary() != "97.0 % A, 1.0 % B, 2.0 % C; 2 keys unknown" {
		t.Error(r.Summary())
	}
	if r.Read != 101 || r.Live != 100 || r.Expired != 1 || r.Authenticated.Count != 40 || r.Anonymous.Count != 60 {
		t.Errorf("%+v", r)
	}
	rows := map[string]inventory.KeyRow{}
	for _, k := range r.Keys {
		rows[k.Name] = k
	}
	cart := rows["cart"]
	if cart.Count != 99 || cart.Class != inventory.Identity || cart.Owner != "checkout" || cart.Guess || cart.Moves != 98 || cart.Target != "basket" ||
		cart.HandoverText() != "98 of 99 moves as basket; stays: an object of shop.Line" || cart.TypesText() != "list, list with shop.Line" {
		t.Errorf("cart: %+v, %q, %q", cart, cart.HandoverText(), cart.TypesText())
	}
	for name, handover := range map[string]string{
		"when": "stays: not JSON: datetime.datetime", "seen_*": "stays: dropped", "_csrftoken": "moves", "plain": "moves", "code_4711": "moves",
	} {
		if rows[name].HandoverText() != handover {
			t.Errorf("%s: %q", name, rows[name].HandoverText())
		}
	}
	if _, dead := rows["dead"]; dead || len(rows) != 6 {
		t.Errorf("%d rows", len(rows))
	}
	if rows["when"].Class != inventory.AllowList || rows["_csrftoken"].Class != inventory.Lossless || !rows["_csrftoken"].Guess || strings.Join(r.Unknown, " ") != "plain when" {
		t.Errorf("%+v %+v %q", rows["when"], rows["_csrftoken"], r.Unknown)
	}
	if a := r.Classes[0]; a.Low < 0.9 || a.Low >= a.Share || a.High <= a.Share || a.High >= 1 {
		t.Errorf("%+v", a)
	}
	if seen := rows["seen_*"]; seen.Count != 97 {
		t.Errorf("%+v", seen)
	}
}

func TestReport_WhatIsTooLargeIsCounted(t *testing.T) {
	big := key("big", "str")
	big.Size = 70_000
	tally := inventory.NewTally(rules(t, ""), now)
	tally.Add(session(inventory.JSON, big))
	tally.Add(session(inventory.JSON, key("small", "str")))
	if r := tally.Report(inventory.Store{}); r.TooLarge.Count != 1 || r.Size.Max != 100 {
		t.Errorf("%+v", r.TooLarge)
	}
}

func TestReport_AnEmptyStoreIsNoError(t *testing.T) {
	r := inventory.NewTally(rules(t, ""), now).Report(inventory.Store{Rows: -1})
	var text, page strings.Builder
	if r.WriteText(&text) != nil || r.WriteHTML(&page) != nil || !strings.Contains(text.String(), "0 live sessions") || !strings.Contains(page.String(), "No session") {
		t.Errorf("%s", text.String())
	}
}

func TestReport_Text(t *testing.T) {
	var b strings.Builder
	if err := report(t).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"97.0 % A, 1.0 % B, 2.0 % C; 2 keys unknown\n", "about 12 345 sessions", "100 live sessions; and 1 expired", "40.0 % authenticated",
		"99.0 % under 1 day, 1.0 % never", "key 1 (SECRET_KEY)", "checkout", "django.middleware.csrf*", "stays: not JSON: datetime.datetime"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestReport_HostileNames: a key's name is what some visitor may have chosen.
func TestReport_HostileNames(t *testing.T) {
	tally := inventory.NewTally(rules(t, ""), now)
	tally.Add(session(inventory.JSON, key("<script>alert</script>", "str"), key("\x1b[2Jgone", "str"), odd("o", "dict", "<b>\x1b[1m", "<b>\x1b[1m")))
	var text, page strings.Builder
	r := tally.Report(inventory.Store{Name: "<i>"})
	if r.WriteText(&text) != nil || r.WriteHTML(&page) != nil {
		t.Fatal("not written")
	}
	if strings.Contains(text.String(), "\x1b") || strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "<b>") || strings.Contains(page.String(), "<i>") {
		t.Errorf("%s\n%s", text.String(), page.String())
	}
	if strings.Contains(page.String(), "http://") || strings.Contains(page.String(), "https://") || strings.Contains(page.String(), "src=") {
		t.Error("the page needs something from elsewhere")
	}
}

func TestReport_JSONNamesEverything(t *testing.T) {
	text, err := json.Marshal(report(t))
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Classes []struct {
			Name  string
			Share float64
		}
		Keys []struct {
			Key, Owner string
			Moves      int
		}
		Unknown []string
	}
	if err := json.Unmarshal(text, &back); err != nil || back.Classes[0].Share != 0.97 || back.Keys[0].Key != "cart" || back.Keys[0].Moves != 98 || len(back.Unknown) != 2 {
		t.Errorf("%v %s", err, text)
	}
}

// site is a bridge with a number of sessions.
type site struct {
	sessions    int
	whole       bool
	unsupported string
	fail        error
	calls       int
	rng         *rand.Rand
}

func (s *site) Sample(_ context.Context, limit int) (legacy.SampleAnswer, error) {
	if s.calls++; s.fail != nil && s.calls > 1 {
		return legacy.SampleAnswer{}, s.fail
	}
	out := legacy.SampleAnswer{Engine: "x.db", Total: -1, Live: -1, Whole: s.whole, Unsupported: s.unsupported}
	for range limit {
		id := string(rune('A' + s.rng.IntN(s.sessions)))
		out.Sessions = append(out.Sessions, legacy.SampledSession{ID: id, Format: "json", Size: 9, Expires: now.Add(time.Hour),
			Keys: []legacy.SampledKey{{Key: "cart", Type: "list", Size: 2}, {Key: "t", Type: "tuple", Odd: "tuple", Size: 2}}})
	}
	return out, nil
}

func bridged(t *testing.T, s *site, limit int) (*inventory.Report, []time.Duration, error) {
	t.Helper()
	s.rng = rand.New(rand.NewPCG(1, 2))
	var pauses []time.Duration
	tally := inventory.NewTally(rules(t, ""), now)
	plan := &inventory.Plan{Limit: limit, Rate: 100, Now: now, Rand: s.rng, Take: tally.Add, Progress: func(int) {},
		Sleep: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }}
	store, err := inventory.ThroughBridge(s).Sample(t.Context(), plan)
	return tally.Report(store), pauses, err
}

func TestBridged(t *testing.T) {
	t.Run("takes each session once, and stops when nothing new comes", func(t *testing.T) {
		s := &site{sessions: 60}
		r, pauses, err := bridged(t, s, 1000)
		if err != nil || r.Live < 55 || r.Live > 60 || s.calls > 40 || r.Keys[1].Moves+r.Keys[0].Moves != r.Live {
			t.Errorf("%v: %d live in %d calls", err, r.Live, s.calls)
		}
		if len(pauses) == 0 || pauses[0] != time.Second/2 {
			t.Errorf("50 sessions at 100 a second, and pauses of %v", pauses)
		}
	})
	t.Run("stops when everything came", func(t *testing.T) {
		s := &site{sessions: 60, whole: true}
		if r, _, err := bridged(t, s, 1000); err != nil || s.calls != 1 || !r.Store.Whole {
			t.Errorf("%v in %d calls", err, s.calls)
		}
	})
	t.Run("stops at the limit", func(t *testing.T) {
		if r, _, err := bridged(t, &site{sessions: 5000}, 40); err != nil || r.Live < 30 || r.Live > 60 {
			t.Errorf("%v: %d", err, r.Live)
		}
	})
	t.Run("a store that cannot be sampled is an error with a hint", func(t *testing.T) {
		_, _, err := bridged(t, &site{sessions: 1, unsupported: "no list"}, 40)
		if message, hint := fault.Public(err); message != "no list" || hint == "" {
			t.Error(err)
		}
	})
	t.Run("keeps what came before a failure", func(t *testing.T) {
		r, _, err := bridged(t, &site{sessions: 5000, fail: errors.New("down")}, 1000)
		if err == nil || r.Live != 50 && r.Live < 45 {
			t.Errorf("%v: %d", err, r.Live)
		}
	})
}
