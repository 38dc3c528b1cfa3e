package httpbridge

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
)

// Inspect implements [legacy.Bridge].
func (b *Bridge) Inspect(ctx context.Context, key string) (legacy.View, error) {
	var a viewAnswer
	if err := b.ask(ctx, "inspect", inspectRequest{Key: key}, &a); err != nil {
		return legacy.View{}, err
	}
	v, err := a.view()
	if err != nil {
		return legacy.View{}, nonsense(err, "inspect")
	}
	return v, nil
}

// Exchange implements [legacy.Bridge].
func (b *Bridge) Exchange(ctx context.Context, in legacy.ExchangeCall) (legacy.ExchangeAnswer, error) {
	var a exchangeAnswer
	err := b.ask(ctx, "exchange", exchangeRequest{
		Operation: in.Operation.String(), Key: in.Key, Lineage: hexID(in.Lineage),
		Visitor: hexID(in.Visitor), Counterpart: in.Counterpart,
	}, &a)
	if err != nil {
		return legacy.ExchangeAnswer{}, err
	}
	v, err := a.view()
	if err == nil && v.Found && !v.Ended && v.Lineage.IsZero() {
		err = errors.New("an exchanged session without a lineage")
	}
	if err != nil {
		return legacy.ExchangeAnswer{}, nonsense(err, "exchange")
	}
	out := legacy.ExchangeAnswer{
		View: v, Generation: a.Generation, Idle: time.Duration(a.Idle) * time.Second,
		Data: a.Data, Counterpart: a.Counterpart,
	}
	for _, l := range a.LeftBehind {
		out.LeftBehind = append(out.LeftBehind, legacy.LeftBehind(l))
	}
	return out, nil
}

// Restore implements [legacy.Bridge].
func (b *Bridge) Restore(ctx context.Context, in legacy.RestoreCall) (legacy.RestoreAnswer, error) {
	body, err := withData(restoreRequest{
		Operation: in.Operation.String(), Purpose: in.Purpose, Key: in.Key, Lineage: hexID(in.Lineage),
		Generation: in.Generation, Version: in.Version, Kind: in.Kind.String(), Subject: in.Subject, AuthTime: seconds(in.AuthTime),
		Born: uint64(in.Born), Visitor: hexID(in.Visitor), Expires: seconds(in.Expires), Transient: in.Transient,
	}, in.Data)
	if err != nil {
		return legacy.RestoreAnswer{}, err
	}
	var a restoreAnswer
	if err := b.exchangeBodies(ctx, "restore", body, &a); err != nil {
		return legacy.RestoreAnswer{}, err
	}
	left := in.Purpose == legacy.Counterpart && a.Reason != ""
	if a.Restored == nil || (!*a.Restored && !a.Ended && !left) {
		return legacy.RestoreAnswer{}, nonsense(errors.New("neither restored nor ended"), "restore")
	}
	return legacy.RestoreAnswer{Restored: *a.Restored, Ended: a.Ended, Reason: a.Reason}, nil
}

// End implements [legacy.Bridge].
func (b *Bridge) End(ctx context.Context, in legacy.EndCall) (legacy.EndAnswer, error) {
	var a endAnswer
	err := b.ask(ctx, "end", endRequest{
		Operation: in.Operation.String(), Lineage: hexID(in.Lineage), Subject: in.Subject,
		Everybody: in.Everybody, Before: uint64(in.Before), Except: hexID(in.Except), Reason: in.Reason,
	}, &a)
	if err != nil {
		return legacy.EndAnswer{}, err
	}
	if a.Ended == nil && a.Unsupported == "" {
		return legacy.EndAnswer{}, nonsense(errors.New("neither ended nor unsupported"), "end")
	}
	out := legacy.EndAnswer{Unsupported: a.Unsupported}
	if a.Ended != nil {
		out.Ended = *a.Ended
	}
	return out, nil
}

func (b *Bridge) ask(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "write bridge call %s", method)
	}
	return b.exchangeBodies(ctx, method, body, out)
}

func (b *Bridge) exchangeBodies(ctx context.Context, method string, body []byte, out any) error {
	answer, err := b.call(ctx, method, body)
	if err != nil {
		return err
	}
	if err := decode(answer, out); err != nil {
		return nonsense(err, method)
	}
	return nil
}
