"""Ending a session from this side: first what is here, then Crossfade, which calls nobody back for it.

The tombstone, the deletion and the message stand in one transaction, so that a crash or a Crossfade
that is down cannot leave half a logout behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import router, transaction

from crossfade.errors import CrossfadeError, SessionEnded
from crossfade.sessions import Selector

from .. import engine, ledger, outbox
from ..models import Tombstone
from ..stamps import Stamp

ID = re.compile(r"[0-9a-f]{32}")

if TYPE_CHECKING:
    from crossfade.client import Crossfade

    from ..stores.legacy import Stamped
    from ..stores.new import SessionStore


def end_new(store: SessionStore, reason: str) -> None:
    """Log out of a session of the new system. An old secret in its grace ends nothing."""
    visible = store.session_key is not None and not store.read_only
    if store.written and not store.read_only:
        end_lineage(store.lineage, reason, store.visit.runtime, session=store.selector.id)
    store.forget()
    store.read_only = False
    if visible:
        store.ended = reason


def end_other(store: SessionStore, key: str, reason: str) -> None:
    """End another session of the new system by its public id. A legacy key is none."""
    try:
        found = store.api.get(Selector(id=key)).session if ID.fullmatch(key) else None
    except SessionEnded:
        return
    except CrossfadeError as error:
        store.visit.runtime.counts.add("session.other_not_ended", "%s", error)
        return
    if found:
        end_lineage(found.lineage, reason, store.visit.runtime, session=found.id)


def end_legacy(store: Stamped, stamp: Stamp, reason: str) -> bool:
    """Log out of a legacy session that Crossfade knows. False: it never met this one, which is nobody
    else's matter if that is still so ``after_deletion``."""
    lineage = lineage_of(store.session_key or "", stamp)
    if lineage:
        end_lineage(lineage, reason, store.visit.runtime)
        store.ended = reason
    return bool(lineage)


def end_legacy_moved(store: Stamped, key: str, reason: str) -> None:
    """The session under this key has just been deleted, and Crossfade did not know it before."""

    def end(lineage: str) -> None:
        end_lineage(lineage, reason, store.visit.runtime)
        store.ended = reason

    after_deletion(key, end)


def after_deletion(key: str, end: Callable[[str], None]) -> None:
    """Ask once more when the deletion is through. An exchange that ran beside it marks the key and then
    reads the session: it finds nothing, or its mark is found here."""

    def ask() -> None:
        known = ledger.known(key)
        if known:
            end(known.lineage)

    model = getattr(engine.store_class(), "get_model_class", None)
    transaction.on_commit(ask, using=router.db_for_write(model()) if model else ledger.alias())


def lineage_of(key: str, stamp: Stamp) -> str | None:
    """The lineage of a legacy session, if it has one."""
    known = None if stamp.lineage else ledger.known(key)
    return stamp.lineage or (known.lineage if known else None)


def end_lineage(lineage: str, reason: str, runtime: Crossfade, *, session: str = "") -> None:
    """End a lineage here for ever and tell Crossfade."""
    with transaction.atomic(using=ledger.alias()):
        if lineage:
            bury(lineage, reason)
        operation = outbox.put_end(lineage=lineage, session=session, reason=reason)
    outbox.after_commit(operation, runtime)


def end_while_off(lineage: str, reason: str) -> None:
    """The same while the package is off: Crossfade hears of it when it is on again."""
    with transaction.atomic(using=ledger.alias()):
        bury(lineage, Tombstone.OFF + reason)
        outbox.put_end(lineage=lineage, reason=reason)


def bury(lineage: str, reason: str) -> int:
    """Tombstone, then delete: a save that comes between is undone by the deletion, one that comes after
    finds the tombstone. How many rows there were."""
    ledger.tombstone(lineage, reason)
    return sum(engine.delete(row.session_key) for row in ledger.keys_of([lineage]))
