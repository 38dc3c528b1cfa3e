package realsite

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

const legacyCookie = "sessionid"

// free in claim "ret" says that the legacy key has no successor.
const free = "ffffffffffffffffffffffffffffffff"

// application is the faked legacy application as the edge sees it, and the new service too: it greets
// whom the context or its own session names. It is an [http.RoundTripper], so nothing crosses a socket.
type application struct {
	site     *legacySite
	sessions *session.Manager
	ring     *keyring.Ring
	now      func() time.Time
	// undelivered are ends that legacy did while the session API was down.
	undelivered []session.End
}

// statement is what the application reads from the context. It trusts the edge here: signatures are
// tested elsewhere.
type statement struct {
	System    string `json:"sys"`
	Session   string `json:"sid"`
	Subject   string `json:"sub"`
	Visitor   string `json:"vid"`
	Mark      uint64 `json:"mark"`
	Unwritten bool   `json:"unwritten"`
	GuestIat  int64  `json:"gi"`
	GuestExp  int64  `json:"gx"`
	GuestBorn uint64 `json:"gb"`
	ReadOnly  bool   `json:"ro"`
	Return    string `json:"ret"`
	Lent      bool   `json:"lent"`
}

type greeting struct {
	User   string `json:"user"`
	System string `json:"system"`
	Cart   string `json:"cart"`
}

// RoundTrip implements [http.RoundTripper].
func (a *application) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a.serve(w, r)
	res := w.Result()
	res.Request = r
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return res, nil
}

func (a *application) serve(w http.ResponseWriter, r *http.Request) {
	var s statement
	if parts := strings.Split(r.Header.Get("Crossfade-Context"), "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if err := json.Unmarshal(text, &s); err != nil {
			http.Error(w, "broken context", http.StatusInternalServerError)
			return
		}
	}
	if s.System == "new" {
		a.serveNew(w, r, s)
		return
	}
	a.site.mu.Lock()
	defer a.site.mu.Unlock()
	a.serveLegacy(w, r, s)
}

func answer(w http.ResponseWriter, g greeting) {
	w.Header().Set("Content-Type", "text/html")
	json.NewEncoder(w).Encode(g)
}

// serveNew is the application with its session in Crossfade.
func (a *application) serveNew(w http.ResponseWriter, r *http.Request, s statement) {
	ctx := r.Context()
	id, _ := session.ParseID(s.Session)
	visitor, _ := session.ParseVisitorID(s.Visitor)
	var guest *session.GuestProof
	if s.Unwritten {
		guest = &session.GuestProof{ID: id, Visitor: visitor, Issued: time.Unix(s.GuestIat, 0), ExpiresAt: time.Unix(s.GuestExp, 0), Born: session.Mark(s.GuestBorn)}
	}
	fail := func(err error) { http.Error(w, err.Error(), http.StatusConflict) }
	switch r.URL.Path {
	case "/put":
		if s.ReadOnly || id == (session.ID{}) {
			fail(fmt.Errorf("no session to write to"))
			return
		}
		p, err := a.sessions.Patch(ctx, session.Patch{ID: id, Guest: guest, Set: map[string]json.RawMessage{"cart": quote(r.FormValue("v"))}})
		if err != nil {
			fail(err)
			return
		}
		a.hand(w, id, p.Replace)
		answer(w, greeting{User: s.Subject, System: "new"})
	case "/login":
		a.loginNew(w, r, s, id, guest, visitor)
	case "/logout":
		a.logoutNew(w, r, id)
	case "/password":
		a.passwordNew(w, r, s, id)
	default:
		g := greeting{User: s.Subject, System: "new"}
		if id != (session.ID{}) && !s.Unwritten {
			if _, attrs, err := a.sessions.Read(ctx, id); err == nil {
				json.Unmarshal(attrs["cart"].Value, &g.Cart)
			}
		}
		answer(w, g)
	}
}

func quote(s string) json.RawMessage {
	text, _ := json.Marshal(s)
	return text
}

func (a *application) hand(w http.ResponseWriter, from session.ID, issued *session.Issued) {
	if issued == nil {
		return
	}
	s := issued.Session
	w.Header().Set(handoff.Header, handoff.Seal(a.ring, handoff.Handoff{From: from, Token: issued.Token, Lineage: s.Lineage,
		Subject: s.Subject, LegacyKey: s.LegacyKey, LegacyExpires: s.LegacyExpires, Expires: s.ExpiresAt, Transient: s.Transient}, a.now()))
}

// counterpart makes the legacy session beside a new one, as the client package does at login.
func (a *application) counterpart(subject string, s statement, born session.Mark) (string, *row) {
	visitor, _ := session.ParseVisitorID(s.Visitor)
	key := a.site.newKey()
	r := &row{data: map[string]json.RawMessage{}, subject: subject, hash: a.site.passwords[subject], auth: a.now(),
		born: born, visitor: visitor, expires: a.now().Add(legacyLife)}
	a.site.rows[key] = r
	return key, r
}

func (a *application) loginNew(w http.ResponseWriter, r *http.Request, s statement, id session.ID, guest *session.GuestProof, visitor session.VisitorID) {
	a.site.mu.Lock()
	defer a.site.mu.Unlock()
	user := r.FormValue("u")
	key, row := a.counterpart(user, s, session.Mark(s.Mark))
	issued, err := a.sessions.Upgrade(r.Context(), session.Upgrade{ID: id, Guest: guest, Visitor: visitor, Subject: user, AuthTime: a.now(),
		Methods: []string{"pwd"}, Born: session.Mark(s.Mark), LegacyKey: key, LegacyExpires: row.expires,
		Set: map[string]json.RawMessage{"_auth_user_hash": hashJSON(row.hash)}})
	if err != nil {
		delete(a.site.rows, key)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	row.lineage, row.gen, row.version, row.kept = issued.Session.Lineage, issued.Session.Generation, issued.Session.Version, true
	a.hand(w, id, &issued)
	answer(w, greeting{User: user, System: "new"})
}

func (a *application) logoutNew(w http.ResponseWriter, r *http.Request, id session.ID) {
	a.site.mu.Lock()
	defer a.site.mu.Unlock()
	if s, _, err := a.sessions.Read(r.Context(), id); err == nil {
		a.site.endLineage(s.Lineage)
	}
	a.end(r.Context(), session.End{ID: id, Reason: "logout", LegacyDone: true})
	w.Header().Set(handoff.EndHeader, "logout")
	answer(w, greeting{System: "new"})
}

// end reports an end that legacy has done, now or, when the API is down, later.
func (a *application) end(ctx context.Context, e session.End) {
	if _, err := a.sessions.End(ctx, e); err != nil {
		a.undelivered = append(a.undelivered, e)
	}
}

// endLineage removes a lineage's rows and leaves a tombstone.
func (s *legacySite) endLineage(l session.Lineage) {
	if l.IsZero() {
		return
	}
	s.tombs[l] = true
	for key, r := range s.rows {
		if r.lineage == l {
			delete(s.rows, key)
		}
	}
}

// passwordNew changes the password; this session stays, all others of the user end.
func (a *application) passwordNew(w http.ResponseWriter, r *http.Request, s statement, id session.ID) {
	a.site.mu.Lock()
	defer a.site.mu.Unlock()
	a.site.passwords[s.Subject]++
	current, err := a.sessions.Get(r.Context(), id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	key, row := a.counterpart(s.Subject, s, session.Mark(s.Mark))
	row.lineage = current.Lineage
	issued, err := a.sessions.StepUp(r.Context(), session.StepUp{ID: id, AuthTime: a.now(), Methods: []string{"pwd"}, LegacyKey: key,
		LegacyExpires: row.expires, Set: map[string]json.RawMessage{"_auth_user_hash": hashJSON(row.hash)}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	row.gen, row.version, row.kept = issued.Session.Generation, issued.Session.Version, true
	a.end(r.Context(), session.End{Subject: s.Subject, Except: id, Reason: "password", LegacyDone: true})
	a.hand(w, id, &issued)
	answer(w, greeting{User: s.Subject, System: "new"})
}

// serveLegacy is the application with its own sessions. The site's lock is held.
func (a *application) serveLegacy(w http.ResponseWriter, r *http.Request, s statement) {
	key := ""
	if c, err := r.Cookie(legacyCookie); err == nil {
		key = c.Value
	}
	row := a.site.load(key)
	moved := row != nil && !a.site.handed[key].IsZero()
	if moved && s.Return != a.site.handed[key].String() && s.Return != free {
		row, moved = nil, false // handed over, and the edge does not let it return
	}
	if row != nil && !s.Lent {
		row.kept = false // a browser has it: hers from now on
	}
	switch r.URL.Path {
	case "/put":
		a.putLegacy(w, r, s, key, row, moved)
	case "/login":
		a.loginLegacy(w, r, s, key, row)
	case "/logout":
		if row != nil {
			delete(a.site.rows, key)
			if !row.lineage.IsZero() {
				a.site.endLineage(row.lineage)
				a.end(r.Context(), session.End{Lineage: row.lineage, Reason: "logout", LegacyDone: true})
			}
		}
		http.SetCookie(w, &http.Cookie{Name: legacyCookie, Path: "/", MaxAge: -1})
		answer(w, greeting{System: "legacy"})
	case "/password":
		a.passwordLegacy(w, r, s, key, row)
	default:
		g := greeting{System: "legacy"}
		if row != nil {
			g.User = row.subject
			json.Unmarshal(row.data["cart"], &g.Cart)
		}
		answer(w, g)
	}
}

func (a *application) issue(w http.ResponseWriter, key string) {
	http.SetCookie(w, &http.Cookie{Name: legacyCookie, Value: key, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (a *application) putLegacy(w http.ResponseWriter, r *http.Request, s statement, key string, rw *row, moved bool) {
	value := quote(r.FormValue("v"))
	if moved && s.Return != free {
		// A save on a session that has moved becomes a patch to the new one.
		if _, err := a.sessions.Patch(r.Context(), session.Patch{Lineage: a.site.handed[key], Set: map[string]json.RawMessage{"cart": value}}); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
	}
	if rw == nil {
		visitor, _ := session.ParseVisitorID(s.Visitor)
		rw = &row{data: map[string]json.RawMessage{}, born: session.Mark(s.Mark), visitor: visitor, expires: a.now().Add(legacyLife)}
		key = a.site.newKey()
		a.site.rows[key] = rw
		a.issue(w, key)
	}
	rw.data["cart"] = value
	answer(w, greeting{User: rw.subject, System: "legacy"})
}

func (a *application) loginLegacy(w http.ResponseWriter, r *http.Request, s statement, key string, old *row) {
	user := r.FormValue("u")
	fresh, rw := a.counterpart(user, s, session.Mark(s.Mark))
	if old != nil {
		rw.data = cloneData(old.data)
		delete(a.site.rows, key)
	}
	a.issue(w, fresh)
	answer(w, greeting{User: user, System: "legacy"})
}

func (a *application) passwordLegacy(w http.ResponseWriter, r *http.Request, s statement, key string, rw *row) {
	if rw == nil || rw.subject == "" {
		http.Error(w, "log in first", http.StatusForbidden)
		return
	}
	a.site.passwords[rw.subject]++
	fresh := *rw
	fresh.hash, fresh.born, fresh.auth, fresh.lineage = a.site.passwords[rw.subject], session.Mark(s.Mark), a.now(), session.Lineage{}
	delete(a.site.rows, key)
	k := a.site.newKey()
	a.site.rows[k] = &fresh
	a.end(r.Context(), session.End{Subject: rw.subject, Reason: "password", LegacyDone: true})
	// This session stays: it is born after the mark that ended the others.
	fresh.born = a.sessions.CurrentMark()
	a.issue(w, k)
	answer(w, greeting{User: rw.subject, System: "legacy"})
}
