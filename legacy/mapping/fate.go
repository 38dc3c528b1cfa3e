package mapping

// Fate is what becomes of a legacy key when its session is exchanged.
type Fate struct {
	// Name under which it crosses.
	Name string
	// Reason why it does not cross (stays, dropped, undeclared, taken); empty: it does, if its value can.
	Reason string
	// Declared holds if a rule is about it, or if it always crosses.
	Declared bool
}

// Fate tells what becomes of one legacy key, as Apply would decide.
func (m *Mapping) Fate(key string) Fate {
	f := m.forward(key)
	out := Fate{Name: f.name, Declared: f.declared}
	switch {
	case f.taken:
		out.Reason = ReasonTaken
	case !f.declared && m.strict:
		out.Reason = ReasonUndeclared
	case f.action == Stay:
		out.Reason = ReasonStays
	case f.action == Drop:
		out.Reason = ReasonDropped
	}
	return out
}

// Names reports whether the mapping has this key by its whole name, so that the name can hold
// nothing of a session's own.
func (m *Mapping) Names(key string) bool {
	_, exact := m.exact[key]
	return exact
}
