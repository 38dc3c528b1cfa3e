package edge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

type leftBehind = legacy.LeftBehind

// row is a legacy session.
type row struct {
	kind     session.Kind
	subject  string
	lineage  session.Lineage
	visitor  session.VisitorID
	authTime time.Time
	born     session.Mark
	expires  time.Time
	moved    bool
	kept     bool // a counterpart that no browser was seen with
	closing  bool // the browser keeps it until it is closed
	gen      uint32
	version  uint64
	data     map[string]json.RawMessage
}

// django is the legacy application and its bridge: as the client package behaves, in a few lines.
type django struct {
	*site
	mu    sync.Mutex
	rows  map[string]*row
	ended map[session.Lineage]bool
	keys  int

	bridgeDown bool // calls time out
	refused    bool // nobody listens: certainly not carried out
	loseAnswer bool // calls are carried out, their answers are lost
	changed    bool // the user's password changed: a restore is refused for good
	calls      []string
	during     func(method string) // runs inside bridge calls
}

func newDjango(s *site) *django {
	return &django{site: s, rows: map[string]*row{}, ended: map[session.Lineage]bool{}}
}

var errTimeout = fault.Wrap(context.DeadlineExceeded, fault.Unavailable, "legacy did not answer")

// call does what happens to every bridge call, and answers an error for one that is not carried out.
func (d *django) call(method string) error {
	if d.during != nil {
		d.during(method)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, method)
	switch {
	case d.refused:
		return fault.Wrap(&net.OpError{Op: "dial", Err: errors.New("connection refused")}, fault.Unavailable, "legacy cannot be reached")
	case d.bridgeDown:
		return errTimeout
	}
	return nil
}

func (d *django) lost() error {
	if d.loseAnswer {
		return errTimeout
	}
	return nil
}

func (d *django) view(key string) legacy.View {
	r := d.rows[key]
	if r == nil || !r.expires.After(d.clock.Now()) {
		return legacy.View{}
	}
	return legacy.View{
		Found: true, Moved: r.moved, Ended: d.ended[r.lineage] && !r.lineage.IsZero(), Kind: r.kind, Subject: r.subject,
		Lineage: r.lineage, Visitor: r.visitor, AuthTime: r.authTime, Born: r.born, Expires: r.expires,
		Transient: r.closing,
	}
}

func (d *django) Inspect(_ context.Context, key string) (legacy.View, error) {
	if err := d.call("inspect"); err != nil {
		return legacy.View{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view(key), d.lost()
}

func (d *django) Exchange(_ context.Context, in legacy.ExchangeCall) (legacy.ExchangeAnswer, error) {
	if err := d.call("exchange"); err != nil {
		return legacy.ExchangeAnswer{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rows[in.Key]
	v := d.view(in.Key)
	if !v.Found || v.Ended {
		return legacy.ExchangeAnswer{View: v}, d.lost()
	}
	if r.lineage.IsZero() {
		r.lineage = in.Lineage
	}
	r.moved = true
	out := legacy.ExchangeAnswer{View: d.view(in.Key), Idle: 14 * 24 * time.Hour, Data: maps.Clone(r.data)}
	out.LeftBehind = []legacy.LeftBehind{}
	if r.kind == session.Authenticated {
		copied := *r
		copied.moved, copied.kept, copied.data = false, true, maps.Clone(r.data)
		if d.rows[in.Counterpart] == nil {
			d.rows[in.Counterpart] = &copied
		}
		out.Counterpart = in.Counterpart
	}
	return out, d.lost()
}

func (d *django) Restore(_ context.Context, in legacy.RestoreCall) (legacy.RestoreAnswer, error) {
	if err := d.call("restore:" + string(in.Purpose)); err != nil {
		return legacy.RestoreAnswer{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed && in.Purpose == legacy.Counterpart {
		return legacy.RestoreAnswer{Reason: "auth_hash"}, d.lost()
	}
	if d.ended[in.Lineage] || d.changed {
		return legacy.RestoreAnswer{Ended: true, Reason: "tombstone"}, d.lost()
	}
	if old := d.rows[in.Key]; old != nil && in.Purpose == legacy.Counterpart {
		switch {
		case !old.kept || old.moved:
			return legacy.RestoreAnswer{Reason: legacy.KeptServed}, d.lost()
		case old.gen > in.Generation || old.gen == in.Generation && old.version > in.Version:
			return legacy.RestoreAnswer{Reason: legacy.KeptNewer}, d.lost()
		}
	}
	d.rows[in.Key] = &row{
		kept: in.Purpose == legacy.Counterpart, gen: in.Generation, version: in.Version,
		kind: in.Kind, subject: in.Subject, lineage: in.Lineage, visitor: in.Visitor, authTime: in.AuthTime,
		born: in.Born, expires: in.Expires, data: maps.Clone(in.Data), closing: in.Transient,
	}
	return legacy.RestoreAnswer{Restored: true}, d.lost()
}

func (d *django) End(_ context.Context, in legacy.EndCall) (legacy.EndAnswer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended[in.Lineage] = true
	return legacy.EndAnswer{Ended: 1}, nil
}

// add makes a legacy session as it was before Crossfade, or stamped.
func (d *django) add(subject string, stamp session.VisitorID, data ...string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys++
	key := fmt.Sprintf("legacykey%023d", d.keys)
	r := &row{kind: session.Guest, subject: subject, visitor: stamp, expires: d.clock.Now().Add(14 * 24 * time.Hour), data: map[string]json.RawMessage{}}
	if subject != "" {
		r.kind, r.authTime = session.Authenticated, d.clock.Now().Add(-time.Hour)
		r.data["_auth_user_id"] = json.RawMessage(`"` + subject + `"`)
		r.born = d.sessions.CurrentMark()
	}
	for i := 0; i+1 < len(data); i += 2 {
		r.data[data[i]] = json.RawMessage(data[i+1])
	}
	d.rows[key] = r
	return key
}

// who is what an application found out about a visitor.
type who struct {
	Upstream string
	Subject  string
	Key      string // the legacy session cookie that arrived
	Cookies  string
	Header   http.Header
	Query    string
	Form     string
	Claims   contextjwt.Claims
	Data     map[string]string
}

func (s *site) read(name string, r *http.Request) who {
	w := who{Upstream: name, Cookies: r.Header.Get("Cookie"), Header: r.Header, Query: r.URL.RawQuery, Form: readAll(r.Body), Data: map[string]string{}}
	verifier := must(contextjwt.NewVerifier(contextjwt.VerifierConfig{Keys: contextjwt.RingKeys(s.ring), Clock: s.clock.Now}))
	if c, err := verifier.Verify(r.Context(), r.Header.Get("Crossfade-Context"), name); err == nil {
		w.Claims = *c
	}
	if all := r.CookiesNamed("sessionid"); len(all) > 0 {
		w.Key = all[len(all)-1].Value // as Django: the last one counts
	}
	if !w.Claims.Session.IsZero() {
		w.Subject = w.Claims.Subject
		if w.Claims.Unwritten {
			return w
		}
		if _, attributes, err := s.sessions.Read(r.Context(), session.ID(w.Claims.Session)); err == nil {
			for k, a := range attributes {
				w.Data[k] = string(a.Value)
			}
		}
	}
	return w
}

func reply(w http.ResponseWriter, v who) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// ServeHTTP is the legacy application.
func (d *django) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := d.site.read("django", r)
	if v.Key != "" {
		d.load(&v)
	}
	if headers := r.URL.Query()["header"]; headers != nil {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
	}
	q := r.URL.Query()
	switch {
	case q.Has("fail"):
		w.WriteHeader(599)
		return
	case q.Has("status"):
		code, _ := strconv.Atoi(q.Get("status"))
		w.WriteHeader(code)
		return
	case q.Has("csrf"):
		http.SetCookie(w, &http.Cookie{Name: "csrftoken", Value: "token-of-the-form", Path: "/"})
	case q.Has("login"):
		d.login(w, &v, q.Get("login"), q.Has("raw"), q.Has("forget"))
	case q.Has("logout"):
		d.logout(w, &v)
	case q.Has("password"):
		d.password(w, &v)
	case q.Has("set"):
		if v.Claims.Session.IsZero() {
			d.write(w, &v, q.Get("set"))
		} else {
			d.site.patch(w, &v, q.Get("set"))
		}
	}
	reply(w, v)
}

// load serves a legacy session as the client package does: a moved row only when the context allows it.
func (d *django) load(v *who) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rows[v.Key]
	if r == nil || d.ended[r.lineage] && !r.lineage.IsZero() || !r.expires.After(d.clock.Now()) {
		return
	}
	if r.moved && session.Lineage(v.Claims.Return) != r.lineage && v.Claims.Return != free {
		return
	}
	r.moved = false
	r.kept = r.kept && v.Claims.Lent
	v.Subject = r.subject
	for k, x := range r.data {
		v.Data[k] = string(x)
	}
}

// free is the claim "ret" of a key without a successor.
var free = func() (id contextjwt.ID) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}()

func (d *django) login(w http.ResponseWriter, v *who, subject string, raw, transient bool) {
	stamp := session.VisitorID(v.Claims.Visitor)
	if v.Claims.System == contextjwt.New && !raw {
		key := d.add(subject, stamp)
		in := session.Upgrade{Visitor: stamp, Subject: subject, Born: session.Mark(v.Claims.Mark), LegacyKey: key, LegacyExpires: d.clock.Now().Add(14 * 24 * time.Hour)}
		in.Transient = &transient
		d.site.address(v, &in.ID, &in.Guest)
		issued, err := d.sessions.Upgrade(context.Background(), in)
		if err != nil {
			panic(err)
		}
		d.mu.Lock()
		d.rows[key].lineage, d.rows[key].kept = issued.Session.Lineage, true
		d.mu.Unlock()
		d.site.hand(w, v, issued)
		v.Subject = subject
		return
	}
	key := d.add(subject, stamp)
	d.mu.Lock()
	d.rows[key].born, d.rows[key].authTime = session.Mark(v.Claims.Mark), d.clock.Now()
	if old := d.rows[v.Key]; old != nil && v.Subject == "" {
		for k, x := range old.data {
			d.rows[key].data[k] = x
		}
	}
	delete(d.rows, v.Key)
	d.mu.Unlock()
	v.Subject = subject
	setLegacy(w, key)
}

// password changes it on new: a new secret first, then the end of all other sessions of the subject.
func (d *django) password(w http.ResponseWriter, v *who) {
	id := session.ID(v.Claims.Session)
	key := d.add(v.Subject, session.VisitorID(v.Claims.Visitor))
	issued, err := d.sessions.StepUp(context.Background(), session.StepUp{ID: id, AuthTime: d.clock.Now(), LegacyKey: key, LegacyExpires: d.clock.Now().Add(14 * 24 * time.Hour)})
	if err != nil {
		panic(err)
	}
	d.mu.Lock()
	d.rows[key].lineage = issued.Session.Lineage
	d.mu.Unlock()
	if _, err := d.sessions.End(context.Background(), session.End{Subject: v.Subject, Except: id, Reason: "password", LegacyDone: true}); err != nil {
		panic(err)
	}
	d.site.hand(w, v, issued)
}

func setLegacy(w http.ResponseWriter, key string) {
	http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: key, Path: "/", MaxAge: 1209600, HttpOnly: true, Secure: true})
}

func (d *django) logout(w http.ResponseWriter, v *who) {
	if !v.Claims.Session.IsZero() {
		if _, err := d.sessions.End(context.Background(), session.End{ID: session.ID(v.Claims.Session), Reason: "logout"}); err != nil {
			panic(err)
		}
		w.Header().Set(handoff.EndHeader, "logout")
		return
	}
	d.mu.Lock()
	if r := d.rows[v.Key]; r != nil && !r.lineage.IsZero() {
		d.ended[r.lineage] = true
	}
	delete(d.rows, v.Key)
	d.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: "", Path: "/", MaxAge: -1})
}

func (d *django) write(w http.ResponseWriter, v *who, value string) {
	if d.rows[v.Key] == nil || v.Key == "" {
		v.Key = d.add("", session.VisitorID(v.Claims.Visitor))
		setLegacy(w, v.Key)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[v.Key].data["cart"] = json.RawMessage(value)
	v.Data["cart"] = value
}

// shop is a new service: it knows the context and the session API alone.
type shop struct{ *site }

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := "shop"
	if len(r.URL.Path) > 9 && r.URL.Path[:10] == "/stranger/" {
		name = "stranger"
	}
	v := s.site.read(name, r)
	q := r.URL.Query()
	if headers := q["header"]; headers != nil {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
	}
	if q.Has("set") {
		s.site.patch(w, &v, q.Get("set"))
	}
	if q.Has("fail") {
		w.WriteHeader(599)
		return
	}
	reply(w, v)
}

// address names the session of a context for the session plane.
func (s *site) address(v *who, id *session.ID, guest **session.GuestProof) {
	*id = session.ID(v.Claims.Session)
	if v.Claims.Unwritten {
		*guest = &session.GuestProof{
			ID: *id, Visitor: session.VisitorID(v.Claims.Visitor), Issued: time.Unix(v.Claims.GuestIssued, 0),
			ExpiresAt: time.Unix(v.Claims.GuestExpires, 0), Born: session.Mark(v.Claims.GuestBorn),
		}
	}
}

func (s *site) patch(w http.ResponseWriter, v *who, value string) {
	in := session.Patch{Set: map[string]json.RawMessage{"cart": json.RawMessage(value)}}
	s.address(v, &in.ID, &in.Guest)
	out, err := s.sessions.Patch(context.Background(), in)
	if err != nil {
		w.Header().Set("X-Patch-Error", err.Error())
		return
	}
	v.Data["cart"] = value
	if out.Replace != nil {
		s.hand(w, v, *out.Replace)
	}
}

func (s *site) hand(w http.ResponseWriter, v *who, issued session.Issued) {
	w.Header().Set(handoff.Header, handoff.Seal(s.ring, handoff.Handoff{
		From: session.ID(v.Claims.Session), Token: issued.Token, Lineage: issued.Session.Lineage, Subject: issued.Session.Subject,
		LegacyKey: issued.Session.LegacyKey, LegacyExpires: issued.Session.LegacyExpires, Expires: issued.Session.ExpiresAt,
		Transient: issued.Session.Transient,
	}, s.clock.Now()))
}
