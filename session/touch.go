package session

import (
	"context"
	"sync"
	"time"
)

// maxPending bounds the queue of touches. When the store is away for so long that it fills up, further
// activity goes unnoticed until it drains: a session may then idle out up to that much early.
const maxPending = 1 << 16

// touchBatch is how many touches go to the store at a time.
const touchBatch = 256

// touches gathers activity that may be written later. Nothing here blocks a request, and nothing in it is
// needed for a session to stay ended.
type touches struct {
	mu      sync.Mutex
	pending map[ID]Touch
	keys    map[KeyHash]time.Time
	flush   sync.Mutex // one flush at a time, so that a retry cannot overtake
}

func newTouches() *touches {
	return &touches{pending: map[ID]Touch{}, keys: map[KeyHash]time.Time{}}
}

// note merges t with what is waiting for the same session.
func (q *touches) note(t Touch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	old, ok := q.pending[t.ID]
	if !ok {
		if len(q.pending) < maxPending {
			q.pending[t.ID] = t
		}
		return
	}
	q.pending[t.ID] = mergeTouch(old, t)
}

// mergeTouch keeps the later Seen, and of two first uses the earlier one if they are of the same secret,
// else the newer's.
func mergeTouch(old, t Touch) Touch {
	if old.Seen.After(t.Seen) {
		t.Seen = old.Seen
	}
	if old.Since.Before(t.Since) {
		t.Since = old.Since
	}
	if t.Used.IsZero() || (!old.Used.IsZero() && old.Secret == t.Secret) {
		if !old.Used.IsZero() {
			t.Used, t.Secret = old.Used, old.Secret
		}
	}
	t.Unseal = t.Unseal || old.Unseal
	return t
}

// noteKey remembers the first presentation of a legacy key.
func (q *touches) noteKey(h KeyHash, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.keys[h]; !ok && len(q.keys) < maxPending {
		q.keys[h] = at
	}
}

// apply brings a record that was just read up to what has not been written yet.
func (q *touches) apply(r *Record) {
	q.mu.Lock()
	t, ok := q.pending[r.ID]
	q.mu.Unlock()
	if ok {
		r.touch(t)
	}
}

// applyKey does the same for a legacy key.
func (q *touches) applyKey(k *Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if at, ok := q.keys[k.Hash]; ok && k.Presented.IsZero() {
		k.Presented = at
	}
}

// touch merges activity into a record that the caller owns, by the rules of [Store.Touch].
func (r *Record) touch(t Touch) {
	if r.State > StateMoving || !t.Since.Before(r.LastSeen.Add(r.Idle)) {
		return
	}
	if t.Seen.After(r.LastSeen) {
		r.LastSeen = t.Seen
		r.deadlines()
	}
	if !t.Used.IsZero() {
		if r.First.IsZero() {
			r.First = t.Used
		}
		if r.Used.IsZero() && r.Secret == t.Secret {
			r.Used = t.Used
		}
	}
	if t.Unseal {
		r.Sealed = nil
	}
}

// write sends what is waiting to the store. What could not be written waits again.
func (q *touches) write(ctx context.Context, store Store) error {
	q.flush.Lock()
	defer q.flush.Unlock()
	for {
		batch, keys := q.some()
		if len(batch) == 0 && len(keys) == 0 {
			return nil
		}
		if err := store.Touch(ctx, batch, keys); err != nil {
			return err
		}
		q.done(batch, keys)
	}
}

// some copies a batch; it stays in the queue until it is written, for apply to see.
func (q *touches) some() (batch []Touch, keys []KeyTouch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.pending {
		if batch = append(batch, t); len(batch) == touchBatch {
			break
		}
	}
	for h, at := range q.keys {
		if keys = append(keys, KeyTouch{h, at}); len(keys) == touchBatch {
			break
		}
	}
	return batch, keys
}

// done takes out what was written, unless more was noted on top of it meanwhile.
func (q *touches) done(batch []Touch, keys []KeyTouch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range batch {
		if q.pending[t.ID] == t {
			delete(q.pending, t.ID)
		}
	}
	for _, k := range keys {
		delete(q.keys, k.Hash)
	}
}
