"""Before the package goes: delete the sessions that only its tables keep shut, then empty the tables.

Three kinds would come alive without the package: sessions that ended by a mark or a tombstone and have not
been asked for since, those that were handed over, and counterparts that no browser has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, Max, Sum

from .. import engine, ledger, walk
from ..models import EndMark, LegacyKey, Nonce, Outbox, Tombstone
from ..stamps import LOGIN_KEY, Stamp


@dataclass
class Found:
    """How many sessions were looked at, and how many of them must not come alive."""

    seen: int = 0
    ended: int = 0
    moved: int = 0
    counterparts: int = 0

    @property
    def shut(self) -> int:
        return self.ended + self.moved + self.counterparts


def remembers() -> bool:
    """Whether the tables keep anything shut. DatabaseError if they are missing."""
    return any(_all(model).exists() for model in (EndMark, Tombstone, LegacyKey))


def state() -> tuple[object, ...]:
    """What the tables hold; another answer later means that a process of the site is still on."""
    marks = _all(EndMark).aggregate(n=Count("pk"), at=Max("at"), until=Max("until"), before=Max("before"))
    keys = _all(LegacyKey).aggregate(n=Count("pk"), moved=Sum("moved"))
    # A logout on the site that is off leaves nothing to be deleted.
    stones = _all(Tombstone).exclude(reason__startswith=Tombstone.OFF).count()
    return (*marks.values(), *keys.values(), stones)


def sweep(*, dry_run: bool, progress: Callable[[Found], None]) -> Found:
    """Delete every session that only the tables keep shut. Of an engine that cannot be listed, those whose
    keys are known here."""
    found = Found()
    for batch in walk.sessions() if walk.can_list() else _known():
        for key, data in batch:
            ruling = ledger.ruling(key, Stamp.of(data), str(data.get(LOGIN_KEY, "")))
            found.seen += 1
            found.ended += bool(ruling.ended)
            found.moved += ruling.moved and not ruling.ended
            found.counterparts += ruling.counterpart and not ruling.ended
            if (ruling.ended or ruling.moved or ruling.counterpart) and not dry_run:
                engine.delete(key)
        progress(found)
    return found


def marks_stand_until() -> float:
    """When no session that a mark ended can be alive any more, in Unix seconds; 0: at once. Where sessions
    can be listed none is left. Elsewhere they expire: one that ended is never renewed."""
    if walk.can_list():
        return 0
    last = _all(EndMark).aggregate(at=Max("at"), until=Max("until"))
    moment = max(last["at"] or 0, last["until"] or 0) / 1_000_000
    return moment + settings.SESSION_COOKIE_AGE if moment + settings.SESSION_COOKIE_AGE > time.time() else 0


def forget() -> None:
    """Empty the tables: they keep nothing shut any more."""
    with transaction.atomic(using=ledger.alias()):
        for model in (EndMark, Tombstone, LegacyKey, Nonce, Outbox):
            _all(model).delete()


def _known() -> Iterator[walk.Batch]:
    last = ""
    while True:
        rows = list(_all(LegacyKey).filter(pk__gt=last).order_by("pk")[: walk.BATCH])
        if not rows:
            return
        read = [(row.session_key, engine.read(row.session_key)) for row in rows]
        yield [(key, row.data) for key, row in read if row]
        last = rows[-1].pk


def _all(model: type[models.Model]) -> models.QuerySet:
    return model._default_manager.using(ledger.alias(model))
