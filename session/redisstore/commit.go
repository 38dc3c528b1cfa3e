package redisstore

import (
	"context"
	"errors"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Commit carries operations out: those on one lineage by one script, those on several in two phases. Ends of a
// subject or of everybody, notes and the outbox are alone in theirs. See session.Store.
func (s *Store) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	if err := ctx.Err(); err != nil {
		return session.Result{}, fault.Wrap(err, fault.Unavailable, "the session store was not asked in time")
	}
	res, err := s.commit(ctx, ops)
	if err != nil && !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrEnded) {
		s.failing.Store(true)
		err = trouble(err, "write to")
	}
	if err != nil {
		return session.Result{}, err
	}
	raise(&s.markFloor, int64(res.Mark))
	raise(&s.endFloor, res.EndID)
	return res, nil
}

func (s *Store) commit(ctx context.Context, ops []session.Op) (session.Result, error) {
	if len(ops) == 1 {
		switch op := ops[0].(type) {
		case session.EndSubject:
			return s.endSubject(ctx, op)
		case session.EndEverybody:
			return s.endEverybody(ctx, op)
		case session.ConfirmEnd:
			return session.Result{}, s.confirmEnd(ctx, op)
		case session.FailEnd:
			return session.Result{}, s.failEnd(ctx, op)
		case session.PutNote:
			return session.Result{}, s.putNote(ctx, op.Note)
		}
	}
	p, err := s.plan(ops)
	if err != nil || len(p.groups) == 0 {
		return session.Result{}, err
	}
	if err := s.claim(ctx, p); err != nil {
		return session.Result{}, err
	}
	if len(p.groups) == 1 && p.notice == nil {
		return s.commitOne(ctx, p)
	}
	return s.commitSeveral(ctx, p)
}

// group is what a commit does to one lineage.
type group struct {
	lineage session.Lineage
	ops     []string
	ends    bool
}

// plan is a commit, sorted by lineages.
type plan struct {
	groups  []*group
	notice  *session.EndLineage // the end that legacy is told of
	claims  []claim
	records []*session.Record // that their subjects' indexes should have
	copies  Copies
}

func (s *Store) plan(ops []session.Op) (*plan, error) {
	p := &plan{copies: s.cfg.Wait.Writes}
	for _, op := range ops {
		switch op := op.(type) {
		case session.Insert:
			r := op.Record
			if session.Lineage(r.ID) != r.Lineage {
				p.claims = append(p.claims, claim{record: r, lineage: r.Lineage})
			}
			p.of(r.Lineage).add("I", field(r.ID, r.Lineage), string(appendRecord(nil, r)), string(session.AppendAttributes(nil, r.Attributes)))
			p.index(r)
		case session.Update:
			r := op.Record
			with := "0"
			if r.Attributes != nil {
				with = "1"
			}
			p.of(r.Lineage).add("U", field(r.ID, r.Lineage), string(appendRecord(nil, r)), with, string(session.AppendAttributes(nil, r.Attributes)))
			if session.Lineage(r.ID) != r.Lineage {
				p.claims = append(p.claims, claim{record: r, lineage: r.Lineage})
			}
			p.index(r)
		case session.PutKey:
			k := op.Key
			p.claims = append(p.claims, claim{key: &k, lineage: k.Lineage})
			p.of(k.Lineage).add("K", string(k.Hash[:]), encodeKey(&k))
		case session.EndLineage:
			g := p.of(op.Lineage)
			covered := "0"
			if op.Notify != nil {
				if p.notice != nil {
					return nil, fault.New(fault.Internal, "a commit with two notices to legacy is not supported")
				}
				p.notice, covered = &op, "1"
			}
			g.add("E", op.Reason, num(ms(op.At)), num(ms(op.Keep)), covered)
			g.ends = true
			p.copies = s.cfg.Wait.Ends
		default:
			return nil, fault.New(fault.Internal, "an operation %T has to be alone in its commit", op)
		}
	}
	return p, nil
}

func (p *plan) of(l session.Lineage) *group {
	for _, g := range p.groups {
		if g.lineage == l {
			return g
		}
	}
	g := &group{lineage: l}
	p.groups = append(p.groups, g)
	return g
}

// endArgs is how many arguments an end takes.
const endArgs = 5

func (g *group) add(args ...string) { g.ops = append(g.ops, args...) }

// index notes a record that lists of its subject should show.
func (p *plan) index(r *session.Record) {
	if r.Subject != "" && r.State < session.StateEnded {
		p.records = append(p.records, r)
	}
}

// lineageCall makes the call that does something to one lineage. mark and end are what was decided.
func (s *Store) lineageCall(mode string, c commitID, l session.Lineage, mark session.Mark, end int64, ops []string, copies Copies) call {
	key := s.keys.lineage(l)
	args := make([]string, 0, 9+len(ops))
	args = append(args, mode, string(c[:]), num(ms(s.now())), num(slack.Milliseconds()), string(l[:]),
		s.keys.publishing(), s.keys.channel(l.String()), num(mark), num(end))
	return call{script: lineageScript, keys: []string{key}, args: append(args, ops...), copies: copies}
}

// attempts bounds how often a commit that met another one's lock is tried. Each waits for the other first.
const attempts = 64

// commitOne writes what is in one slot: a single script. The index is written beside it, and decides nothing.
func (s *Store) commitOne(ctx context.Context, p *plan) (session.Result, error) {
	g := p.groups[0]
	c := s.newCommit()
	var met meeting
	for range attempts {
		calls := append([]call{s.lineageCall("run", c, g.lineage, 0, 0, g.ops, p.copies)}, s.entomb(p)...)
		r := s.write(ctx, append(calls, s.indexCalls(p.records)...)...)[0]
		switch kind, err := outcome(&r); {
		case err != nil:
			return session.Result{}, err
		case kind == "locked":
			if err := s.meet(ctx, &met, g.lineage, commitID(own(r.text(1)))); err != nil {
				return session.Result{}, err
			}
		default:
			var res session.Result
			s.ended(&res, g, &r)
			return res, nil
		}
	}
	return session.Result{}, errCrowded
}

var errCrowded = errors.New("too many commits meet in one session")

// outcome tells what a lineage script answered; refusals are errors.
func outcome(r *reply) (string, error) {
	if r.err != nil {
		return "", r.err
	}
	kind := r.text(0)
	switch kind {
	case "conflict", "ended", "stale":
		if r.unsure {
			// The first try, whose answer was lost, may have been carried out and passed by others since.
			return "", errUnsure
		}
	}
	switch kind {
	case "conflict":
		return "", session.ErrConflict
	case "ended":
		return "", session.ErrEnded
	}
	return kind, nil
}

var errUnsure = errors.New("the connection was lost before the answer came, and others have written since")

// ended adds what a lineage script has ended to the result of the commit.
func (s *Store) ended(res *session.Result, g *group, r *reply) {
	if !g.ends {
		return
	}
	known := r.int(1)
	if r.text(0) == "again" {
		known = -1
	}
	if known > 0 {
		res.EndID = known
	}
	if known != 0 {
		res.Lineages = append(res.Lineages, g.lineage)
	}
	for i := 2; i+1 < len(r.list); i += 2 {
		if id := r.text(i); len(id) == len(session.ID{}) {
			res.Records = append(res.Records, session.EndedRecord{ID: session.ID([]byte(id)), Live: r.int(i+1) == 1})
		}
	}
}

// entomb puts lineages that end where sweeping finds them. An entry too many is dropped there, one that is
// missing costs a few bytes for ever.
func (s *Store) entomb(p *plan) (calls []call) {
	for _, g := range p.groups {
		if g.ends {
			calls = append(calls, s.tombCall(g.lineage))
		}
	}
	return calls
}
