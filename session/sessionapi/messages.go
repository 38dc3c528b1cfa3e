package sessionapi

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// sessionMessage never carries the legacy key: it is a credential.
func sessionMessage(s *session.Session) *sessionv1.Session {
	out := &sessionv1.Session{
		Id: s.ID.String(), Lineage: s.Lineage.String(), Generation: s.Generation, Kind: s.Kind.String(),
		Subject: s.Subject, AuthTime: unix(s.AuthTime), Methods: s.Methods, Level: s.Level,
		Created: unix(s.Created), LastSeen: unix(s.LastSeen), IdleAt: unix(s.IdleAt), ExpiresAt: unix(s.ExpiresAt),
		Version: s.Version, Origin: s.Origin, State: s.State.String(), EndReason: s.EndReason,
		Written: s.Written, Born: uint64(s.Born), Transient: s.Transient,
	}
	if !s.Visitor.IsZero() {
		out.Visitor = s.Visitor.String()
	}
	if d := s.Device; !d.IsZero() {
		out.Device = &sessionv1.Device{UserAgent: d.Agent, Label: d.Label}
		if d.Network.IsValid() {
			out.Device.Address = d.Network.String()
		}
	}
	return out
}

// device is what a context says of the browser, with what the caller knows better. An address of the caller's is
// cut to its network; one that is none is left out: it decides nothing.
func device(d session.Device, in *sessionv1.Device) session.Device {
	if in.GetUserAgent() != "" {
		d.Agent = in.GetUserAgent()
	}
	if addr, err := netip.ParseAddr(in.GetAddress()); err == nil {
		d.Network = session.NetworkOf(addr)
	} else if network, err := netip.ParsePrefix(in.GetAddress()); err == nil {
		d.Network = network
	}
	d.Label = in.GetLabel()
	return d
}

// claimedSession is the session as a context describes it: all that its bearer has proved.
func claimedSession(c *contextjwt.Claims) *sessionv1.Session {
	out := &sessionv1.Session{
		Id: c.Session.String(), Lineage: c.Lineage.String(), Generation: c.Generation, Kind: string(c.Kind),
		Subject: c.Subject, AuthTime: c.AuthTime, Methods: c.Methods.List(), Level: c.Level, Version: c.Version,
		State: session.StateLive.String(), Written: !c.Unwritten,
	}
	if c.Unwritten {
		out.Created, out.LastSeen, out.Born = c.GuestIssued, c.GuestIssued, c.GuestBorn
		out.IdleAt, out.ExpiresAt = c.GuestExpires, c.GuestExpires
	}
	if !c.Visitor.IsZero() {
		out.Visitor = c.Visitor.String()
	}
	return out
}

func worth(w session.Worth) string {
	if w == session.WorthReadOnly {
		return "read_only"
	}
	return w.String()
}

// values takes JSON texts as they are: they are stored byte for byte. Whether they are JSON the manager looks, once.
func values(in *sessionv1.Attributes) map[string]json.RawMessage {
	if len(in.GetValues()) == 0 {
		return nil
	}
	out := make(map[string]json.RawMessage, len(in.GetValues()))
	for key, text := range in.GetValues() {
		out[key] = json.RawMessage(text)
	}
	return out
}

func keysOf[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
