package config

// Handover is how visitors change systems.
type Handover struct {
	// How long after a write to a session its legacy counterpart gets the data. The counterpart is what a
	// visitor returns with when the kill switch is thrown while the bridge or the session store is down, so this
	// is how old her cart may be then, and one bridge call longer. All writes of that time go in one call, behind
	// the visitor's back. 0: never; then the counterpart is as old as the login or the last exchange.
	// Default 5s.
	CounterpartRefresh Duration `yaml:"counterpart_refresh"`
}

func (h *Handover) defaults() { h.CounterpartRefresh = seconds(5) }

func (h *Handover) validate(k *check) {
	if h.CounterpartRefresh != 0 {
		k.within("handover.counterpart_refresh", h.CounterpartRefresh, seconds(1)/10, seconds(3600))
	}
}
