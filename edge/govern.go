package edge

import (
	"strconv"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/rollout"
)

// standing is a snapshot with what every request needs of it worked out once.
type standing struct {
	snapshot *rollout.Snapshot
	version  uint64
	epoch    uint64
	stage    int
	killed   bool // for somebody
	finished bool
	header   [3]string // Crossfade-Epoch by system
}

// line is the Crossfade-Epoch header. It is shared by all responses: whoever adds to it gets a copy.
func (s *standing) line(system rollout.System) []string {
	return s.header[system : system+1 : system+1]
}

// standings keeps the newest standing. Snapshots are swapped by others; this notices.
type standings struct {
	name    string
	current func() *rollout.Snapshot
	last    atomic.Pointer[standing]
}

func (s *standings) now() *standing {
	snapshot := s.current()
	if last := s.last.Load(); last != nil && last.snapshot == snapshot {
		return last
	}
	next := newStanding(s.name, snapshot)
	s.last.Store(next)
	return next
}

func newStanding(name string, snapshot *rollout.Snapshot) *standing {
	st := &standing{snapshot: snapshot, stage: rollout.NoStage}
	if snapshot != nil {
		st.version = snapshot.Version()
		if r, ok := snapshot.Rollout(name); ok {
			st.epoch, st.stage = r.Epoch, r.Stage
			st.killed, st.finished = r.Killed != "", r.State == rollout.Finished
		}
	}
	epoch := strconv.FormatUint(st.epoch, 10)
	st.header[rollout.New], st.header[rollout.Legacy] = epoch+".n", epoch+".l"
	st.header[0] = st.header[rollout.Legacy]
	return st
}

// old reports whether the control plane has been silent for longer than the heartbeat allows.
func (s *standing) old(now time.Time, heartbeat time.Duration) bool {
	return s.snapshot == nil || s.snapshot.Age(now) > heartbeat
}

// govern finds which system governs this request, whether systems may change at it, and whether the kill
// switch holds the visitor. First that applies:
//
//  1. The visitor was handed over under a snapshot that this edge has not seen: that record is obeyed, by
//     the rules of an entry too, so that two cookies do not stay and a spent one is not served.
//  2. The kill switch, at every request. It stays in force however old the snapshot is: it is the safe
//     direction, it may be pulled for the very trouble that silences the control plane, and whom another
//     edge has let back since is protected by rule 1.
//  3. The snapshot is too old: each browser is served where its session is, nothing is handed over. What was
//     half handed over is settled.
//  4. The client has made the bridge work too often: the same, and nothing is settled either.
//  5. An entry: the rollout decides.
//  6. Anything else follows the last entry.
func (p *passage) govern() {
	p.behind = p.came && p.visitor.newerThan(p.standing.version, p.now, p.e.cfg.Handover.Heartbeat)
	p.frozen = p.standing.old(p.now, p.e.cfg.Handover.Heartbeat)
	switch {
	case p.behind:
		p.governs, p.entry = p.lastEntry(), p.entry && p.ask != askRefused
		return
	case p.entry || p.standing.killed:
		p.decide()
	}
	switch {
	case p.killed:
		p.governs = rollout.Legacy
	case p.ask == askRefused:
		p.entry, p.decided, p.governs = false, false, p.whereItIs()
	case p.frozen:
		p.decided, p.governs = false, p.whereItIs()
	case p.entry:
		p.governs = p.decision.System
	default:
		p.governs = p.lastEntry()
	}
}

func (p *passage) decide() {
	p.decision = p.standing.snapshot.Decide(p.e.cfg.Rollout, rollout.Visitor{
		ID: p.vid, Employee: p.visitor.Employee, Segment: p.visitor.Segment,
		Sticky: p.visitor.Sticky, Magic: p.magic.ID,
	})
	p.decided = true
	p.killed = p.decision.Reason == rollout.ReasonKill
}

// lastEntry is the system that served the last entry; without one, that whose session the browser holds.
func (p *passage) lastEntry() rollout.System {
	if p.visitor.System != 0 {
		return p.visitor.System
	}
	return p.whereItIs()
}

// whereItIs is the system whose session the browser holds. With both or none it is the last entry's.
func (p *passage) whereItIs() rollout.System {
	token, key := p.jar.session.present(), p.jar.legacy.present()
	switch {
	case token && !key:
		return rollout.New
	case key && !token:
		return rollout.Legacy
	case p.visitor.System != 0:
		return p.visitor.System
	case token || p.standing.finished:
		return rollout.New
	}
	return rollout.Legacy
}
