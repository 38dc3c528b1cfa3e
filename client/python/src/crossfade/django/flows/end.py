"""End legacy sessions because Crossfade says so."""

from __future__ import annotations

from typing import Any

from .. import engine, ledger
from ..stamps import LOGIN_KEY, Stamp
from . import logout

UNSUPPORTED = (
    "this Django site can end a lineage, a subject or everybody; it cannot tell its sessions "
    "apart by anything else"
)


def answer(call: dict[str, Any]) -> dict[str, Any]:
    reason, before, spared = call["reason"], call["before"], call["except"]
    if call["lineage"]:
        return _ended(logout.bury(call["lineage"], reason))
    if call["subject"]:
        ledger.end_subject(call["subject"], before, spared)
        rows = ledger.keys_of_subject(call["subject"])
        return _ended(sum(engine.delete(row.session_key) for row in rows if _over(row.session_key)))
    if call["everybody"]:
        # One write, however many there are; each session meets the mark when it is next asked for.
        ledger.end_subject("", before, spared)
        return _ended(0)
    return {"ended": 0, "unsupported": UNSUPPORTED}


def _over(key: str) -> bool:
    # By the session and not by the row of its key, which is of the day it was restored: its owner may
    # have logged in again since, after the mark that arrives only now.
    row = engine.read(key)
    return row is not None and bool(
        ledger.ruling(key, Stamp.of(row.data), str(row.data.get(LOGIN_KEY, ""))).ended
    )


def _ended(number: int) -> dict[str, Any]:
    return {"ended": number, "unsupported": None}
