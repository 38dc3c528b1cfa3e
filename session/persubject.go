package session

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"

	"crossfade.dev/crossfade/internal/fault"
)

// Beyond is what becomes of a login that would give a subject more sessions than [Config.PerSubject].
type Beyond uint8

// The ways to keep the limit.
const (
	EndOldest Beyond = iota // the session whose login is longest ago ends
	EndIdlest               // the one that was longest not used
	Deny                    // the login is refused
)

// reasonLimit is kept with what ends so.
const reasonLimit = "limit of sessions"

// lockSubject keeps the logins of one subject apart in this process; other processes are found by counting after the
// write.
func (m *Manager) lockSubject(subject string) (unlock func()) {
	l := &m.subjectLocks[maphash.String(m.seed, subject)%uint64(len(m.subjectLocks))]
	l.Lock()
	return l.Unlock
}

// limited carries out a login within the limit of its subject. Counting comes after the write, so of two logins at
// once, in two processes, at least the later one sees both; what it then ends does not depend on who looks.
func (m *Manager) limited(ctx context.Context, u Upgrade, login func() (Issued, error)) (Issued, error) {
	if m.cfg.PerSubject == 0 {
		return login()
	}
	defer m.lockSubject(u.Subject)()
	if m.cfg.Beyond == Deny {
		have, err := m.liveOf(ctx, u.Subject)
		if err != nil {
			return Issued{}, err
		}
		have = slices.DeleteFunc(have, func(r *Record) bool { return r.ID == u.ID }) // a login anew in its own session
		if len(have) >= m.cfg.PerSubject {
			return Issued{}, m.tooMany(ctx, u.Subject)
		}
	}
	in, err := login()
	if err != nil {
		return Issued{}, err
	}
	return m.keepLimit(ctx, in)
}

func (m *Manager) keepLimit(ctx context.Context, in Issued) (Issued, error) {
	have, err := m.liveOf(ctx, in.Session.Subject)
	if err != nil {
		m.log.Warn("a subject's sessions could not be counted; its next login does", "error", err)
		return in, nil // it is logged in, and a limit is no reason to say otherwise
	}
	excess := len(have) - m.cfg.PerSubject
	if excess <= 0 {
		return in, nil
	}
	if m.cfg.Beyond == Deny {
		// Somebody came in at the same moment, by another process. This one steps back, so that nobody ends who
		// was told that he is in; both may have to, and then both try again.
		if _, err := m.End(ctx, End{Lineage: in.Session.Lineage, Reason: reasonLimit}); err != nil {
			return Issued{}, err
		}
		return Issued{}, m.tooMany(ctx, in.Session.Subject)
	}
	slices.SortFunc(have, m.cfg.Beyond.order)
	for _, r := range have[:excess] {
		if _, err := m.End(ctx, End{Lineage: r.Lineage, Reason: reasonLimit}); err != nil {
			m.log.Warn("a session beyond the limit could not be ended; the subject's next login does", "session", r.ID.String(), "error", err)
		}
	}
	return in, nil
}

// order puts first what ends first. It is the same in every process: the id decides what times do not.
func (b Beyond) order(x, y *Record) int {
	byAge := cmp.Or(x.IssuedAt().Compare(y.IssuedAt()), slices.Compare(x.ID[:], y.ID[:]))
	if b == EndIdlest {
		return cmp.Or(x.LastSeen.Compare(y.LastSeen), byAge)
	}
	return byAge
}

// maxListed bounds how many sessions of one subject are counted.
const maxListed = 10_000

// liveOf reads the sessions of a subject that are in use here. One that is on legacy does not count.
func (m *Manager) liveOf(ctx context.Context, subject string) (out []*Record, _ error) {
	const page = 200
	var at Cursor
	for len(out) < maxListed {
		recs, err := m.store.OfSubject(ctx, subject, at, page)
		if err != nil {
			return nil, storeTrouble(err, "count sessions")
		}
		now := m.now()
		for _, r := range recs {
			at = Cursor{r.Created, r.ID}
			if m.complete(r); !m.dead(r, now) {
				out = append(out, r)
			}
		}
		if len(recs) < page {
			break
		}
	}
	return out, nil
}

func (m *Manager) tooMany(ctx context.Context, subject string) error {
	m.audit(ctx, Event{Name: EventLimited, Subject: subject, Reason: "sessions"})
	return fault.New(fault.Exhausted, "this user has %d sessions, as many as are allowed", m.cfg.PerSubject).
		WithHint("log out elsewhere first, or end the others: \"all but this one\"")
}
