package session

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// EventName says what happened to a session. The names are part of what operators search their logs for:
// docs/audit.md lists them.
type EventName string

// The events.
const (
	EventCreated   EventName = "session.created"    // a guest's first write, or a login that had no session before
	EventUpgraded  EventName = "session.upgraded"   // a login, or one anew, into a session that was there
	EventSteppedUp EventName = "session.stepped_up" // the same subject proved again who it is
	EventRotated   EventName = "session.rotated"    // a new secret, no other privilege
	EventExchanged EventName = "session.exchanged"  // made out of a legacy one
	EventRefused   EventName = "session.refused"    // a legacy one that made none; Reason says why
	EventRestored  EventName = "session.restored"   // legacy has it now
	EventReleased  EventName = "session.released"   // legacy was to have it and has not: it lives on here
	EventEnded     EventName = "session.ended"      // one lineage, a subject's, or everybody's
	EventLimited   EventName = "session.limited"    // a write over a limit was refused as a whole, or a login
)

// Event is something that happened, for the record. It holds ids and no secret: neither tokens nor legacy
// keys nor values.
type Event struct {
	Name       EventName
	At         time.Time
	By         string // who asked, as [By] said; empty: a visitor, at the edge
	Session    ID     // zero where it is about more than one
	Lineage    Lineage
	Generation uint32
	Kind       Kind // 0 where it is about more than one
	Subject    string
	Visitor    VisitorID
	Methods    []string // of a login or step-up
	Level      string
	Origin     string // the legacy system that it came from
	Reason     string // of an end or a refusal
	Everybody  bool   // of an end
	Except     ID     // of a subject's end: the session that was spared
	Sessions   int    // of an end: how many were live
	Mark       Mark   // that an end has drawn
}

// Auditor keeps events. It is told when the write is durable and on the writer's path, so it must not block,
// and may be told by several at the same time. Reading a session is no event, nor is a patch of one that is
// there.
type Auditor interface{ Audit(Event) }

// AuditTo has a told from now on; nil: nobody.
func (m *Manager) AuditTo(a Auditor) {
	if a == nil {
		m.auditor.Store(nil)
		return
	}
	m.auditor.Store(&a)
}

type actorKey struct{}

// By says who is behind the calls that are made with a context.
func By(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

func (m *Manager) audit(ctx context.Context, e Event) {
	a := m.auditor.Load()
	if a == nil {
		return
	}
	e.By, _ = ctx.Value(actorKey{}).(string)
	if e.At.IsZero() {
		e.At = m.now()
	}
	(*a).Audit(e)
}

// happened tells of one session.
func (m *Manager) happened(ctx context.Context, name EventName, r *Record) {
	if m.auditor.Load() == nil {
		return
	}
	e := Event{
		Name: name, Session: r.ID, Lineage: r.Lineage, Generation: r.Generation, Kind: r.Kind,
		Subject: r.Subject, Visitor: r.Visitor, Origin: r.Origin,
	}
	if r.Kind == Authenticated {
		e.Methods, e.Level = r.Methods, r.Level
	}
	m.audit(ctx, e)
}

// loggedIn tells apart who had a session and who had none.
func (m *Manager) loggedIn(ctx context.Context, r *Record) {
	name := EventUpgraded
	if r.Version == 1 && !r.FromGuest {
		name = EventCreated
	}
	m.happened(ctx, name, r)
}

// ends tells of the ends in a commit, wherever they came from.
func (m *Manager) ends(ctx context.Context, op Op, res Result) {
	e := Event{Name: EventEnded, Mark: res.Mark}
	switch op := op.(type) {
	case EndLineage:
		e.Lineage, e.Reason, e.At = op.Lineage, op.Reason, op.At
	case EndSubject:
		e.Subject, e.Reason, e.At, e.Except = op.Subject, op.Reason, op.At, op.Except
	case EndEverybody:
		e.Everybody, e.Reason, e.At = true, op.Reason, op.At
	default:
		return
	}
	for _, r := range res.Records {
		if r.Live {
			e.Sessions++
		}
	}
	m.audit(ctx, e)
}

// overLimit tells of a write that was refused because it was too much. Guests without a record do not count:
// what a flood of them meets would fill the log.
func (m *Manager) overLimit(ctx context.Context, p Patch, err error) {
	if err != nil && p.Guest == nil && fault.CodeOf(err) == fault.Exhausted {
		m.audit(ctx, Event{Name: EventLimited, Session: p.ID, Lineage: p.Lineage, Reason: "attributes"})
	}
}

// refusal tells of a legacy session that made none here.
func (m *Manager) refusal(ctx context.Context, x Exchange, why Refusal) {
	m.audit(ctx, Event{
		Name: EventRefused, Lineage: x.Lineage, Generation: x.Generation, Kind: x.Kind, Subject: x.Subject,
		Visitor: x.Visitor, Origin: x.Origin, Reason: string(why),
	})
}
