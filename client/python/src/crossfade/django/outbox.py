"""Calls that Crossfade must hear even if it is down now: ends, and patches of sessions that moved.

A row is written in the transaction that it belongs to and removed when the call was answered. It is
tried after that transaction, then by later requests and by ``crossfade_flush_outbox``.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count, Min, QuerySet

from crossfade.client import Crossfade
from crossfade.errors import Conflict, CrossfadeError, SessionEnded
from crossfade.sessions import Ended, Selector

from . import engine, ledger
from .models import Outbox
from .stamps import Stamp

STALE = 600  # seconds after which a row that still waits is somebody's to look at
LEASE = 30  # seconds for which one worker has a row to itself
PATIENCE = 600  # the longest pause between two tries


def put_end(
    *, lineage: str = "", session: str = "", subject: str = "", reason: str, ours: bool = False
) -> str:
    """Queue an end that this side has already carried out; the operation id. ``ours``: this request will
    deliver it, so nobody else may before the lease is over."""
    payload = {"lineage": lineage, "session": session, "subject": subject, "reason": reason}
    return _put("end", payload, LEASE if ours else 0)


def put_patch(lineage: str, set: Mapping[str, str], delete: list[str], if_version: Mapping[str, int]) -> str:
    """Queue changes for the live session of a lineage."""
    return _put(
        "patch", {"lineage": lineage, "set": dict(set), "delete": delete, "if_version": dict(if_version)}
    )


def spare(operation: str, *, session: str = "", legacy_key: str = "") -> None:
    """The end of a subject spares the session that caused it: a new session by its id; a legacy session
    by letting it be born again at the mark that the end draws."""
    row = _rows().filter(operation=operation).first()
    if row:
        payload = {**json.loads(row.payload), "spare": session, "reborn": legacy_key}
        _rows().filter(pk=row.pk).update(payload=json.dumps(payload))


def after_commit(operation: str, runtime: Crossfade) -> None:
    """Try once the transaction is through; now, if there is none. Never raises."""
    transaction.on_commit(lambda: try_one(operation, runtime), using=ledger.alias(Outbox))


def try_one(operation: str, runtime: Crossfade) -> Ended | None:
    """Deliver one row. None: it was not delivered (yet), or is gone."""
    try:
        row = _rows().filter(operation=operation).first()
        return _deliver(row, runtime) if row else None
    except DatabaseError as error:
        runtime.counts.add("outbox.database", "%s", error)
        return None


def deliver_due(runtime: Crossfade, limit: int) -> tuple[int, int]:
    """Deliver what is due, oldest first; how many were delivered and how many failed. Stops at the first
    failure: the next call would meet the same closed door."""
    done = 0
    for row in _rows().filter(due__lte=int(time.time())).order_by("id")[:limit]:
        if _deliver(row, runtime) is not None:
            done += 1
        elif _rows().filter(pk=row.pk).exists():
            return done, 1
    return done, 0


def backlog() -> tuple[int, int]:
    """How many rows wait, and for how many seconds the oldest of them has."""
    found = _rows().aggregate(number=Count("pk"), oldest=Min("created"))
    return found["number"], max(0, int(time.time()) - found["oldest"]) if found["number"] else 0


def _put(verb: str, payload: Mapping[str, Any], wait: int = 0) -> str:
    now = int(time.time())
    row = Outbox(
        operation=secrets.token_hex(16), verb=verb, payload=json.dumps(payload), created=now, due=now + wait
    )
    row.save(using=ledger.alias(Outbox), force_insert=True)
    return row.operation


def _deliver(row: Outbox, runtime: Crossfade) -> Ended | None:
    now = int(time.time())
    mine = _rows().filter(pk=row.pk, due=row.due, attempts=row.attempts)
    if not mine.update(due=now + LEASE, attempts=row.attempts + 1):
        return None  # another worker has it
    try:
        answer = _call(row, runtime)
        _rebirth(json.loads(row.payload).get("reborn", ""), answer)
    except CrossfadeError as error:
        pause = min(PATIENCE, 2 ** min(row.attempts, 10))
        _rows().filter(pk=row.pk).update(due=now + pause, error=str(error)[:1000])
        runtime.counts.add("outbox.failed", "%s of %s: %s", row.verb, row.operation, error)
        return None
    _rows().filter(pk=row.pk).delete()
    return answer


def _call(row: Outbox, runtime: Crossfade) -> Ended:
    given = json.loads(row.payload)
    try:
        if row.verb == "patch":
            runtime.sessions.patch(
                Selector(lineage=given["lineage"]),
                given["set"],
                given["delete"],
                if_version=given["if_version"],
            )
            return Ended(0, 0)
        session = Selector(id=given["session"], lineage="" if given["session"] else given["lineage"])
        return runtime.sessions.end(
            session=None if given["subject"] else session,
            subject=given["subject"],
            except_session=given.get("spare", ""),
            reason=given["reason"],
            legacy_done=True,
        )
    except SessionEnded:
        return Ended(0, 0)  # nothing lives there any more, which is what was asked for
    except Conflict:
        runtime.counts.add("outbox.conflict", "a newer value was kept over %s", row.operation)
        return Ended(0, 0)


def _rebirth(key: str, ended: Ended) -> None:
    row = engine.read(key) if key else None
    if row:
        reborn(Stamp.of(row.data), ended).put(row.data)
        engine.write(key, row.data, row.expires)


def reborn(stamp: Stamp, ended: Ended | None) -> Stamp:
    """A stamp that the end leaves standing. Where the mark is not known, a later context brings one."""
    if ended and ended.mark:
        return stamp.but(born=ended.mark, reborn_after=None)
    return stamp.but(reborn_after=time.time())


def _rows() -> QuerySet[Outbox]:
    return Outbox._default_manager.using(ledger.alias(Outbox))
