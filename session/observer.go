package session

import "time"

// Observer is told what an operator wants to see of a manager. Its methods must not block, and may be called
// at the same time.
type Observer interface {
	// RevocationLag is told at each sign of life of a shared store: how old this process's knowledge of what
	// others did had become until then.
	RevocationLag(d time.Duration)
	// WatchLost is told when nothing is told any more.
	WatchLost()
	// ReadThrough is told when the store is asked for marks because memory cannot be believed.
	ReadThrough()
	// Reused is told when somebody presents a secret that was replaced.
	Reused(r Reuse)
}

// Observe has o told from now on; nil: nobody.
func (m *Manager) Observe(o Observer) {
	if o == nil {
		o = nobody{}
	}
	m.observer.Store(&o)
}

func (m *Manager) obs() Observer { return *m.observer.Load() }

// nobody looks.
type nobody struct{}

func (nobody) RevocationLag(time.Duration) {}
func (nobody) WatchLost()                  {}
func (nobody) ReadThrough()                {}
func (nobody) Reused(Reuse)                {}
