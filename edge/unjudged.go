package edge

import (
	"context"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
)

// nothingBut reports whether a token leaves it to legacy's cookies who this is.
func (p *passage) nothingBut(token handover.Token) bool {
	switch token {
	case handover.TokenNone, handover.TokenDead:
		return true
	case handover.TokenUnknown:
		return !p.backed
	case handover.TokenIdle, handover.TokenReadOnly:
		return p.governs == rollout.Legacy
	}
	return false
}

// passUnjudged lets legacy have its cookies as they came. One of them may be a login: no cookie is written or
// deleted until the bridge can say which.
func (c *crossing) passUnjudged(ctx context.Context) {
	c.p.entry, c.p.decided = false, false
	c.p.verdict = verdict{
		plan:     handover.Plan{System: rollout.Legacy, As: handover.LegacyPassed, Reason: handover.ReasonBridgeDown},
		unjudged: true, ret: c.returningAny(ctx, c.p.jar.legacy.list()),
	}
}

// returningAny is claim "ret" for several keys: it must hold for whichever of them legacy takes.
func (c *crossing) returningAny(ctx context.Context, keys []string) [16]byte {
	ret := freeToReturn
	for _, key := range keys {
		switch r := c.returning(ctx, key); {
		case r == freeToReturn:
		case ret == freeToReturn && r != [16]byte{}:
			ret = r
		default:
			return [16]byte{}
		}
	}
	return ret
}
