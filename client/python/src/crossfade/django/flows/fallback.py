"""When the new system's session cannot be had: what can be read and kept on this side instead."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossfade import mapping

from .. import engine, ledger, outbox
from ..models import LegacyKey
from ..stamps import AUTH_KEYS, LOGIN_KEY, Stamp

if TYPE_CHECKING:
    from ..stores.changes import Changes
    from ..stores.new import SessionStore

ACTIVE, COUNTERPART = LegacyKey.Purpose.ACTIVE, LegacyKey.Purpose.COUNTERPART


def counterpart_data(store: SessionStore) -> dict[str, Any]:
    """The legacy session of this lineage: logged in as the same user, perhaps an older cart."""
    return _data_of(store, ACTIVE, COUNTERPART)


def moved_data(store: SessionStore) -> dict[str, Any]:
    """The session was restored to legacy while this request was under way: read it there."""
    return _data_of(store, ACTIVE)


def has_moved(store: SessionStore) -> bool:
    return bool(
        store.lineage and not ledger.tombstoned(store.lineage) and ledger.live_key(store.lineage, ACTIVE)
    )


def not_live(store: SessionStore, changes: Changes) -> None:
    """A write found the session moved or ended. Moved: the data follows it. Ended: this is a logout
    that came first; nothing is written, and the edge judges the cookie itself at the next request."""
    # A login is not data. Who has the restored key is whoever came first with the token, and that may have
    # been somebody else, who planted it or stole it.
    changes = replace(
        changes,
        set={k: t for k, t in changes.set.items() if k not in AUTH_KEYS},
        delete=[k for k in changes.delete if k not in AUTH_KEYS],
    )
    key = ledger.live_key(store.lineage, ACTIVE) if store.lineage else None
    if key is None or ledger.tombstoned(store.lineage) or not _apply(store, key, changes):
        store.visit.runtime.counts.add("session.not_live")


def keep(store: SessionStore, changes: Changes) -> None:
    """Crossfade is down: keep what this request wrote.

    A session with a record gets the changes when Crossfade is back, and its counterpart now. A login,
    and a guest without a record, become a legacy session that the edge exchanges later.
    """
    if store.spare is not None:
        hand_out_spare(store)
    elif store.written and store.lineage:
        if changes:
            _queue(store, changes)
            key = ledger.live_key(store.lineage, ACTIVE, COUNTERPART)
            if key:
                _apply(store, key, changes)
    elif changes:
        from . import counterpart

        made = counterpart.make(store, "")
        made.release()
        store.legacy_cookie = (made.key, made.expires)
    store.visit.runtime.counts.add("session.kept_on_legacy")


def hand_out_spare(store: SessionStore) -> None:
    """A login that cannot be this session's, because that is out of reach or has moved, becomes a legacy
    session under a key that nobody has seen. This response hands it out, and the edge takes it over."""
    spare = store.spare
    if spare is not None:
        spare.release()
        store.legacy_cookie = (spare.key, spare.expires)
        store.spare = None


def _queue(store: SessionStore, changes: Changes) -> None:
    # One message a key: a key that changed meanwhile must not hold up the others.
    for key, version in store.unseen_versions(changes).items():
        value = {key: changes.set[key]} if key in changes.set else {}
        operation = outbox.put_patch(store.lineage, value, [] if value else [key], {key: version})
        outbox.after_commit(operation, store.visit.runtime)


def _data_of(store: SessionStore, *purposes: str) -> dict[str, Any]:
    if not store.lineage or ledger.tombstoned(store.lineage):
        return {}
    key = ledger.live_key(store.lineage, *purposes)
    row = engine.read(key.session_key) if key else None
    if row is None:
        return {}
    subject = str(row.data.get(LOGIN_KEY, ""))
    if ledger.ruling(key.session_key, Stamp.of(row.data), subject).ended:  # a mark deletes no row
        return {}
    if not _same_person(store, row):
        return {}
    return {k: v for k, v in row.data.items() if k != mapping.STAMP_KEY}


def _same_person(store: SessionStore, row: engine.Row) -> bool:
    # She may have logged in on legacy since. Her guest's token, which somebody may have planted, must
    # neither see nor change what is there now.
    context = store.visit.context
    return context is not None and str(row.data.get(LOGIN_KEY, "")) == (context.subject or "")


def _apply(store: SessionStore, key: LegacyKey, changes: Changes) -> bool:
    row = engine.read(key.session_key)
    if row is None or not _same_person(store, row):
        return False
    row.data.update({k: mapping.decode(t) for k, t in changes.set.items()})
    for name in changes.delete:
        row.data.pop(name, None)
    engine.write(key.session_key, row.data, max(row.expires, int(time.time()) + 60))
    return True
