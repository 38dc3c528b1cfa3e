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

// passUnjudged lets legacy have its cookies as they came, but for those that have ended on new. One of them may
// be a login: no cookie is written or deleted until the bridge can say which.
func (c *crossing) passUnjudged(ctx context.Context) {
	c.p.entry, c.p.decided = false, false
	ret, ended := c.returningAny(ctx, c.p.jar.legacy.list())
	c.p.verdict = verdict{
		plan:     handover.Plan{System: rollout.Legacy, As: handover.LegacyPassed, Reason: handover.ReasonBridgeDown},
		unjudged: true, ended: ended, ret: ret,
	}
}

// returning is claim "ret": the lineage that may return with this key, if the key still proves it. Of an ended
// one none may.
func (c *crossing) returning(ctx context.Context, key string) (ret [16]byte, ended bool) {
	if key != c.key {
		c.key, c.succession = key, nil
	}
	s, err := c.ask(ctx)
	switch {
	case err != nil || s.Ended:
		return ret, err == nil
	case s.Moved && s.Open:
		return s.Lineage, false
	case s.Moved:
		return ret, false
	}
	return freeToReturn, false
}

// returningAny is claim "ret" for several keys: it must hold for whichever of them legacy takes. Those that have
// ended it is not given.
func (c *crossing) returningAny(ctx context.Context, keys []string) (ret [16]byte, ended []string) {
	ret, none := freeToReturn, false
	for _, key := range keys {
		switch r, over := c.returning(ctx, key); {
		case over:
			ended = append(ended, key)
		case r == freeToReturn:
		case ret == freeToReturn && r != [16]byte{}:
			ret = r
		default:
			none = true
		}
	}
	if none {
		ret = [16]byte{}
	}
	return ret, ended
}
