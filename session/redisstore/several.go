package redisstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// errAborted: somebody took the commit for dead. Nothing of it was written.
var errAborted = session.ErrConflict

// commitSeveral writes what is in several slots, or has a notice. Each lineage is checked and locked; one
// script decides; then each lineage is written. Before the decision a crash leaves locks that mean nothing, after
// it a commit that anybody finishes.
func (s *Store) commitSeveral(ctx context.Context, p *plan) (session.Result, error) {
	var met meeting
	for range attempts {
		res, met2, err := s.trySeveral(ctx, p)
		if met2 == nil {
			return res, err
		}
		if err := s.meet(ctx, &met, met2.lineage, met2.owner); err != nil {
			return session.Result{}, err
		}
	}
	return session.Result{}, errCrowded
}

// locked is a lineage that another commit holds.
type locked struct {
	lineage session.Lineage
	owner   commitID
}

func (s *Store) trySeveral(ctx context.Context, p *plan) (res session.Result, met *locked, err error) {
	c := s.newCommit()
	replies, met, err := s.prepare(ctx, c, p)
	if err != nil || met != nil {
		return res, met, err
	}
	notify := p.notice != nil
	for i, g := range p.groups {
		s.ended(&res, g, &replies[i])
		if before := g.ends && replies[i].int(1) >= 0; before {
			if len(p.groups) == 1 && len(g.ops) == endArgs {
				return res, nil, nil // it had ended, and only how long that is kept had to be written
			}
			notify = notify && p.notice.Lineage != g.lineage
		}
	}
	d := decision{commit: c, lineages: lineagesOf(p), copies: p.copies}
	if notify {
		n := notice{operation: p.notice.Notify.Operation, lineage: p.notice.Lineage, reason: p.notice.Reason, since: p.notice.At}
		d.notice, d.since, d.covered = n.encode(), p.notice.At, []session.Lineage{p.notice.Lineage}
	}
	mark, end, err := s.decide(ctx, &d)
	if err != nil {
		return session.Result{}, nil, err
	}
	if end != 0 {
		res.EndID = end
	}
	if err := s.apply(ctx, c, d.lineages, mark, end, p.copies, s.indexCalls(p.records)...); err != nil {
		return session.Result{}, nil, err
	}
	s.later(ctx, func(ctx context.Context) { s.write(ctx, s.finishCall(c, "", 0, nil)) })
	return res, nil, nil
}

func lineagesOf(p *plan) (out []session.Lineage) {
	for _, g := range p.groups {
		out = append(out, g.lineage)
	}
	return out
}

// prepare checks and locks every lineage. Where one is refused, or locked by another commit, those that were
// locked are given free.
func (s *Store) prepare(ctx context.Context, c commitID, p *plan) ([]reply, *locked, error) {
	calls := make([]call, 0, len(p.groups))
	for _, g := range p.groups {
		calls = append(calls, s.lineageCall("prepare", c, g.lineage, 0, 0, g.ops, Copies{}))
	}
	replies := s.write(ctx, append(calls, s.entomb(p)...)...)
	var failed error
	var met *locked
	for i, g := range p.groups {
		kind, err := outcome(&replies[i])
		switch {
		case err != nil && failed == nil:
			failed = err
		case err == nil && kind == "locked" && met == nil:
			met = &locked{g.lineage, commitID(own(replies[i].text(1)))}
		}
	}
	if failed == nil && met == nil {
		return replies, nil, nil
	}
	s.abort(ctx, c, lineagesOf(p))
	if failed != nil {
		return nil, nil, failed
	}
	return nil, met, nil
}

// abort takes a commit's locks away, which only who made them does, or who had it aborted.
func (s *Store) abort(ctx context.Context, c commitID, lineages []session.Lineage) {
	calls := make([]call, len(lineages))
	for i, l := range lineages {
		calls[i] = s.lineageCall("abort", c, l, 0, 0, nil, Copies{})
	}
	s.write(ctx, calls...) // a lock that stays is taken away by who meets it
}

// decision is what the deciding script needs.
type decision struct {
	commit   commitID
	lineages []session.Lineage // to be written afterwards
	subject  *subjectEnd       // whose sessions are to be ended afterwards
	marking  bool
	of       string // the mark's subject, empty: everybody
	at       time.Time
	notice   string
	since    time.Time
	covered  []session.Lineage
	copies   Copies
}

// rest is what is left to do of a decided commit, as it is stored for whoever finishes it.
type rest struct {
	Lineages [][]byte    `json:"lineages,omitempty"`
	Subject  *subjectEnd `json:"subject,omitempty"`
}

func (s *Store) decide(ctx context.Context, d *decision) (session.Mark, int64, error) {
	left := ""
	if len(d.lineages) > 0 || d.subject != nil {
		r := rest{Subject: d.subject}
		for _, l := range d.lineages {
			r.Lineages = append(r.Lineages, own(string(l[:])))
		}
		text, err := json.Marshal(r)
		if err != nil {
			return 0, 0, err
		}
		left = string(text)
	}
	kind := ""
	if d.marking {
		kind = "mark"
	}
	k := &s.keys
	args := []string{
		string(d.commit[:]), kind, d.of, num(ms(d.at)), num(s.markFloor.Load()), num(s.endFloor.Load()), d.notice, num(ms(d.since)), left,
		k.publishing(), k.channel(k.prefix),
	}
	for _, l := range d.covered {
		args = append(args, string(l[:]))
	}
	r := s.write(ctx, call{
		script: decideScript, args: args, copies: d.copies,
		keys: []string{k.sequence, k.marks, k.outbox, k.due, k.cover, k.decided, k.abort(d.commit), k.ends},
	})[0]
	if r.err != nil {
		return 0, 0, r.err
	}
	if mark := r.int(0); mark >= 0 {
		return session.Mark(mark), r.int(1), nil
	}
	s.abort(ctx, d.commit, d.lineages)
	return 0, 0, errAborted
}

// apply writes the lineages of a decided commit. Repeated, it does nothing.
func (s *Store) apply(ctx context.Context, c commitID, lineages []session.Lineage, mark session.Mark, end int64, copies Copies, besides ...call) error {
	calls := make([]call, len(lineages))
	for i, l := range lineages {
		calls[i] = s.lineageCall("apply", c, l, mark, end, nil, copies)
	}
	for _, r := range s.write(ctx, append(calls, besides...)...)[:len(lineages)] {
		if _, err := outcome(&r); err != nil {
			return err
		}
	}
	return nil
}

// finishCall forgets a decided commit; message is what the watches are told.
func (s *Store) finishCall(c commitID, message string, end int64, covered []session.Lineage) call {
	k := &s.keys
	args := []string{string(c[:]), k.publishing(), k.channel(k.prefix), message, num(end)}
	for _, l := range covered {
		args = append(args, string(l[:]))
	}
	return call{script: finishScript, keys: []string{k.decided, k.cover, k.outbox}, args: args}
}

// later does what no answer waits for; Close waits for it.
func (s *Store) later(ctx context.Context, f func(context.Context)) {
	s.work.Go(func() { f(context.WithoutCancel(ctx)) })
}

// meeting is how long a commit has stood before the lock of another.
type meeting struct {
	owner commitID
	since time.Time
	pause time.Duration
}

// patience is how long the maker of a lock is given to decide. If it lives it is far quicker; if it is only
// slow, its commit is refused and tried again.
const patience = 300 * time.Millisecond

// meet makes a lock that is in the way go away: finishes a decided commit, waits a little for one that is not,
// and then aborts it.
func (s *Store) meet(ctx context.Context, m *meeting, l session.Lineage, owner commitID) error {
	if m.owner != owner {
		*m = meeting{owner: owner, since: time.Now(), pause: time.Millisecond}
	}
	dead := time.Since(m.since) > patience
	mark, end, decided, err := s.verdict(ctx, owner, dead)
	switch {
	case err != nil:
		return err
	case decided:
		return s.apply(ctx, owner, []session.Lineage{l}, mark, end, Copies{})
	case dead:
		s.abort(ctx, owner, []session.Lineage{l})
		return nil
	}
	sleep(ctx, m.pause)
	m.pause = min(2*m.pause, 20*time.Millisecond)
	return ctx.Err()
}

// verdict asks whether a commit is decided, and aborts it for good if it is not and abort is set.
func (s *Store) verdict(ctx context.Context, c commitID, abort bool) (mark session.Mark, end int64, decided bool, err error) {
	flag := "0"
	if abort {
		flag = "1"
	}
	r := s.write(ctx, call{script: verdictScript, keys: []string{s.keys.decided, s.keys.abort(c)}, args: []string{string(c[:]), flag}})[0]
	if r.err != nil {
		return 0, 0, false, r.err
	}
	v, err := r.one.ToString()
	if err != nil {
		if rueidis.IsRedisNil(err) {
			return 0, 0, false, nil
		}
		return 0, 0, false, err
	}
	mark, end, _, err = parseDecided(v)
	return mark, end, err == nil, err
}
