package session

import (
	"maps"
	"sync"
	"sync/atomic"
)

// marks is the revocation state in memory. Reading takes no lock: it is on every request's path.
type marks struct {
	sequence, global atomic.Uint64
	subjects         sync.Map // subject → Mark; only those that were ended within MaxLife
	mu               sync.Mutex
}

func newMarks(m Marks) *marks {
	var out marks
	out.sequence.Store(uint64(m.Sequence))
	out.global.Store(uint64(m.Global))
	for s, v := range maps.All(m.Subjects) {
		out.subjects.Store(s, v)
	}
	return &out
}

// raise takes note of a mark that was drawn. Marks may arrive out of order and never go back.
func (m *marks) raise(mark Mark, subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if subject == "" {
		m.global.Store(max(m.global.Load(), uint64(mark)))
	} else if old, ok := m.subjects.Load(subject); !ok || old.(Mark) < mark {
		m.subjects.Store(subject, mark)
	}
	m.sequence.Store(max(m.sequence.Load(), uint64(mark)))
}

// learn takes over what a store says.
func (m *marks) learn(got Marks) {
	if Mark(m.sequence.Load()) < got.Sequence || Mark(m.global.Load()) < got.Global {
		m.raise(got.Global, "")
	}
	for s, v := range got.Subjects {
		if m.of(s) < v {
			m.raise(v, s)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sequence.Store(max(m.sequence.Load(), uint64(got.Sequence)))
}

// of is the mark of a subject alone; 0: none.
func (m *marks) of(subject string) Mark {
	if v, ok := m.subjects.Load(subject); ok {
		return v.(Mark)
	}
	return 0
}

// current is the newest mark that was drawn.
func (m *marks) current() Mark { return Mark(m.sequence.Load()) }

// against is the mark that a session of this subject must not be older than.
func (m *marks) against(subject string) Mark {
	mark := Mark(m.global.Load())
	if subject != "" {
		mark = max(mark, m.of(subject))
	}
	return mark
}

// CurrentMark is the newest revocation mark. A login records the value that was current before it began.
func (m *Manager) CurrentMark() Mark { return m.marks.current() }

// MarkAgainst is the mark that a credential of this subject must not be older than: everybody's, and the
// subject's own. An empty subject is a guest.
func (m *Manager) MarkAgainst(subject string) Mark { return m.marks.against(subject) }
