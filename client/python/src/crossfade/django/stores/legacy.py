"""``request.session`` on the site's own engine, stamped and guarded.

The class is made from the engine's own SessionStore, so data, salts and caches stay what they were, and
a site that leaves Crossfade reads its sessions as before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import DatabaseError

from ...context import NO_SUCCESSOR
from .. import engine, ledger
from ..flows import logout, moved
from ..stamps import LOGIN_KEY, Stamp
from .base import Noticing
from .changes import text_of, texts_of

if TYPE_CHECKING:
    from ..visits import Visit


class Stamped(Noticing):
    """Put in front of the site's SessionStore."""

    visit: Visit
    refused = False  # the key was handed over: it opens nothing here, but the browser keeps it
    texts: Mapping[str, str] = MappingProxyType({})  # as loaded; "" for a value that is not JSON
    end_reason = "flush"
    # A counterpart that serves this request alone, because the new system's store is down.
    borrowed = False
    ended = ""  # why a session that Crossfade knows is over, by this request; empty: it is not

    def load(self) -> dict[str, Any]:
        asked = self.session_key
        with engine.ours():  # the file engine deletes what has expired
            data = super().load()
        if not asked or self.session_key != asked or not data:
            return data
        context = self.visit.context
        stamp = Stamp.of(data)
        ruling = ledger.ruling(asked, stamp, str(data.get(LOGIN_KEY, "")))
        if ruling.ended:
            self.visit.runtime.counts.add("legacy.ended")
            engine.delete(asked)
            return self._nothing()
        if ruling.moved:
            returning = context.returning if context else None
            if returning == NO_SUCCESSOR:
                ledger.reopen(asked)  # the exchange that marked it never completed
            elif returning is None or returning != ruling.lineage:
                self.visit.runtime.counts.add("legacy.moved_key_refused")
                self.refused = True
                return self._nothing()
            # Otherwise its successor is alive: what is saved here becomes a patch to that one.
        self.borrowed = bool(ruling.counterpart and context and context.lent)
        if self._now_served(ruling.counterpart):
            with engine.ours():  # a refresh may have come since it was read
                data = super().load()
            if not data or self.session_key != asked:
                return data
            stamp = Stamp.of(data)
        if stamp.reborn_after is not None and context and context.issued > stamp.reborn_after + 2:
            # 2 s: a context may be made from state that is a cache bound older than itself.
            stamp.but(born=context.mark, reborn_after=None).put(data)
            self.modified = True
        self.texts = texts_of(data)
        return data

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        if must_create:
            return super().save(must_create=True)
        data = self._get_session()
        self.stamp_login(data)
        super().save()
        # Asked after the write: an end or an exchange that came before it is seen here, one that comes
        # after it sees the write. Django's cache engines would otherwise bring an ended session back.
        key, stamp = self.session_key, Stamp.of(data)
        ruling = ledger.ruling(key, stamp, str(data.get(LOGIN_KEY, "")))
        if ruling.ended:
            engine.delete(key)
            raise UpdateError
        if self._now_served(ruling.counterpart):
            super().save()  # a refresh may have come over it; from here on none does
        if (ruling.moved or self.borrowed) and ruling.lineage:
            moved.patch(self, ruling.lineage)
        return None

    def create(self) -> None:
        old, data = self.session_key, self._get_session(no_load=True)
        stamp = Stamp.of(data).but(made=time.time(), visitor=self._visitor())
        if LOGIN_KEY not in data:  # a login keeps the mark that was current before it
            stamp = stamp.but(born=self._mark())
        stamp.put(data)
        super().create()
        ledger.follow(old, self.session_key, stamp, str(data.get(LOGIN_KEY, "")))

    def cycle_key(self) -> None:
        self._get_session()
        if self.borrowed:
            # The return ticket names this key, and no browser ever had it.
            self.modified = True
            return
        with engine.ours():
            super().cycle_key()

    def delete(self, session_key: str | None = None) -> None:
        key, ended = "", True
        if not engine.deleting_ourselves() and session_key in (None, self.session_key) and self.session_key:
            key = self.session_key
            ended = logout.end_legacy(self, Stamp.of(self._get_session()), "delete")
        with engine.ours():
            super().delete(session_key)
        if not ended:
            logout.end_legacy_moved(self, key, "delete")

    def flush(self) -> None:
        key, ended = self.session_key, True
        if key:
            data = self._get_session()
            if self.session_key:
                ended = logout.end_legacy(self, Stamp.of(data), self.end_reason)
        with engine.ours():
            super().flush()
        if key and not ended:
            logout.end_legacy_moved(self, key, self.end_reason)

    async def acycle_key(self) -> None:
        await self._aget_session()
        await sync_to_async(self.cycle_key)()

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    def stamp_login(self, data: dict[str, Any]) -> None:
        """Record when and before which mark the user of this session logged in, if that was just now."""
        if LOGIN_KEY not in data:
            return
        if self.proved or text_of(data[LOGIN_KEY])[0] != self.texts.get(LOGIN_KEY):
            Stamp.of(data).but(
                login=time.time(), born=self._mark(), visitor=self._visitor(), reborn_after=None
            ).put(data)
            self.texts = {**self.texts, LOGIN_KEY: text_of(data[LOGIN_KEY])[0]}
            self.proved = False

    def _now_served(self, counterpart: bool) -> bool:
        """A counterpart that a browser comes with is her session from now on; not one that is only lent for
        this request, because the new system's store is down."""
        if not counterpart or (self.visit.context and self.visit.context.lent):
            return False
        try:
            return ledger.served(self.session_key or "")
        except DatabaseError as problem:  # the page is worth more; a save asks again
            self.visit.runtime.counts.add("legacy.not_marked_served", "%s", problem)
            return False

    def _visitor(self) -> str | None:
        return (self.visit.context.visitor or None) if self.visit.context else None

    def _mark(self) -> int | None:
        return self.visit.context.mark if self.visit.context else None

    def _nothing(self) -> dict[str, Any]:
        self._session_key = None
        return {}


@lru_cache(maxsize=8)
def _class_for(base: type[SessionBase]) -> type[Stamped]:
    # Same qualified name: Django salts the signature of stored data with it.
    return type(base.__name__, (Stamped, base), {"__qualname__": base.__qualname__, "__module__": __name__})


def open_store(cookie: str | None, visit: Visit) -> Stamped:
    """The session that this legacy cookie names. A value that no engine makes counts as no cookie."""
    store = _class_for(engine.store_class())(cookie if engine.valid(cookie) else None)
    store.visit = visit
    return store
