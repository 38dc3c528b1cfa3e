package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

const (
	// walkBatch is how many records one step of a walk looks at, walkLease how long a process that began one has it
	// for itself: many times what a step takes, and what a crash delays the next one by.
	walkBatch = 200
	walkLease = time.Minute
	// walkAgain is how long after a walk found nothing to change it is worth looking again: a process of an older
	// configuration may have written meanwhile.
	walkAgain = 24 * time.Hour
)

// Walk visits every record of a store in small steps, in one process at a time, and goes on where a process
// died. A round that changed something is followed by another; after one that did not the walk rests.
type Walk struct {
	Store  Store
	Name   string // of the note that its progress is kept in
	Aim    string // what it makes of the records: another one begins anew
	Holder string // who walks: differs from process to process
	// Again is how long it rests after a round that changed nothing; 0: a day.
	Again time.Duration
	// Visit changes the records that need it and says how many it changed, and how many it could not.
	Visit func(ctx context.Context, recs []*Record) (changed, failed int, err error)
}

// Walked is how far a walk is. It outlives processes.
type Walked struct {
	Aim     string    `json:"aim"`
	After   string    `json:"after,omitempty"`
	Seen    int64     `json:"seen"`    // in this round
	Changed int64     `json:"changed"` // since the aim is this one
	Round   int64     `json:"round"`   // changed in this round
	Failed  int64     `json:"failed"`  // in this round
	Done    time.Time `json:"done,omitzero"`
	Holder  string    `json:"holder,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Step visits one batch, unless there is nothing to do or another process does it: more is false then.
func (w *Walk) Step(ctx context.Context, now time.Time) (at Walked, more bool, err error) {
	at, version, err := w.Progress(ctx)
	if err != nil {
		return at, false, err
	}
	switch {
	case at.Holder != "" && at.Holder != w.Holder && now.Before(at.Until):
		return at, false, nil
	case at.Aim != w.Aim:
		at = Walked{Aim: w.Aim}
	case !at.Done.IsZero() && now.Before(at.Done.Add(cmp.Or(w.Again, walkAgain))):
		return at, false, nil
	}
	if !at.Done.IsZero() {
		at.Done, at.After, at.Seen, at.Round, at.Failed = time.Time{}, "", 0, 0, 0
	}
	at.Holder, at.Until = w.Holder, now.Add(walkLease)
	if version, err = w.save(ctx, at, version); err != nil {
		return at, false, lostLease(err)
	}
	recs, next, err := w.Store.Scan(ctx, at.After, walkBatch)
	if fault.CodeOf(err) == fault.Invalid { // the sessions have moved to another kind of store
		recs, next, err = w.Store.Scan(ctx, "", walkBatch)
	}
	if err != nil {
		return at, false, storeTrouble(err, "read sessions one after the other")
	}
	changed, failed, err := w.Visit(ctx, recs)
	if err != nil {
		return at, false, err
	}
	at.Seen, at.Changed, at.Round, at.Failed = at.Seen+int64(len(recs)), at.Changed+int64(changed), at.Round+int64(changed), at.Failed+int64(failed)
	at.After = next
	if next == "" {
		if at.Round == 0 {
			at.Done, at.Holder, at.Until = now, "", time.Time{}
		}
		if at.Done.IsZero() {
			at.Seen, at.Round, at.Failed = 0, 0, 0
		}
	}
	if _, err = w.save(ctx, at, version); err != nil {
		return at, false, lostLease(err)
	}
	return at, at.Done.IsZero(), nil
}

// lostLease: another process was faster. What was changed is changed.
func lostLease(err error) error {
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// Progress reads how far the walk is, and the version of the note; the zero progress: it never began.
func (w *Walk) Progress(ctx context.Context) (at Walked, version uint64, err error) {
	notes, err := w.Store.Notes(ctx, w.Name)
	if err != nil {
		return at, 0, storeTrouble(err, "read notes")
	}
	for _, n := range notes {
		if n.Name != w.Name {
			continue
		}
		if json.Unmarshal(n.Value, &at) != nil {
			at = Walked{} // of a later version; it begins anew
		}
		return at, n.Version, nil
	}
	return at, 0, nil
}

func (w *Walk) save(ctx context.Context, at Walked, version uint64) (uint64, error) {
	text, err := json.Marshal(at)
	if err != nil {
		return 0, fault.Wrap(err, fault.Internal, "write a note")
	}
	_, err = w.Store.Commit(ctx, PutNote{Note{Name: w.Name, Version: version + 1, Value: text}})
	return version + 1, err
}
