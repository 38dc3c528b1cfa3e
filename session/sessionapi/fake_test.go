package sessionapi_test

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// fakeManager keeps sessions in a map and remembers what it was asked to change. It knows no rule of the
// real manager: these tests are about what reaches the manager and what comes back.
type fakeManager struct {
	now      func() time.Time
	sessions map[session.ID]*session.Session
	attrs    map[session.ID]map[string]session.Attribute
	worth    session.Resolution
	mark     session.Mark

	patch   *session.Patch
	upgrade *session.Upgrade
	stepUp  *session.StepUp
	end     *session.End
	rotated session.ID
	fail    error
}

func (m *fakeManager) Resolve(context.Context, string) session.Resolution { return m.worth }
func (m *fakeManager) CurrentMark() session.Mark                          { return m.mark }

func (m *fakeManager) NewGuest(v session.VisitorID) session.Issued {
	now := m.now()
	id := session.ID{0xee}
	return session.Issued{Token: "cfg1_new", Session: &session.Session{
		ID: id, Lineage: session.Lineage(id), Generation: 1, Kind: session.Guest, State: session.StateLive,
		Created: now, ExpiresAt: now.Add(time.Hour), IdleAt: now.Add(time.Hour), Born: m.mark, Visitor: v,
	}}
}

func (m *fakeManager) Get(_ context.Context, id session.ID) (*session.Session, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if s, ok := m.sessions[id]; ok {
		return s, nil
	}
	return nil, fault.New(fault.NotFound, "no session %s", id)
}

func (m *fakeManager) Read(ctx context.Context, id session.ID) (*session.Session, map[string]session.Attribute, error) {
	s, err := m.Get(ctx, id)
	if err == nil && s.State == session.StateEnded {
		err = fault.New(fault.Precondition, "session %s has ended", id)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, m.attrs[id], nil
}

func (m *fakeManager) ByLineage(_ context.Context, l session.Lineage) (*session.Session, error) {
	for _, s := range m.sessions {
		if s.Lineage == l {
			return s, nil
		}
	}
	return nil, fault.New(fault.NotFound, "no lineage %s", l)
}

// issued is what every operation that makes a token answers.
func (m *fakeManager) issued(id session.ID) session.Issued {
	s, ok := m.sessions[id]
	if !ok {
		s = &session.Session{ID: id, Lineage: session.Lineage(id), Kind: session.Guest, State: session.StateLive, Version: 1, ExpiresAt: m.now().Add(time.Hour), Written: true}
	}
	return session.Issued{Token: "cf1_issued", Session: s}
}

func (m *fakeManager) Patch(_ context.Context, p session.Patch) (session.Patched, error) {
	if m.patch = &p; m.fail != nil {
		return session.Patched{}, m.fail
	}
	out := m.issued(p.ID)
	if p.Guest != nil {
		return session.Patched{Session: out.Session, Replace: &out}, nil
	}
	return session.Patched{Session: out.Session}, nil
}

func (m *fakeManager) Upgrade(_ context.Context, u session.Upgrade) (session.Issued, error) {
	if m.upgrade = &u; m.fail != nil {
		return session.Issued{}, m.fail
	}
	out := m.issued(u.ID)
	s := *out.Session
	s.Kind, s.Subject, s.LegacyKey, s.LegacyExpires = session.Authenticated, u.Subject, u.LegacyKey, u.LegacyExpires
	out.Session = &s
	return out, nil
}

func (m *fakeManager) StepUp(_ context.Context, s session.StepUp) (session.Issued, error) {
	m.stepUp = &s
	return m.issued(s.ID), m.fail
}

func (m *fakeManager) Rotate(_ context.Context, id session.ID) (session.Issued, error) {
	m.rotated = id
	return m.issued(id), m.fail
}

func (m *fakeManager) End(_ context.Context, e session.End) (session.Ended, error) {
	m.end = &e
	return session.Ended{Sessions: 2, Outstanding: 1}, m.fail
}

func (m *fakeManager) List(_ context.Context, _, page string, limit int) ([]*session.Session, string, error) {
	var out []*session.Session
	for _, s := range m.sessions {
		if len(out) < limit {
			out = append(out, s)
		}
	}
	return out, page + "+", m.fail
}

func (m *fakeManager) Export(_ context.Context, subject, page string) (session.Exported, error) {
	out := session.Exported{Mark: 7, Pending: []session.PendingEnd{{Reason: "logout", Attempts: 2}}}
	for id, s := range m.sessions {
		if s.Subject == subject {
			out.Records = append(out.Records, session.Held{Session: s, Attributes: m.attrs[id], Keep: s.ExpiresAt})
		}
	}
	if page == "" {
		out.Next = "2"
	}
	return out, m.fail
}

func (m *fakeManager) Erase(_ context.Context, subject, reason, page string) (session.Erased, error) {
	m.end = &session.End{Subject: subject, Reason: reason}
	if page == "" {
		return session.Erased{Ended: session.Ended{Sessions: 2, Outstanding: 1}, Records: 3, Next: "2"}, m.fail
	}
	return session.Erased{Records: 1}, m.fail
}

func (m *fakeManager) Attribute(key string) (string, bool) { return "shop", key == "cart" }
