"""Ending a session from this side: first what is here, then Crossfade, which calls nobody back for it.

The tombstone, the deletion and the message stand in one transaction, so that a crash or a Crossfade
that is down cannot leave half a logout behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from .. import engine, ledger, outbox
from ..stamps import Stamp

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


def end_legacy(store: Stamped, stamp: Stamp, reason: str) -> None:
    """Log out of a legacy session that Crossfade knows. One that it never met is nobody else's matter."""
    known = ledger.known(store.session_key)
    lineage = stamp.lineage or (known.lineage if known else None)
    if lineage:
        end_lineage(lineage, reason, store.visit.runtime)
        store.ended = reason


def end_lineage(lineage: str, reason: str, runtime: Crossfade, *, session: str = "") -> None:
    """End a lineage here for ever and tell Crossfade."""
    with transaction.atomic(using=ledger.alias()):
        if lineage:
            bury(lineage, reason)
        operation = outbox.put_end(lineage=lineage, session=session, reason=reason)
    outbox.after_commit(operation, runtime)


def bury(lineage: str, reason: str) -> int:
    """Tombstone, then delete: a save that comes between is undone by the deletion, one that comes after
    finds the tombstone. How many rows there were."""
    ledger.tombstone(lineage, reason)
    return sum(engine.delete(row.session_key) for row in ledger.keys_of([lineage]))
