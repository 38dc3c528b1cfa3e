"""Send what a request did to a session of the new system: one call, with only the keys that changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from crossfade import mapping
from crossfade.errors import Conflict, CrossfadeError, Rejected, SessionEnded

from .. import signals, users
from ..stamps import AUTH_KEYS, HASH_KEY, LOGIN_KEY
from ..stores.changes import EXPIRY_KEY
from . import counterpart, fallback, login, logout

if TYPE_CHECKING:
    from ..stores.changes import Changes
    from ..stores.new import SessionStore

log = logging.getLogger("crossfade")


def push(store: SessionStore) -> None:
    """Never raises for Crossfade's own failures, except under the policy ``error``."""
    if store.detached:
        return
    changes = store.changes()
    _report(store, changes)
    if store.read_only:
        if changes or store.rotating:
            store.visit.runtime.counts.add(
                "session.read_only_write", "a write with an old secret was not kept"
            )
        return
    data = store.loaded() or {}
    if changes.lifetime and store.is_past(data.get(EXPIRY_KEY)):
        logout.end_new(store, "expired")
        return
    before, now = store.subject_before, str(data.get(LOGIN_KEY) or "")
    if before and not now:
        changes = _step_out(store)
    try:
        if now and now != before:
            login.upgrade(store, changes, now)
        elif now and store.proved:
            login.step_up(store, changes)
        elif now and _new_password(store, changes):
            login.new_password(store, changes)
        else:
            _write(store, changes)
    except SessionEnded:
        fallback.not_live(store, changes)
    except Conflict:
        store.visit.runtime.counts.add(
            "session.conflict", "newer values were kept over %s", sorted(changes.set)
        )
    except Rejected as error:
        # Over a limit, or malformed: trying again or elsewhere would not help.
        store.visit.runtime.counts.add("session.rejected")
        log.error("session changes were refused, keys %s: %s", sorted(changes.set), error)
    except CrossfadeError as error:
        store.visit.runtime.counts.add("session.unwritable", "%s", error)
        store.visit.policy.save(store, changes, error)
    finally:
        if store.spare:  # a login that nobody accepted leaves nothing behind
            store.spare.discard()
            store.spare = None
    store.rotating = store.proved = False


def create(store: SessionStore) -> None:
    """Make the record now, because the application asks for its key."""
    changes = store.changes()
    try:
        transient = store.get_expire_at_browser_close()
        store.adopt(store.api.patch(store.selector, changes.set, transient=transient), changes)
    except CrossfadeError as error:
        store.visit.runtime.counts.add("session.unwritable", "%s", error)
        store.visit.policy.save(store, changes, error)


def _write(store: SessionStore, changes: Changes) -> None:
    if changes:
        # A value that could not be read must not be overwritten by one made in ignorance of it.
        unseen = store.unseen_versions(changes) if store.blind else None
        lifetime: dict[str, Any] = {}
        if changes.lifetime:
            lifetime = store.lifetime()
        elif not store.written:  # what the record does not know yet
            lifetime = {"transient": store.get_expire_at_browser_close()}
        store.adopt(
            store.api.patch(store.selector, changes.set, changes.delete, if_version=unseen, **lifetime),
            changes,
        )
    if store.rotating and store.written:
        store.adopt(store.api.rotate(store.selector), type(changes)())
    if HASH_KEY in changes.set:
        counterpart.refresh_login(store)


def _new_password(store: SessionStore, changes: Changes) -> bool:
    """Whether the login was renewed for a new password: then no old secret may come to the new one.

    Django renews it for a new SECRET_KEY as well, where the old value is still good. That is no change
    of privilege, and a page that the visitor loads beside this one must stay logged in."""
    if HASH_KEY not in changes.set:
        return False
    before = {key: mapping.decode(store.texts[key]) for key in AUTH_KEYS if key in store.texts}
    return bool(users.login_fault(before) or users.login_fault(store.loaded() or {}))


def _step_out(store: SessionStore) -> Changes:
    # The application took the login out of the session without flush(). A session cannot become a guest
    # again, so it ends, and what remains of the data begins a new one.
    rest = dict(store.loaded() or {})
    logout.end_new(store, "login removed")
    store.update({k: v for k, v in rest.items() if not k.startswith("_auth_user")})
    return store.changes()


def _report(store: SessionStore, changes: Changes) -> None:
    for left in changes.left:
        store.visit.runtime.counts.add("data.left_behind")
        log.error("session key %r is a %s, which JSON cannot carry: it was not stored", left.key, left.type)
        signals.left_behind.send(
            sender=type(store),
            key=left.key,
            reason=left.reason,
            type=left.type,
            session_key=store.session_key,
        )
    for key in changes.coerced:
        store.visit.runtime.counts.add(
            "data.coerced", "session key %r holds a value that JSON changes, such as a tuple into a list", key
        )
