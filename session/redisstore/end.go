package redisstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// endSubject draws the mark, which alone decides, and then ends the records that the index knows of. The
// spared record is locked before and born again after it; only then are the watches told of the mark, so that
// nobody judges it by the one without the other.
func (s *Store) endSubject(ctx context.Context, op session.EndSubject) (session.Result, error) {
	d := decision{
		marking: true, of: op.Subject, at: op.At, copies: s.cfg.Wait.Ends,
		subject: &subjectEnd{Subject: []byte(op.Subject), Reason: []byte(op.Reason), At: op.At, Keep: op.Keep},
	}
	if !op.ExceptLineage.IsZero() {
		d.subject.Except = own(string(op.ExceptLineage[:]))
	}
	if op.Notify != nil {
		n := notice{operation: op.Notify.Operation, subject: op.Subject, except: op.ExceptLineage, reason: op.Reason, since: op.At}
		d.notice, d.since = n.encode(), op.At
	}
	var p plan
	if !op.Except.IsZero() {
		l, err := s.lineageOf(ctx, op.Except)
		if err != nil {
			return session.Result{}, err
		}
		p.of(l).add("R", field(op.Except, l), num(op.ExceptVersion))
		d.lineages = lineagesOf(&p)
	}
	var met meeting
	for range attempts {
		d.commit = s.newCommit()
		_, held, err := s.prepare(ctx, d.commit, &p)
		if err != nil {
			return session.Result{}, err
		}
		if held == nil {
			return s.endMarked(ctx, &d)
		}
		if err := s.meet(ctx, &met, held.lineage, held.owner); err != nil {
			return session.Result{}, err
		}
	}
	return session.Result{}, errCrowded
}

func (s *Store) endMarked(ctx context.Context, d *decision) (res session.Result, err error) {
	mark, end, err := s.decide(ctx, d)
	if err != nil {
		return session.Result{}, err
	}
	res, err = s.complete(ctx, d.commit, d.lineages, d.subject, mark, end, d.copies)
	res.Mark, res.EndID = mark, end
	return res, err
}

// subjectEnd is what is left to do of the end of a subject once its mark is drawn.
type subjectEnd struct {
	Subject []byte    `json:"subject"`
	Reason  []byte    `json:"reason"`
	At      time.Time `json:"at"`
	Keep    time.Time `json:"keep"`
	Except  []byte    `json:"except,omitempty"` // a lineage
}

// complete carries out what is left of a decided commit, and forgets it. Repeated, it does no harm.
func (s *Store) complete(ctx context.Context, c commitID, lineages []session.Lineage, of *subjectEnd, mark session.Mark, end int64, copies Copies) (res session.Result, err error) {
	if err := s.apply(ctx, c, lineages, mark, end, copies); err != nil {
		return res, err
	}
	message := ""
	if of != nil {
		if err := s.buryAll(ctx, of, end, copies, &res); err != nil {
			return res, err
		}
		message = markMessage(mark, string(of.Subject))
	}
	if r := s.write(ctx, s.finishCall(c, message, end, res.Lineages))[0]; r.err != nil {
		return res, r.err
	}
	return res, nil
}

func markMessage(mark session.Mark, subject string) string {
	b := binary.BigEndian.AppendUint64([]byte{'m'}, uint64(mark))
	return string(appendText(b, subject))
}

// buryAll ends the records of a subject that its index knows of. Those that it does not know are dead by the mark.
func (s *Store) buryAll(ctx context.Context, of *subjectEnd, end int64, copies Copies, res *session.Result) error {
	index := s.keys.subject(string(of.Subject))
	members, err := s.client.Do(ctx, s.client.B().Zrange().Key(index).Min("0").Max("-1").Build()).AsStrSlice()
	if err != nil {
		return err
	}
	for from := 0; from < len(members); from += buryBatch {
		batch := members[from:min(from+buryBatch, len(members))]
		if err := s.buryBatch(ctx, batch, of, end, copies, res); err != nil {
			return err
		}
	}
	return nil
}

const buryBatch = 512

func (s *Store) buryBatch(ctx context.Context, members []string, of *subjectEnd, end int64, copies Copies, res *session.Result) error {
	var calls []call
	var lineages []session.Lineage
	var entries []string
	for _, m := range members {
		id, l, ok := parseMember(m)
		if !ok || string(l[:]) == string(of.Except) {
			continue
		}
		ops := []string{"B", field(id, l), string(of.Subject), string(of.Reason), num(ms(of.At)), num(ms(of.Keep))}
		calls = append(calls, s.lineageCall("run", s.newCommit(), l, 0, end, ops, copies))
		lineages, entries = append(lineages, l), append(entries, m)
	}
	var gone []string
	for left := calls; len(left) > 0; {
		var again []call
		var againLineages []session.Lineage
		var againEntries []string
		for i, r := range s.write(ctx, left...) {
			if r.err != nil {
				return r.err
			}
			switch kind := r.text(0); kind {
			case "locked":
				var met meeting
				if err := s.meet(ctx, &met, lineages[i], commitID(own(r.text(1)))); err != nil {
					return err
				}
				again, againLineages, againEntries = append(again, left[i]), append(againLineages, lineages[i]), append(againEntries, entries[i])
			default:
				gone = append(gone, entries[i])
				s.buried(res, lineages[i], end, &r)
			}
		}
		left, lineages, entries = again, againLineages, againEntries
	}
	s.bury(ctx, res.Lineages)
	s.unindex(ctx, string(of.Subject), gone)
	return nil
}

// buried adds what an end of a subject has met in one lineage.
func (s *Store) buried(res *session.Result, l session.Lineage, end int64, r *reply) {
	switch known := r.int(1); {
	case r.text(0) == "again", known < 0, known == end && end != 0:
		if r.text(0) != "stale" {
			res.Lineages = append(res.Lineages, l)
		}
	}
	var one session.Result
	s.ended(&one, &group{lineage: l, ends: true}, r)
	res.Records = append(res.Records, one.Records...)
}

func (s *Store) bury(ctx context.Context, lineages []session.Lineage) {
	calls := make([]call, 0, len(lineages))
	for _, l := range lineages {
		calls = append(calls, s.tombCall(l))
	}
	s.write(ctx, calls...)
}

func (s *Store) endEverybody(ctx context.Context, op session.EndEverybody) (session.Result, error) {
	d := decision{commit: s.newCommit(), marking: true, at: op.At, copies: s.cfg.Wait.Ends}
	if op.Notify != nil {
		n := notice{operation: op.Notify.Operation, everybody: true, reason: op.Reason, since: op.At}
		d.notice, d.since = n.encode(), op.At
	}
	mark, end, err := s.decide(ctx, &d)
	return session.Result{Mark: mark, EndID: end}, err
}

// finishDecided carries out what crashed or slow processes have left of decided commits. only picks some.
func (s *Store) finishDecided(ctx context.Context, only func(commitID) bool) error {
	all, err := s.client.Do(ctx, s.client.B().Hgetall().Key(s.keys.decided).Build()).AsStrMap()
	if err != nil {
		return trouble(err, "read")
	}
	for name, v := range all {
		if len(name) != len(commitID{}) {
			continue
		}
		c := commitID(own(name))
		if !only(c) {
			continue
		}
		mark, end, left, err := parseDecided(v)
		if err != nil {
			return err
		}
		lineages := make([]session.Lineage, 0, len(left.Lineages))
		for _, l := range left.Lineages {
			if len(l) == len(session.Lineage{}) {
				lineages = append(lineages, session.Lineage(l))
			}
		}
		if _, err := s.complete(ctx, c, lineages, left.Subject, mark, end, Copies{}); err != nil {
			return trouble(err, "write to")
		}
	}
	return nil
}

func parseDecided(v string) (mark session.Mark, end int64, left rest, err error) {
	if len(v) < 16 {
		return 0, 0, rest{}, damaged(errShort)
	}
	b := []byte(v)
	mark, end = session.Mark(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	if err := json.Unmarshal(b[16:], &left); err != nil {
		return 0, 0, rest{}, damaged(err)
	}
	return mark, end, left, nil
}

// lineageOf tells in which lineage a record is.
func (s *Store) lineageOf(ctx context.Context, id session.ID) (session.Lineage, error) {
	if l, ok := s.lineages.GetIfPresent(id); ok {
		return l, nil
	}
	p, err := s.client.Do(ctx, s.client.B().Hget().Key(s.keys.id(id)).Field("p").Build()).ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return session.Lineage(id), nil
	case err != nil:
		return session.Lineage{}, trouble(err, "read")
	case len(p) != len(session.Lineage{}):
		return session.Lineage{}, fault.New(fault.Internal, "a stored session cannot be read")
	}
	l := session.Lineage(own(p))
	s.lineages.Set(id, l)
	return l, nil
}
