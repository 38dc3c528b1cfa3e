// Package histories plays random lives of browsers against a site and checks the handover invariants
// after every response: tabs, logins, logouts, password changes, ramps, kills and their lifting, lost and
// late answers, failures of store and bridge, and a thief who copies, plants and replays cookies.
//
// Invariant: a browser knows who she is from what she did, never from what the site said, so the site
// cannot agree with itself and be wrong. Tests run the same histories against the pure decision and
// against the real edge.
package histories

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// Jar is a browser's cookies by name.
type Jar map[string]string

// Request is one request of a browser.
type Request struct {
	Path  string // "/", "/login?u=alice", "/logout", "/password"
	Entry bool   // a top-level navigation; false: a fetch from a page
	Post  bool
	Late  bool // it was sent before the answer that came last
	Twin  bool // a second legacy session cookie comes along, of a session that is long gone
}

// Response is what the browser got.
type Response struct {
	Status int
	User   string            // whom the page greets; "" for a guest
	System string            // which system rendered it
	Cart   string            // the value that the session holds under "cart"
	Set    map[string]string // cookies written
	Delete []string          // cookies deleted
	Body   string            // of an error page
}

// Site is a whole site: edge, new system and legacy, with the levers that a history pulls.
type Site interface {
	Do(Jar, Request) Response
	Ramp(share int) // percent; ignored when lower than now
	Kill(on bool)
	BridgeDown(bool)
	AnswersLost(bool)
	StoreDown(bool)
	// Lag has every other request go through an edge that has heard nothing from the control plane since.
	Lag(bool)
	Advance(time.Duration)
	// Deliver lets what is queued for the other system arrive (outboxes of both sides).
	Deliver()
	// SessionCookies are the names of the new and the legacy session cookie.
	SessionCookies() (token, legacy string)
}

// browser is one person's browser and what she knows about herself.
type browser struct {
	name string
	jar  Jar
	user string // whom she is logged in as; "" guest
	cart string // what she put into her cart; "" nothing
	// unconfirmed: an answer was lost on its way to her, or the bridge's on its way to the edge, and she has
	// not been to the site since with everything up. Her
	// cookies may be a successor behind, and then only the store can say that they still prove her: while it
	// is down she is shown as a guest, keeps every cookie, and is herself again when it is back.
	unconfirmed bool
	// doubtful: since she last put something into her cart she met a failing store or bridge, whose documented
	// answer (the counterpart, a guest view) may be older than her cart.
	doubtful bool
	// kept: her counterpart has her cart, which was put there in good times with time enough for the refresh. From
	// then on her cart is there whatever fails, wherever legacy serves her.
	kept bool
	// strayed: she may have been sent back with her counterpart and not have heard of it. It counts as served,
	// so that nothing refreshes it any more.
	strayed bool
	// twin: an older cookie of legacy's name, which another path or domain has left in her browser.
	twin    bool
	severed bool   // her login was ended elsewhere, and she has not been to the site since: her cookies are dead
	system  string // that served her last entry, or her last request under kill
}

// stolen is a copy of a jar, and whom it could prove when it was taken.
type stolen struct {
	jar  Jar
	user string
	from *browser
	// ended: the login that it was copied from was logged out or revoked since.
	ended bool
}

// History is a random history: its actions are the methods that rapid picks from.
type History struct {
	site     Site
	browsers []*browser
	thefts   []*stolen
	share    int
	killed   bool
	bridge   bool // down
	answers  bool // lost
	store    bool // down
	lag      bool // two edges answer, and one of them is behind
	serial   int
}

// NewHistory starts with three browsers that the site has never seen.
func NewHistory(site Site) *History {
	h := &History{site: site}
	for _, n := range []string{"ann", "bob", "eve"} {
		h.browsers = append(h.browsers, &browser{name: n, jar: Jar{}})
	}
	return h
}

// Actions are what can happen next.
func (h *History) Actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"navigate": h.navigate, "fetch": h.fetch, "two tabs": h.twoTabs, "lost response": h.lostResponse,
		"put in cart": h.putInCart, "log in": h.login, "log out": h.logout, "change password": h.changePassword,
		"ramp": h.ramp, "kill": h.kill, "lift": h.lift,
		"bridge fails": h.bridgeFails, "bridge heals": h.bridgeHeals, "bridge answers lost": h.answersLost,
		"an edge lags": h.edgeLags, "the edge catches up": h.edgeCatchesUp,
		"store fails": h.storeFails, "store heals": h.storeHeals, "time passes": h.timePasses,
		"steal cookies": h.steal, "replay stolen": h.replay, "plant legacy cookie": h.plant,
		"an old cookie stands beside hers": h.oldCookie, "late fetch": h.slowTab, "trouble some seconds after a purchase": h.trouble,
		"a refresh arrives late": h.lateRefresh,
	}
}

func (h *History) pick(t *rapid.T) *browser {
	return rapid.SampledFrom(h.browsers).Draw(t, "browser")
}

func (h *History) apply(b *browser, r Response) {
	if _, legacy := h.site.SessionCookies(); r.Set[legacy] != "" || slices.Contains(r.Delete, legacy) {
		b.twin = false // every variant of the name goes with it
	}
	for _, n := range r.Delete {
		delete(b.jar, n)
	}
	maps.Copy(b.jar, r.Set)
}

// do sends a request with a browser's cookies as they were. No old cookie comes along while an edge lags: of two
// tabs, one edge would leave the one legacy cookie that counts and the other one exchange it, and until the
// next entry there are both.
func (h *History) do(b *browser, jar Jar, q Request) Response {
	q.Twin = b.twin && !h.lag
	return h.site.Do(maps.Clone(jar), q)
}

// send makes a request and applies its cookies, then checks what every response must keep.
func (h *History) send(t *rapid.T, b *browser, q Request) Response {
	r := h.do(b, b.jar, q)
	h.apply(b, r)
	h.check(t, b, q, r)
	return r
}

// check holds one response against the invariants.
func (h *History) check(t *rapid.T, b *browser, q Request, r Response) {
	t.Helper()
	where := fmt.Sprintf("%s %s (entry %v) as %q on %s; killed %v, bridge down %v, answers lost %v, store down %v, an edge lags %v",
		b.name, q.Path, q.Entry, r.User, r.System, h.killed, h.bridge, h.answers, h.store, h.lag)
	if r.Status >= 500 {
		t.Fatalf("I7: status %d: %s: %s", r.Status, where, r.Body)
	}
	if r.Status >= 400 && q.Entry {
		t.Fatalf("I7: a page is refused with %d: %s: %s", r.Status, where, r.Body)
	}
	if q.Entry {
		b.severed = false
	}
	h.checkCookies(t, b, where)
	h.checkSystem(t, b, q, r, where)
	if r.Status >= 400 {
		return // refused with a reason, and nothing was changed: she tries again
	}
	if r.User == "" && b.unconfirmed && h.store {
		return
	}
	if q.Entry && !h.store {
		b.unconfirmed = h.answers || b.unconfirmed && h.bridge
	}
	if r.User != b.user {
		if b.user != "" {
			t.Fatalf("I2: %q was logged in and is %q: %s\njar %v", b.user, r.User, where, slices.Sorted(maps.Keys(b.jar)))
		}
		t.Fatalf("I4: a guest is served as %q: %s", r.User, where)
	}
	b.doubtful = b.doubtful || h.store || h.bridge || h.answers
	certain := !b.doubtful || b.kept && r.System == "legacy"
	if !q.Post && b.cart != "" && r.Cart != b.cart && certain {
		t.Fatalf("cart lost: had %q, sees %q: %s", b.cart, r.Cart, where)
	}
}

// checkCookies: no response leaves two session cookies (I1). With the store down nothing can be judged.
func (h *History) checkCookies(t *rapid.T, b *browser, where string) {
	t.Helper()
	token, legacy := h.site.SessionCookies()
	if b.jar[token] != "" && b.jar[legacy] != "" && !h.store {
		t.Fatalf("I1: both session cookies are in the browser: %s", where)
	}
}

// checkSystem: only an entry changes systems, and the kill switch (I6). What was already on its way, and
// what met a fault, may be served where its session is.
func (h *History) checkSystem(t *rapid.T, b *browser, q Request, r Response, where string) {
	t.Helper()
	switch {
	case r.System == "":
	case q.Entry || h.killed:
		b.system = r.System
	case h.lag: // one of the edges may be under a kill that the other one knows nothing of
		b.system = r.System
	case b.doubtful:
		// While the store was down an entry may have been served by legacy beside a token of new, whose
		// session is there again now: she goes on where it is, and from now on that is her system.
		b.system = r.System
	case q.Late || b.unconfirmed || h.store || b.system == "":
	case r.System != b.system:
		t.Fatalf("I6: served by %s, the last entry was on %s: %s", r.System, b.system, where)
	}
}

func (h *History) navigate(t *rapid.T) { h.send(t, h.pick(t), Request{Path: "/", Entry: true}) }
func (h *History) fetch(t *rapid.T)    { h.send(t, h.pick(t), Request{Path: "/"}) }

// twoTabs sends two navigations with the same cookies; the answers arrive in either order.
func (h *History) twoTabs(t *rapid.T) {
	b := h.pick(t)
	q := Request{Path: "/", Entry: true}
	jar := maps.Clone(b.jar)
	first, second := h.do(b, jar, q), h.do(b, jar, q)
	if rapid.Bool().Draw(t, "second answer arrives first") {
		first, second = second, first
	}
	h.apply(b, first)
	h.check(t, b, q, first)
	h.apply(b, second)
	h.check(t, b, q, second)
	h.send(t, b, q)
}

// slowTab is a fetch that leaves before a navigation and is answered after it.
func (h *History) slowTab(t *rapid.T) {
	b := h.pick(t)
	jar := maps.Clone(b.jar)
	h.send(t, b, Request{Path: "/", Entry: true})
	late := h.do(b, jar, Request{Path: "/"})
	h.apply(b, late)
	h.check(t, b, Request{Path: "/", Late: true}, late)
	h.send(t, b, Request{Path: "/", Entry: true})
}

// lostResponse is a navigation whose answer the browser never gets.
func (h *History) lostResponse(t *rapid.T) {
	b := h.pick(t)
	h.do(b, b.jar, Request{Path: "/", Entry: true})
	b.unconfirmed = true
	b.strayed = b.strayed || h.store || h.bridge || h.answers
}

func (h *History) putInCart(t *rapid.T) { h.put(t, h.pick(t)) }

func (h *History) put(t *rapid.T, b *browser) {
	if b.unconfirmed && h.store {
		return // shown as a guest, she would begin a guest's session in the place of her own
	}
	h.serial++
	b.kept = false
	v := fmt.Sprint(h.serial)
	if r := h.send(t, b, Request{Path: "/put?v=" + v, Post: true}); r.Status < 300 {
		b.cart, b.doubtful = v, h.store || h.bridge || h.answers
	}
}

// login happens on a page that was navigated to, as people do it.
func (h *History) login(t *rapid.T) { h.logIn(t, h.pick(t)) }

func (h *History) logIn(t *rapid.T, b *browser) {
	if b.user != "" {
		return
	}
	h.send(t, b, Request{Path: "/", Entry: true})
	user := rapid.SampledFrom([]string{"alice", "bernd", "carla"}).Draw(t, "user")
	r := h.do(b, b.jar, Request{Path: "/login?u=" + user, Post: true})
	h.apply(b, r)
	h.checkCookies(t, b, "after a login")
	if r.Status < 300 {
		b.user, b.kept, b.strayed = user, false, false
	}
	h.send(t, b, Request{Path: "/", Entry: true})
}

func (h *History) logout(t *rapid.T) {
	b := h.pick(t)
	if b.user == "" || b.unconfirmed && h.store {
		return // a guest is shown no way out
	}
	r := h.do(b, b.jar, Request{Path: "/logout", Post: true})
	h.apply(b, r)
	h.checkCookies(t, b, "after a logout")
	if r.Status >= 300 {
		t.Fatalf("logout answered %d", r.Status)
	}
	h.ended(func(s *stolen) bool { return s.from == b && s.user == b.user })
	b.user, b.cart, b.kept = "", "", false
	h.site.Deliver()
	h.send(t, b, Request{Path: "/", Entry: true})
}

// changePassword ends every other session of the same user, in both systems.
func (h *History) changePassword(t *rapid.T) {
	b := h.pick(t)
	if b.user == "" || h.bridge || h.answers || h.store {
		return
	}
	h.send(t, b, Request{Path: "/", Entry: true})
	b.kept = false
	r := h.do(b, b.jar, Request{Path: "/password", Post: true})
	h.apply(b, r)
	h.checkCookies(t, b, "after a password change")
	if r.Status >= 300 {
		t.Fatalf("password change answered %d", r.Status)
	}
	for _, other := range h.browsers {
		if other != b && other.user == b.user {
			other.user, other.cart, other.severed = "", "", true
		}
	}
	h.ended(func(s *stolen) bool { return s.user == b.user })
	h.site.Deliver()
	h.send(t, b, Request{Path: "/", Entry: true})
}

func (h *History) ended(which func(*stolen) bool) {
	for _, s := range h.thefts {
		if which(s) {
			s.ended = true
		}
	}
}

func (h *History) ramp(t *rapid.T) {
	next := rapid.SampledFrom([]int{10, 100, 100, 100}).Draw(t, "share")
	if next > h.share && !h.killed {
		h.share = next
		h.site.Ramp(next)
	}
}

func (h *History) kill(*rapid.T)        { h.killed = true; h.site.Kill(true) }
func (h *History) lift(*rapid.T)        { h.killed = false; h.site.Kill(false) }
func (h *History) bridgeFails(*rapid.T) { h.bridge = true; h.site.BridgeDown(true) }
func (h *History) storeFails(*rapid.T)  { h.store = true; h.site.StoreDown(true) }
func (h *History) answersLost(*rapid.T) { h.answers = true; h.site.AnswersLost(true) }
func (h *History) bridgeHeals(*rapid.T) {
	h.bridge, h.answers = false, false
	h.site.BridgeDown(false)
	h.site.AnswersLost(false)
	h.site.Deliver()
}
func (h *History) storeHeals(*rapid.T) {
	h.store = false
	h.site.StoreDown(false)
	h.site.Advance(10 * time.Second) // until a breaker has tried again
	h.site.Deliver()
}

func (h *History) edgeLags(*rapid.T)      { h.lag = true; h.site.Lag(true) }
func (h *History) edgeCatchesUp(*rapid.T) { h.lag = false; h.site.Lag(false) }

func (h *History) timePasses(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 40 * time.Second, 10 * time.Minute}).Draw(t, "d")
	h.pass(d)
}

// oldCookie is what a changed cookie domain leaves behind.
func (h *History) oldCookie(t *rapid.T) {
	b := h.pick(t)
	_, legacy := h.site.SessionCookies()
	b.twin = b.jar[legacy] != ""
}

// steal copies a browser's cookies, as malware or a shared computer would.
func (h *History) steal(t *rapid.T) {
	b := h.pick(t)
	h.thefts = append(h.thefts, &stolen{jar: maps.Clone(b.jar), user: b.user, from: b})
}

// replay shows stolen cookies. While the login lives a bearer is a bearer; nobody can tell. After it
// ended they must prove nothing, and never may they prove anybody else.
func (h *History) replay(t *rapid.T) {
	if len(h.thefts) == 0 {
		return
	}
	s := rapid.SampledFrom(h.thefts).Draw(t, "theft")
	r := h.site.Do(maps.Clone(s.jar), Request{Path: "/", Entry: rapid.Bool().Draw(t, "entry")})
	if !s.ended {
		h.replace(s.from)
	}
	if r.User == "" {
		return
	}
	if s.ended {
		t.Fatalf("I3: cookies of a login that ended are served as %q on %s (killed %v)", r.User, r.System, h.killed)
	}
	if r.User != s.user {
		t.Fatalf("I4: stolen cookies that proved %q are served as %q", s.user, r.User)
	}
}

// replace sends a browser away for good, and a new person comes. A bearer of live cookies can move or
// close what he bears, so nothing can be expected any more of the browser that he took them from.
func (h *History) replace(b *browser) {
	if i := slices.Index(h.browsers, b); i >= 0 {
		h.browsers[i] = &browser{name: b.name + "'", jar: Jar{}}
	}
}

// plant sets the attacker's own legacy cookie in a browser whose session is on new. (A browser without any
// session of its own carries a planted legacy cookie to legacy, as it did before there was a Crossfade.)
func (h *History) plant(t *rapid.T) {
	b, eve := h.browsers[rapid.IntRange(0, 1).Draw(t, "victim")], h.browsers[2]
	token, legacy := h.site.SessionCookies()
	if b.jar[token] == "" || b.severed || eve.jar[legacy] == "" || h.store || h.bridge || h.answers {
		return
	}
	b.jar[legacy] = eve.jar[legacy]
	h.send(t, b, Request{Path: "/", Entry: true})
}
