package control

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"strconv"
	"time"

	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// How long a magic cookie may live.
const (
	MinMagicTTL = time.Minute
	MaxMagicTTL = 30 * 24 * time.Hour
)

// Magic is one issued magic cookie. The cookie itself is not kept.
type Magic struct {
	ID        rollout.MagicID
	For       string // whom it was made for, in the issuer's words
	IssuedAt  time.Time
	ExpiresAt time.Time
	Author    string
	Reason    string
	Revoked   bool
	Bound     bool // a visitor has used it
}

// IssueMagic registers a magic cookie and makes it. The cookie is answered once and cannot be had again.
func (c *Control) IssueMagic(ctx context.Context, whom string, ttl time.Duration, call Call) (m Magic, cookie string, err error) {
	if err := checkLine("receiver", whom, maxAuthor, "say whom it is for with --for"); err != nil {
		return Magic{}, "", err
	}
	if err := call.check(); err != nil {
		return Magic{}, "", err
	}
	if ttl < MinMagicTTL || ttl > MaxMagicTTL {
		return Magic{}, "", fault.New(fault.Invalid, "a magic cookie cannot live for %s", days(ttl)).
			WithHint("give --ttl between 1m and %s", days(MaxMagicTTL))
	}
	now := c.deps.Now().Truncate(time.Second)
	m = Magic{For: whom, IssuedAt: now, ExpiresAt: now.Add(ttl), Author: call.Author, Reason: call.Reason}
	if _, err := io.ReadFull(c.deps.Rand, m.ID[:]); err != nil {
		return Magic{}, "", fault.Wrap(err, fault.Internal, "no randomness")
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	err = c.changeMagic(ctx, m.ID, call, "magic_issue", "for "+whom+", until "+m.ExpiresAt.UTC().Format(time.RFC3339), func(t *tx) error {
		_, err := t.ExecContext(ctx, `INSERT INTO magic (id, whom, issued_at, expires_at, author, reason) VALUES (?, ?, ?, ?, ?, ?)`,
			m.ID[:], m.For, m.IssuedAt.Unix(), m.ExpiresAt.Unix(), m.Author, m.Reason)
		return err
	})
	if err != nil {
		return Magic{}, "", err
	}
	return m, rollout.MintMagic(c.deps.Ring, m.ID, m.ExpiresAt), nil
}

// days is a time to live as people type it.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

// RevokeMagic makes a magic cookie worthless at once. Revoking it again changes nothing.
func (c *Control) RevokeMagic(ctx context.Context, id rollout.MagicID, call Call) (Magic, error) {
	if err := call.check(); err != nil {
		return Magic{}, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	before, err := c.magicByID(ctx, id)
	if err != nil || before.Revoked {
		return before, err
	}
	err = c.changeMagic(ctx, id, call, "magic_revoke", "for "+before.For, func(t *tx) error {
		_, err := t.ExecContext(ctx, `UPDATE magic SET revoked_at = ? WHERE id = ?`, t.now.Unix(), id[:])
		return err
	})
	if err != nil {
		return Magic{}, err
	}
	before.Revoked = true
	return before, nil
}

// ClaimMagic ties a magic cookie to the visitor that uses it first, so that a copy of the unbound cookie
// is worth nothing in another browser. The edge calls it once, before it binds the cookie. Claiming
// again for the same visitor succeeds; for another one it is denied.
func (c *Control) ClaimMagic(ctx context.Context, id rollout.MagicID, visitor [16]byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var owner []byte
	err := c.db.db.QueryRowContext(ctx, `SELECT visitor FROM magic WHERE id = ? AND revoked_at IS NULL`, id[:]).Scan(&owner)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return noSuchMagic(id)
	case err != nil:
		return c.db.failed(err, "read")
	case owner == nil:
		call := Call{Author: Self, Reason: "first use"}
		return c.changeMagic(ctx, id, call, "magic_bind", "bound to the visitor that used it first", func(t *tx) error {
			_, err := t.ExecContext(ctx, `UPDATE magic SET visitor = ? WHERE id = ?`, visitor[:], id[:])
			return err
		})
	case !bytes.Equal(owner, visitor[:]):
		return fault.New(fault.Denied, "magic cookie %s belongs to another browser", id).
			WithHint("issue one for this person: crossfade magic issue --for NAME --ttl 2h")
	}
	return nil
}

// ListMagic are the magic cookies that still live or were revoked before their time, newest first.
func (c *Control) ListMagic(ctx context.Context) ([]Magic, error) {
	return c.queryMagic(ctx, `WHERE expires_at > ? ORDER BY issued_at DESC, id`, c.deps.Now().Unix())
}

func (c *Control) magicByID(ctx context.Context, id rollout.MagicID) (Magic, error) {
	found, err := c.queryMagic(ctx, `WHERE id = ?`, id[:])
	if err != nil {
		return Magic{}, err
	}
	if len(found) == 0 {
		return Magic{}, noSuchMagic(id)
	}
	return found[0], nil
}

func noSuchMagic(id rollout.MagicID) error {
	return fault.New(fault.NotFound, "no such magic cookie %s", id).WithHint("list them with: crossfade magic list")
}

// changeMagic writes a change of one magic cookie with its changelog row. The caller holds writing.
func (c *Control) changeMagic(ctx context.Context, id rollout.MagicID, call Call, action, detail string, do func(*tx) error) error {
	if err := c.saveKills(ctx); err != nil {
		return err
	}
	_, err := c.commit(ctx, func(t *tx) error {
		if err := do(t); err != nil {
			return err
		}
		return t.log(ctx, changelog.Change{
			Author: call.Author, Reason: call.Reason, Action: action, Subject: "magic " + id.String(), Detail: detail,
		})
	})
	return err
}

func (c *Control) queryMagic(ctx context.Context, where string, arg any) ([]Magic, error) {
	rows, err := c.db.db.QueryContext(ctx, `SELECT id, whom, issued_at, expires_at, author, reason,
		revoked_at IS NOT NULL, visitor IS NOT NULL FROM magic `+where, arg)
	if err != nil {
		return nil, c.db.failed(err, "read")
	}
	defer rows.Close()
	var out []Magic
	for rows.Next() {
		var m Magic
		var id []byte
		var issued, expires int64
		if err := rows.Scan(&id, &m.For, &issued, &expires, &m.Author, &m.Reason, &m.Revoked, &m.Bound); err != nil {
			return nil, c.db.failed(err, "read")
		}
		copy(m.ID[:], id)
		m.IssuedAt, m.ExpiresAt = time.Unix(issued, 0), time.Unix(expires, 0)
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, c.db.failed(err, "read")
	}
	return out, nil
}

// revokedMagic are the ids that snapshots must carry: revoked, and not expired by themselves.
func (t *tx) revokedMagic(ctx context.Context) ([]rollout.MagicID, error) {
	rows, err := t.QueryContext(ctx, `SELECT id FROM magic WHERE revoked_at IS NOT NULL AND expires_at > ?`, t.now.Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []rollout.MagicID
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, rollout.MagicID(id))
	}
	return out, rows.Err()
}
