package session

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// heldPages and heldBatch bound how much of the store one call of Export or Erase looks at.
const (
	heldPages = 10
	heldBatch = 200
)

// Held is one record of a subject, as an export shows it. Secrets and legacy keys are not in it.
type Held struct {
	Session    *Session
	Attributes map[string]Attribute // private ones without their values
	View       bool                 // what the subject had as a guest, readable for a moment after the login
	Keep       time.Time            // when the record is deleted at the latest
}

// Exported is a part of what is held about a subject.
type Exported struct {
	Records []Held
	Mark    Mark         // of the last end of all of its sessions; 0: none within MaxLife
	Pending []PendingEnd // orders to legacy that it has not confirmed; in the first part
	Next    string       // page of the next part; empty: this was the last
}

// Export reads everything that is held about a subject, part by part: it looks at every record of the store, in
// whatever state, because what has ended is in no index. page is Next of the part before, empty for the first.
func (m *Manager) Export(ctx context.Context, subject, page string) (Exported, error) {
	var out Exported
	if subject == "" {
		return out, errNoSubject()
	}
	if err := m.learn(ctx, subject); err != nil {
		return out, err
	}
	if m.marks.against(subject) > m.marks.against("") {
		out.Mark = m.marks.against(subject)
	}
	if page == "" {
		due, err := m.store.Due(ctx, m.now().Add(MaxLife), 1000)
		if err != nil {
			return out, storeTrouble(err, "read the outbox")
		}
		for _, e := range due {
			if e.Subject == subject {
				out.Pending = append(out.Pending, e)
			}
		}
	}
	seen := map[ID]bool{}
	var err error
	out.Next, err = m.eachOf(ctx, subject, page, func(recs []*Record) error {
		for _, r := range recs {
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			for k, a := range r.Attributes {
				if a.Private {
					a.Value = nil
					r.Attributes[k] = a
				}
			}
			s := r.Session
			s.LegacyKey = ""
			out.Records = append(out.Records, Held{Session: &s, Attributes: r.Attributes, View: !r.ViewOf.IsZero(), Keep: r.until()})
		}
		return nil
	})
	return out, err
}

// eachOf gives f each record of a subject that one call finds, behind those that belong to it without saying
// so: views, and generations in which it was a guest's.
func (m *Manager) eachOf(ctx context.Context, subject, page string, f func([]*Record) error) (next string, err error) {
	for range heldPages {
		recs, after, err := m.store.Scan(ctx, page, heldBatch)
		if err != nil {
			return "", storeTrouble(err, "read sessions one after the other")
		}
		for _, r := range recs {
			if r.Subject != subject {
				continue
			}
			m.complete(r)
			kin, err := m.kin(ctx, r)
			if err != nil {
				return "", err
			}
			if err := f(append(kin, r)); err != nil {
				return "", err
			}
		}
		if page = after; page == "" {
			return "", nil
		}
	}
	return page, nil
}

// kin are the views of a record and the guest's generations of its lineage.
func (m *Manager) kin(ctx context.Context, r *Record) (out []*Record, err error) {
	ids := []ID{r.View}
	for _, p := range r.Previous {
		ids = append(ids, p.View)
	}
	older, err := m.generations(ctx, r.Lineage)
	if err != nil {
		return nil, err
	}
	for _, g := range older {
		if g.Subject == "" {
			ids = append(ids, g.ID)
		}
	}
	seen := map[ID]bool{r.ID: true}
	for _, id := range ids {
		if id.IsZero() || seen[id] {
			continue
		}
		seen[id] = true
		k, err := m.load(ctx, id, m.store.Full)
		if err != nil {
			return nil, err
		}
		if k != nil {
			out = append(out, k)
		}
	}
	return out, nil
}

// Erased is what a part of an erasure did.
type Erased struct {
	Ended   Ended  // in the first part
	Records int    // from which personal data was taken
	Next    string // page of the next part; empty: this was the last
}

// ErasedReason is the end reason of a record whose personal data was erased.
const ErasedReason = "erased"

// Erase ends all sessions of a subject, in both systems, and takes what is personal out of the records that stay
// until their credentials have expired: subject, attributes, visitor, device, how and when it logged in, sealed
// keys. It works part by part as Export does; repeating it is no error. What a subject begins anew after the
// first part is its own. The mark of the end stays, under the subject's id, for MaxLife.
func (m *Manager) Erase(ctx context.Context, subject, reason, page string) (Erased, error) {
	var out Erased
	var err error
	if subject == "" {
		return out, errNoSubject()
	}
	if page == "" {
		if out.Ended, err = m.End(ctx, End{Subject: subject, Reason: reason}); err != nil {
			return out, err
		}
	} else if err := m.learn(ctx, subject); err != nil { // the end may have been another process's
		return out, err
	}
	out.Next, err = m.eachOf(ctx, subject, page, func(recs []*Record) error {
		last := recs[len(recs)-1]
		if last.State != StateEnded && last.Born >= m.marks.against(subject) {
			return nil // begun since
		}
		for _, r := range recs { // the one that names the subject last: until then the others are found by it
			done, err := m.strip(ctx, r.ID, subject)
			if err != nil {
				return err
			}
			if done {
				out.Records++
			}
		}
		return nil
	})
	return out, err
}

// strip takes the personal data out of a record of an ended subject.
func (m *Manager) strip(ctx context.Context, id ID, subject string) (bool, error) {
	defer m.lock(id)()
	return retry(ctx, func() (bool, error) {
		rec, err := m.load(ctx, id, m.store.Full)
		if err != nil || rec == nil || rec.Subject != "" && rec.Subject != subject {
			return false, err
		}
		now := m.now()
		if rec.State != StateEnded && rec.ViewOf.IsZero() { // only its mark ended it
			if _, err := m.commit(ctx, m.endOp(rec.Lineage, ErasedReason, rec.until(), now, true)); err != nil {
				return false, err
			}
			if rec, err = m.load(ctx, id, m.store.Full); err != nil || rec == nil {
				return false, err
			}
		}
		next := rec.clone()
		next.Subject, next.Visitor, next.Device, next.AuthTime, next.Methods, next.Level = "", VisitorID{}, Device{}, time.Time{}, nil, ""
		next.Attributes, next.Sealed, next.EndReason = map[string]Attribute{}, nil, ErasedReason
		next.Counterpart.Sealed, next.Claim.Sealed = nil, nil
		_, err = m.commit(ctx, Update{next})
		return err == nil, err
	})
}

func errNoSubject() error {
	return fault.New(fault.Invalid, "no subject is named").WithHint("send the user id as the identity platform knows it")
}
