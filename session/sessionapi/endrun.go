package sessionapi

import (
	"context"
	"encoding/json"
	"net/netip"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session/endrun"
)

// endRuns lets operators at the runs.
func (a *API) endRuns(ctx context.Context) (*knownClient, error) {
	client, err := allow(ctx, Admin)
	if err == nil && a.cfg.EndRuns == nil {
		return nil, fault.New(fault.Precondition, "this server ends no sessions by condition")
	}
	return client, err
}

// StartEndRun ends sessions by condition, or counts them.
func (a *API) StartEndRun(ctx context.Context, in *sessionv1.StartEndRunRequest) (*sessionv1.StartEndRunResponse, error) {
	client, err := a.endRuns(ctx)
	if err != nil {
		return nil, err
	}
	where, err := endWhere(in.GetWhere())
	if err != nil {
		return nil, err
	}
	if in.GetRate() > endrun.MaxRate {
		return nil, fault.New(fault.Invalid, "rate %d is more than %d sessions a second", in.GetRate(), endrun.MaxRate)
	}
	run, err := a.cfg.EndRuns.Start(ctx, endrun.Order{
		Where: where, DryRun: in.GetDryRun(), Author: authorOf(in.GetAuthor(), client), Reason: in.GetReason(), Rate: int(in.GetRate()),
	})
	if err != nil {
		return nil, err
	}
	return &sessionv1.StartEndRunResponse{Run: endRunMessage(run)}, nil
}

// ListEndRuns lists runs, newest first.
func (a *API) ListEndRuns(ctx context.Context, _ *sessionv1.ListEndRunsRequest) (*sessionv1.ListEndRunsResponse, error) {
	if _, err := a.endRuns(ctx); err != nil {
		return nil, err
	}
	runs, err := a.cfg.EndRuns.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &sessionv1.ListEndRunsResponse{}
	for _, run := range runs {
		out.Runs = append(out.Runs, endRunMessage(run))
	}
	return out, nil
}

// GetEndRun shows one run.
func (a *API) GetEndRun(ctx context.Context, in *sessionv1.GetEndRunRequest) (*sessionv1.GetEndRunResponse, error) {
	if _, err := a.endRuns(ctx); err != nil {
		return nil, err
	}
	id, err := endrun.ParseID(in.GetId())
	if err != nil {
		return nil, err
	}
	run, err := a.cfg.EndRuns.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &sessionv1.GetEndRunResponse{Run: endRunMessage(run)}, nil
}

// CancelEndRun stops one.
func (a *API) CancelEndRun(ctx context.Context, in *sessionv1.CancelEndRunRequest) (*sessionv1.CancelEndRunResponse, error) {
	client, err := a.endRuns(ctx)
	if err != nil {
		return nil, err
	}
	id, err := endrun.ParseID(in.GetId())
	if err != nil {
		return nil, err
	}
	run, err := a.cfg.EndRuns.Cancel(ctx, id, authorOf(in.GetAuthor(), client), in.GetReason())
	if err != nil {
		return nil, err
	}
	return &sessionv1.CancelEndRunResponse{Run: endRunMessage(run)}, nil
}

func authorOf(named string, c *knownClient) string {
	if named == "" {
		return c.name
	}
	return named
}

func endWhere(in *sessionv1.EndWhere) (endrun.Where, error) {
	out := endrun.Where{
		Subject: in.GetSubject(), Kind: in.GetKind(), IssuedBefore: moment(in.GetIssuedBefore()), Method: in.GetMethod(),
		Device: in.GetDevice(), Origin: in.GetOrigin(),
	}
	if in.GetIssuedBefore() < 0 {
		return out, fault.New(fault.Invalid, "issued_before is before 1970")
	}
	if s := in.GetAddress(); s != "" {
		network, err := ParseNetwork(s)
		if err != nil {
			return out, err
		}
		out.Address = network
	}
	for key, text := range in.GetAttributes() {
		if out.Attributes == nil {
			out.Attributes = map[string]json.RawMessage{}
		}
		out.Attributes[key] = json.RawMessage(text)
	}
	return out, out.Check()
}

// ParseNetwork reads an address range, or one address.
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fault.Wrap(err, fault.Invalid, "%.60q is no address range", s).
			WithHint("write it like 203.0.113.0/24 or 2001:db8::/56")
	}
	return network.Masked(), nil
}

func endRunMessage(r endrun.Run) *sessionv1.EndRun {
	w := r.Where
	where := &sessionv1.EndWhere{
		Subject: w.Subject, Kind: w.Kind, IssuedBefore: unix(w.IssuedBefore), Method: w.Method, Device: w.Device, Origin: w.Origin,
	}
	if w.Address.IsValid() {
		where.Address = w.Address.String()
	}
	for key, value := range w.Attributes {
		if where.Attributes == nil {
			where.Attributes = map[string]string{}
		}
		where.Attributes[key] = string(value)
	}
	return &sessionv1.EndRun{
		Id: r.ID.String(), Where: where, Text: w.String(), DryRun: r.DryRun, Author: r.Author, Reason: r.Reason, Rate: uint32(r.Rate),
		State: string(r.State), Started: unix(r.Started), Finished: unix(r.Finished), CancelledBy: r.CancelledBy, Pass: uint32(r.Pass),
		Scanned: r.Scanned, Matched: r.Matched, Ended: r.Ended, Outstanding: uint64(r.Outstanding), OutstandingAtLeast: r.AtLeast,
		Samples: r.Samples, Trouble: r.Trouble,
	}
}
