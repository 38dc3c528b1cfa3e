package edge

import (
	"context"
	"errors"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
)

// readMagic takes the magic cookie, if one counts. A fresh one is bound to this visitor, so that a copy
// is of no use in another browser; that is its first use, and it is audited. Revoked ids ride on the
// snapshot and are the decision's business.
func (p *passage) readMagic() {
	if !p.jar.magic.present() {
		return
	}
	for _, text := range p.jar.magic.list() {
		m, err := rollout.VerifyMagic(p.e.deps.Ring, text, p.visitor.ID, p.now)
		if err != nil {
			p.e.obs.Magic(MagicUse{ID: m.ID, Visitor: p.visitor.ID, Refused: refusedMagic(err)})
			if errors.Is(err, rollout.ErrMagicExpired) {
				p.out.magic = handover.Drop
			}
			continue
		}
		if !p.magic.ID.IsZero() && p.magic.ID != m.ID {
			p.magic = rollout.Magic{}
			p.count(CountDuplicate)
			return
		}
		p.magic = m
	}
	if fresh := !p.magic.ID.IsZero() && !p.magic.Bound; fresh && (!p.entry || !p.e.sealsCookies(p.req, p.from)) {
		p.magic = rollout.Magic{} // not used yet: it is bound at an entry, where the visitor cookie is written too
	}
}

// bindMagic ties a fresh magic cookie to this visitor, whose id is certain by now. It reports whether the
// cookie turned out to be another's.
func (p *passage) bindMagic(ctx context.Context) (lost bool) {
	if p.magic.ID.IsZero() || p.magic.Bound {
		return false
	}
	if claim := p.e.deps.ClaimMagic; claim != nil {
		if err := claim(ctx, p.magic.ID, p.visitor.ID); err != nil {
			p.e.obs.Magic(MagicUse{ID: p.magic.ID, Visitor: p.visitor.ID, Refused: "claimed"})
			p.e.deps.Log.Warn("a magic cookie could not be claimed", "request", p.id, "magic", p.magic.ID.String(), "error", err)
			p.magic = rollout.Magic{}
			return true
		}
	}
	p.out.magic, p.out.magicValue = handover.Set, rollout.BindMagic(p.e.deps.Ring, p.magic, p.visitor.ID)
	p.e.obs.Magic(MagicUse{ID: p.magic.ID, Visitor: p.visitor.ID, Bound: true})
	return false
}

func refusedMagic(err error) string {
	switch {
	case errors.Is(err, rollout.ErrMagicExpired):
		return "expired"
	case errors.Is(err, rollout.ErrMagicStranger):
		return "stranger"
	}
	return "forged"
}
