"""Write a legacy session that Crossfade hands back, under the key that Crossfade chose."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from crossfade import mapping
from crossfade.errors import NotJSON

from .. import engine, ledger, signals, users
from ..models import LegacyKey
from ..stamps import LOGIN_KEY, Stamp
from ..stores.changes import EXPIRY_KEY
from . import counterpart, logout

ACTIVE, COUNTERPART = LegacyKey.Purpose.ACTIVE, LegacyKey.Purpose.COUNTERPART
DONE = {"restored": True}
ENDED = ("tombstone", "mark")  # refusals that no later call will find otherwise


def answer(call: dict[str, Any]) -> dict[str, Any]:
    """The login is verified by the hash that came along; none is ever made from today's password."""
    lineage, key = call["lineage"], call["key"]
    reason = _refusal(call)
    if reason and call["purpose"] == COUNTERPART and reason not in ENDED:
        # Nobody waits for this, and a new password reaches the session only at the end of the request that
        # made it: ending the lineage would log out whoever changed hers. Its next use is checked anyway.
        return _left_alone(reason)
    if reason:
        logout.bury(lineage, reason)
        return {"restored": False, "ended": True, "reason": reason}
    # The row of the key is the lock. A call that was long on its way (its answer was given up, and asked for
    # again) must find that it was done, and not write over what the visitor has changed since.
    with transaction.atomic(using=ledger.alias()):
        before = ledger.lock(key, lineage)
        if _done_before(call, before):
            return DONE
        reason = call["purpose"] == COUNTERPART and _not_ours(call, before)
        if reason:
            transaction.set_rollback(True, using=ledger.alias())  # the lock may have made the row
            return _left_alone(reason)
        _write(call, before)
    if ledger.tombstoned(lineage):  # it ended while this was being written
        engine.delete(key)
        return {"restored": False, "ended": True, "reason": "tombstone"}
    if call["purpose"] == COUNTERPART and before is None:
        counterpart.retire_others(lineage, key)
    if call["purpose"] == ACTIVE:
        _announce(call)
    return DONE


def _left_alone(reason: str) -> dict[str, Any]:
    return {"restored": False, "ended": False, "reason": reason}


def _not_ours(call: dict[str, Any], before: LegacyKey | None) -> str:
    """Why a counterpart must not be written; empty if it may. Asked under the lock of its key.

    It is written behind the visitor's back, so it may be late: she may have been sent back to legacy with
    this key, and what she did there is hers; or a newer one was written.
    """
    now = (call["generation"], call["version"])
    if before is None:
        if engine.read(call["key"]):
            return "unknown"  # not one that Crossfade was told of, or not yet
    elif before.lineage != call["lineage"] or before.moved or before.purpose != COUNTERPART:
        return "served"
    elif (before.generation, before.version) > now:
        return "newer"
    others = ledger.counterparts(call["lineage"], but=call["key"])
    return "newer" if any((o.generation, o.version) > now for o in others) else ""


def _write(call: dict[str, Any], before: LegacyKey | None) -> None:
    lineage, key = call["lineage"], call["key"]
    stamp = Stamp(
        visitor=call["visitor"],
        made=None,
        login=float(call["auth_time"]) if call["auth_time"] else None,
        born=call["born"],
        lineage=lineage,
        generation=call["generation"],
    )
    data = {**_stayed_behind(call, before), **call["data"]}
    if call["transient"] and EXPIRY_KEY not in data and not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        data[EXPIRY_KEY] = 0  # another service of the new system has made it so
    stamp.put(data)
    engine.write(key, data, call["expires"])
    ledger.open_key(
        key,
        lineage,
        call["purpose"],
        subject=call["subject"] or "",
        born=stamp.born,
        generation=stamp.generation,
        operation=call["operation"],
        expires=call["expires"],
        version=call["version"],
    )


def _refusal(call: dict[str, Any]) -> str:
    if ledger.tombstoned(call["lineage"]):
        return "tombstone"
    moment = float(call["auth_time"]) if call["auth_time"] else None
    if ledger.marked(call["subject"] or "", call["born"], moment, call["lineage"]):
        return "mark"
    if call["kind"] != "authenticated":
        return "subject" if LOGIN_KEY in call["data"] else ""
    if not call["subject"] or str(call["data"].get(LOGIN_KEY)) != call["subject"]:
        return "subject"
    return users.login_fault(call["data"])


def _done_before(call: dict[str, Any], before: LegacyKey | None) -> bool:
    """A repeated call must not undo what happened since the first: neither what the visitor changed on
    legacy, nor that the key has moved on."""
    if before is None or before.lineage != call["lineage"]:
        return False
    if before.moved:
        return call["generation"] <= before.generation and before.operation == call["operation"]
    return before.operation == call["operation"] and engine.read(call["key"]) is not None


def _stayed_behind(call: dict[str, Any], before: LegacyKey | None) -> dict[str, Any]:
    """What could not cross when this lineage left, and so is still in the session that it left, or in the
    counterpart that was made of it."""
    if call["purpose"] not in (ACTIVE, COUNTERPART):
        return {}
    left = list(ledger.keys_of([call["lineage"]]).filter(moved=1).order_by("-generation"))
    for row in [before, *left] if before and call["purpose"] == COUNTERPART else left:
        kept = engine.read(row.session_key)
        if kept and str(kept.data.get(LOGIN_KEY) or "") in ("", call["subject"] or ""):
            return {k: v for k, v in kept.data.items() if k not in call["data"] and not _crosses(k, v)}
    return {}


def _crosses(key: object, value: object) -> bool:
    try:
        mapping.encode(value)
    except NotJSON:
        return False
    return type(key) is str


def _announce(call: dict[str, Any]) -> None:
    lineage, key = call["lineage"], call["key"]
    left = ledger.keys_of([lineage]).exclude(new_key="").values_list("new_key", flat=True).first()
    signals.handed_over.send(sender=LegacyKey, lineage=lineage, old_key=left, new_key=key, to="legacy")
