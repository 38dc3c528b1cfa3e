"""A request ended all sessions of a subject, by a new password: spare the one that it was made in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import SessionBase

from .. import ledger, outbox, users
from ..stamps import LOGIN_KEY, Stamp
from ..stores.legacy import Stamped
from ..stores.new import SessionStore

if TYPE_CHECKING:
    from ..visits import Visit


def forget_subject(subject: str, reason: str, visit: Visit | None, *, everything: bool) -> str:
    """Queue the end of a subject's sessions. ``everything``: the account itself is closed, here too, so
    that reopening it does not bring old sessions back. The operation id, to be delivered."""
    # Another worker, delivering it before it is known which session to spare, would end that one as well.
    later = visit is not None and not everything
    operation = outbox.put_end(subject=subject, reason=reason, ours=later)
    if everything:
        ledger.end_subject(subject, 0)
    elif visit is not None:
        # With the response: only then is it known whether this session stays, or logs in anew.
        visit.pending.append((operation, subject))
        return ""
    return operation


def settle(visit: Visit, session: SessionBase) -> None:
    """Deliver what this request queued."""
    for operation, subject in visit.pending:
        stands = _stands(session, subject)
        if stands and isinstance(session, SessionStore):
            if session.legacy_cookie:  # this response hands it out in the place of the new one
                outbox.spare(operation, legacy_key=session.legacy_cookie[0])
            else:
                outbox.spare(operation, session=session.selector.id)
        ended = outbox.try_one(operation, visit.runtime)
        if stands and isinstance(session, Stamped):
            if ended is None:
                outbox.spare(operation, legacy_key=session.session_key or "")
            data = session._session
            session.stamp_login(data)  # a login of this very request, before it is born again
            outbox.reborn(Stamp.of(data), ended).put(data)
            session.modified = True
    visit.pending.clear()


def _stands(session: SessionBase, subject: str) -> bool:
    # Read from the cache alone: a request that never looked at its session is not the user's own doing.
    data: dict[str, Any] = session.__dict__.get("_session_cache") or {}
    return str(data.get(LOGIN_KEY) or "") == subject and not users.login_fault(data)
