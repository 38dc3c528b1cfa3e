"""Look at a legacy session and say what the bridge may know of it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import engine, ledger, users
from ..engine import Row
from ..ledger import Ruling
from ..stamps import LOGIN_KEY, Stamp


@dataclass(frozen=True)
class View:
    """``ended``: why it may not be served; empty if it may."""

    key: str
    row: Row
    stamp: Stamp
    ruling: Ruling
    subject: str
    ended: str

    def as_json(self) -> dict[str, Any]:
        login = self.stamp.login
        return {
            "found": True,
            "moved": self.ruling.moved,
            "ended": bool(self.ended),
            "kind": "authenticated" if self.subject else "guest",
            "subject": self.subject or None,
            "lineage": self.ruling.lineage,
            "visitor": self.stamp.visitor,
            "auth_time": int(login) if login and self.subject else None,
            "born": self.stamp.born,
            "expires": self.row.expires,
            "transient": self.row.transient,
        }


def look(key: str) -> View | None:
    """None: there is no such session, or nothing in it."""
    row = engine.read(key)
    if row is None:
        return None
    stamp = Stamp.of(row.data)
    subject = str(row.data.get(LOGIN_KEY) or "")
    ruling = ledger.ruling(key, stamp, subject)
    return View(key, row, stamp, ruling, subject, ruling.ended or (subject and users.login_fault(row.data)))


def answer(call: dict[str, Any]) -> dict[str, Any]:
    view = look(call["key"])
    return view.as_json() if view else {"found": False}
