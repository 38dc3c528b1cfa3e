"""Login and renewed login on a session of the new system, each with its legacy counterpart."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from crossfade.errors import SessionEnded, Unavailable

from ..stores.changes import Changes
from . import counterpart, fallback

if TYPE_CHECKING:
    from ..stores.new import SessionStore
    from .counterpart import Counterpart

METHODS = ("pwd",)


def upgrade(store: SessionStore, changes: Changes, subject: str) -> None:
    """The session becomes the subject's. Its legacy counterpart exists before Crossfade hears of it, so
    that no session names a way back that is not there."""
    now = time.time()
    made = counterpart.make(store, subject, now)
    context = store.visit.context
    try:
        written = store.api.upgrade(
            store.selector,
            subject,
            auth_time=int(now),
            born=context.mark if context else 0,
            methods=METHODS,
            set=changes.set,
            delete=changes.delete,
            counterpart=made.key,
            counterpart_expires=made.expires,
            idle_seconds=max(0, int(store.get_expiry_age())),
            visitor=context.visitor if context else "",
            transient=store.get_expire_at_browser_close(),
        )
    except SessionEnded:
        if fallback.has_moved(store):
            store.spare = made
            fallback.hand_out_spare(store)
            return
        made.discard()
        if not store.selector.id or _lives(store):
            raise  # it is the login that was refused, because a mark came under it
        # The guest session ended under the login form; the login itself is good, and begins a new one.
        data = dict(store.loaded() or {})
        store.forget()
        store.ended = "ended"
        store.update(data)
        upgrade(store, store.changes(), subject)
        return
    except Exception:
        store.spare = made  # the policy decides whether it is used or discarded
        raise
    store.adopt(written, changes)
    made.belongs_to(store.lineage, store.generation, store.version)


def step_up(store: SessionStore, changes: Changes) -> None:
    """The same subject has logged in again."""
    now = time.time()
    _renew(store, changes, counterpart.make(store, store.subject_before, now), int(now), METHODS)


def new_password(store: SessionStore, changes: Changes) -> None:
    """The password changed and this session stays. Whoever holds an older secret of it, perhaps the one
    for whose sake the password was changed, is left with the guest's view. Nobody logged in: when and
    how that was done stays what it was."""
    context = store.visit.context
    at = (context and context.auth_time) or None
    made = counterpart.make(store, store.subject_before, at)
    methods, level = (context.methods, context.level or "") if context else ((), "")
    try:
        # 0 would be "just now"; a time that is not known must not become the latest of all.
        _renew(store, changes, made, at or 1, methods, level)
    except Unavailable:
        # Its secret cannot be changed now, and later nobody could tell its owner the new one. So she gets a
        # legacy session, and the old one ends with all others of hers: it never gets the new hash.
        store.spare = made
        raise


def _renew(
    store: SessionStore,
    changes: Changes,
    made: Counterpart,
    auth_time: int,
    methods: Iterable[str],
    level: str = "",
) -> None:
    """A new secret that no old one leads to, and a new counterpart in the place of the old."""
    try:
        written = store.api.step_up(
            store.selector,
            auth_time=auth_time,
            methods=methods,
            level=level,
            set=changes.set,
            counterpart=made.key,
            counterpart_expires=made.expires,
        )
    except SessionEnded:
        if not fallback.has_moved(store):
            made.discard()
            raise
        store.spare = made
        fallback.hand_out_spare(store)
        return
    except Exception:
        made.discard()
        raise
    sent = Changes(changes.set)
    store.adopt(written, sent)
    made.belongs_to(store.lineage, store.generation, store.version)
    if changes.delete or changes.lifetime:
        lifetime = store.lifetime() if changes.lifetime else {}
        written = store.api.patch(store.selector, {}, changes.delete, **lifetime)
        store.adopt(written, Changes(delete=changes.delete))


def _lives(store: SessionStore) -> bool:
    try:
        store.api.get(store.selector)
    except SessionEnded:
        return False
    return True
