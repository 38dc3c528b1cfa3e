"""``request.session`` while the package is turned off: Django's own, except what Crossfade ended or moved.

Turning the package off must bring nobody back in. So each load still asks the ledger, and who logs in is
stamped with the time, because a mark would take an unstamped login for an old one. Nothing here calls
Crossfade. A site that never made the tables, or dropped them, is on Django's sessions alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError, connections, transaction

from .. import engine, ledger
from ..flows import logout
from ..models import EndMark, LegacyKey, Outbox, Tombstone
from ..stamps import LOGIN_KEY, Stamp
from .base import Noticing

_TABLES = {model._meta.db_table for model in (EndMark, LegacyKey, Tombstone, Outbox)}
T = TypeVar("T")


class Remembering(Noticing):
    """Put in front of the site's SessionStore."""

    login = ""  # the user id as loaded
    end_reason = "flush"

    def load(self) -> dict[str, Any]:
        asked = self.session_key
        with engine.ours():  # the file engine deletes what has expired
            data = super().load()
        if not asked or self.session_key != asked or not data:
            return data
        ruling = _ruling(asked, data)
        if ruling.ended:
            engine.delete(asked)
        if ruling.ended or ruling.moved:
            self._session_key = None
            return {}
        if ruling.counterpart:  # by her ticket; it is her session now, and retiring leaves it alone
            ledger.served(asked)
        self.login = str(data.get(LOGIN_KEY, ""))
        return data

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)
        login = str(data.get(LOGIN_KEY, ""))
        if login and not must_create and (self.proved or login != self.login):
            Stamp.of(data).but(login=time.time(), born=None, reborn_after=None).put(data)
            self.login, self.proved = login, False
        return super().save(must_create=must_create)

    def create(self) -> None:
        data = self._get_session(no_load=True)
        stamp = Stamp.of(data).but(made=time.time())
        if LOGIN_KEY not in data:  # a login keeps the mark that was current before it
            stamp = stamp.but(born=None)
        stamp.put(data)
        super().create()

    def delete(self, session_key: str | None = None) -> None:
        mine = self.session_key
        if mine and session_key in (None, mine) and not engine.deleting_ourselves():
            remember_end(mine, Stamp.of(self._get_session()), "delete")
        with engine.ours():
            super().delete(session_key)

    def cycle_key(self) -> None:
        with engine.ours():
            super().cycle_key()

    def flush(self) -> None:
        data = self._get_session()
        if self.session_key:
            remember_end(self.session_key, Stamp.of(data), self.end_reason)
        with engine.ours():
            super().flush()

    async def acycle_key(self) -> None:
        await self._aget_session()
        await sync_to_async(self.cycle_key)()

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()


def remember_end(key: str, stamp: Stamp, reason: str) -> None:
    """A session that Crossfade knows has ended: on again, it must not hand it back."""

    def end() -> None:
        lineage = logout.lineage_of(key, stamp)
        if lineage:
            logout.end_while_off(lineage, reason)

    with_tables(end)


def guard(session: SessionBase) -> SessionBase:
    """The session that Django's middleware has opened, with the memory in front of it."""
    key = session.session_key
    if key is not None and not engine.valid(key):
        key = None
    return _class_for(type(session))(key)


@lru_cache(maxsize=8)
def _class_for(base: type[SessionBase]) -> type[Remembering]:
    # Same qualified name: Django salts the signature of stored data with it.
    return type(
        base.__name__, (Remembering, base), {"__qualname__": base.__qualname__, "__module__": __name__}
    )


def _ruling(key: str, data: dict[str, Any]) -> ledger.Ruling:
    ask = partial(ledger.ruling, key, Stamp.of(data), str(data.get(LOGIN_KEY, "")))
    return with_tables(ask) or ledger.Ruling()


def with_tables(work: Callable[[], T]) -> T | None:
    """Do something with the package's tables, or nothing if there are none."""
    using = ledger.alias()
    if not _has_tables(using):
        return None
    try:
        with transaction.atomic(using=using):  # a query that fails must not spoil the view's transaction
            return work()
    except DatabaseError:
        _has_tables.cache_clear()
        if _has_tables(using):
            raise  # whether a session ended cannot be told, so it is not served
        return None


@lru_cache(maxsize=8)  # looked at once by each process; again when a query fails
def _has_tables(using: str) -> bool:
    return _TABLES.issubset(connections[using].introspection.table_names())
