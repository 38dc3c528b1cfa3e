package sessionapi

import (
	"cmp"
	"context"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// Export returns a part of what is held about a subject.
func (a *API) Export(ctx context.Context, in *sessionv1.ExportRequest) (*sessionv1.ExportResponse, error) {
	client, err := allow(ctx, Admin)
	if err != nil {
		return nil, err
	}
	part, err := a.manager.Export(ctx, in.GetSubject(), in.GetPage())
	if err != nil {
		return nil, err
	}
	if in.GetPage() == "" && a.cfg.Exported != nil {
		a.cfg.Exported(ctx, cmp.Or(in.GetAuthor(), client.name), in.GetSubject())
	}
	out := &sessionv1.ExportResponse{Mark: uint64(part.Mark), NextPage: part.Next}
	for _, h := range part.Records {
		out.Records = append(out.Records, a.heldRecord(h))
	}
	for _, e := range part.Pending {
		out.Pending = append(out.Pending, &sessionv1.HeldEnd{Reason: e.Reason, Since: unix(e.Since), Attempts: int32(e.Attempts)})
	}
	return out, nil
}

func (a *API) heldRecord(h session.Held) *sessionv1.HeldRecord {
	out := &sessionv1.HeldRecord{Session: sessionMessage(h.Session), View: h.View, KeepUntil: unix(h.Keep),
		Attributes: make(map[string]*sessionv1.HeldAttribute, len(h.Attributes))}
	for key, at := range h.Attributes {
		held := &sessionv1.HeldAttribute{Value: string(at.Value), Written: unix(at.Written)}
		held.Owner, held.Personal = a.manager.Attribute(key)
		if at.Private || session.IsPrivate(key) {
			held.Value, held.Withheld = "", true
		}
		out.Attributes[key] = held
	}
	return out
}

// kept is what an erasure leaves, and why.
var kept = []string{
	"the mark of this end, under the subject's id, for 400 days: without it a copied cookie or an old legacy session would be valid again",
	"ended records and tombstones, without personal data, until every credential that names them has expired: they keep the sessions ended",
	"keyed hashes of legacy session keys, until those have expired: they keep a key that crossed from being used twice",
	"the row of this erasure in the changelog, with the subject's id, author and reason: it proves that it was done",
}

// Erase ends a subject's sessions and takes what is personal out of their records.
func (a *API) Erase(ctx context.Context, in *sessionv1.EraseRequest) (*sessionv1.EraseResponse, error) {
	client, err := allow(ctx, Admin)
	if err != nil {
		return nil, err
	}
	if in.GetReason() == "" {
		return nil, fault.New(fault.Invalid, "no reason is given").WithHint("say why in a word or two: it is kept in the changelog")
	}
	// The reason stays with tombstones; the author belongs to the changelog alone.
	done, err := a.manager.Erase(ctx, in.GetSubject(), session.ErasedReason, in.GetPage())
	if err != nil {
		return nil, err
	}
	if in.GetPage() == "" && a.cfg.Ended != nil {
		e := OperatorEnd{Author: cmp.Or(in.GetAuthor(), client.name), Reason: in.GetReason(), What: "subject " + in.GetSubject(), Erased: true, Done: done.Ended}
		a.cfg.Ended(ctx, e)
	}
	out := &sessionv1.EraseResponse{Ended: uint64(done.Ended.Sessions), Outstanding: uint64(done.Ended.Outstanding), Erased: uint64(done.Records), NextPage: done.Next}
	if done.Next == "" {
		out.Kept = kept
	}
	return out, nil
}
