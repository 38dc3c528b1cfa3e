"""The live legacy session that an authenticated session of the new system keeps, so that there is a way
back even while the new system is down."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.db import transaction
from django.utils.crypto import get_random_string

from crossfade.errors import NotJSON

from .. import engine, ledger
from ..models import LegacyKey
from ..stamps import AUTH_KEYS, LOGIN_KEY, Stamp
from ..stores.changes import text_of

if TYPE_CHECKING:
    from ..stores.new import SessionStore

PURPOSE = LegacyKey.Purpose.COUNTERPART


@dataclass
class Counterpart:
    key: str
    expires: int
    stamp: Stamp
    data: dict[str, Any]
    subject: str

    def belongs_to(self, lineage: str, generation: int, version: int) -> None:
        """Crossfade has accepted it, with the session's ``version``: it replaces those before it."""
        changed = (self.stamp.lineage, self.stamp.generation) != (lineage, generation)
        if changed or engine.read(self.key) is None:
            self._write(self.stamp.but(lineage=lineage, generation=generation))
        self._know(version)
        retire_others(lineage, self.key)

    def discard(self) -> None:
        engine.delete(self.key)
        ledger.keys_of([self.stamp.lineage or ""]).filter(session_key=self.key).delete()

    def release(self) -> None:
        """It becomes a legacy session of its own: the browser gets it, and the edge takes it over as the
        login that it is. With the lineage left in, the edge would keep the guest session instead."""
        ledger.keys_of([self.stamp.lineage or ""]).filter(session_key=self.key).delete()
        self._write(self.stamp.but(lineage=None, generation=0))

    def _write(self, stamp: Stamp) -> None:
        self.stamp = stamp
        stamp.put(self.data)
        engine.write(self.key, self.data, self.expires)

    def _know(self, version: int = 0) -> None:
        if self.stamp.lineage:
            ledger.open_key(
                self.key,
                self.stamp.lineage,
                PURPOSE,
                subject=self.subject,
                born=self.stamp.born,
                generation=self.stamp.generation,
                operation="",
                expires=self.expires,
                version=version,
            )


def retire_others(lineage: str, key: str) -> None:
    """A lineage has one counterpart, but for those that a browser was seen with.

    Its row goes first and is held until its session is gone: a refresh under way is waited for, and one
    that comes later finds no row.
    """
    for old in ledger.counterparts(lineage, but=key):
        with transaction.atomic(using=ledger.alias()):
            if ledger.counterparts(lineage, but=key).filter(pk=old.pk).delete()[0]:
                engine.delete(old.session_key)


def make(store: SessionStore, subject: str, login: float | None = None) -> Counterpart:
    """Write the counterpart of this session as it is now, its login included; ``login``: when that was."""
    context, now = store.visit.context, time.time()
    stamp = Stamp(
        visitor=(context.visitor or None) if context else None,
        made=now,
        login=login,
        born=context.mark if context else None,
        lineage=store.lineage or None,
        generation=store.generation,
    )
    made = Counterpart(
        get_random_string(32, VALID_KEY_CHARS),
        int(now) + max(60, int(store.get_expiry_age())),
        stamp,
        _storable(store.loaded() or {}),
        subject,
    )
    made._write(stamp)
    made._know()
    return made


def refresh_login(store: SessionStore) -> None:
    """Django renewed the login for a new SECRET_KEY: the counterpart follows."""
    data = store.loaded() or {}
    row = ledger.live_key(store.lineage, PURPOSE) if store.lineage else None
    kept = engine.read(row.session_key) if row else None
    if row and kept and str(kept.data.get(LOGIN_KEY)) == str(data.get(LOGIN_KEY)):
        kept.data.update({key: data[key] for key in AUTH_KEYS if key in data})
        engine.write(row.session_key, kept.data, kept.expires)


def _storable(data: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in data.items():
        try:
            text_of(value)
            out[key] = value
        except NotJSON:
            continue  # reported when the changes were sent
    return out
