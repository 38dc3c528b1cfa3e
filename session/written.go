package session

// OnWrite has f told of every session that has just been written with other data than before, if it is a
// login's and live. It is told after the write is durable and on the writer's path, so f must not block. One
// listener at a time; nil: nobody.
//
// A session's first record is not told: what it holds came from where it was, or with the login.
func (m *Manager) OnWrite(f func(*Session)) {
	if f == nil {
		m.onWrite.Store(nil)
		return
	}
	m.onWrite.Store(&f)
}

// tell is called with each record that was updated. One that was updated without its attributes has the
// same data as before.
func (m *Manager) tell(r *Record) {
	if r.Attributes == nil || r.Kind != Authenticated || r.State != StateLive || !r.ViewOf.IsZero() {
		return
	}
	if f := m.onWrite.Load(); f != nil {
		s := r.Session
		(*f)(&s)
	}
}
