"""What is known here about legacy keys, lineages and marks, and the one question asked of it per request.

Invariant: a lineage with a tombstone, and a session born before its mark, are never served; a key that
was handed over opens nothing until it is restored. Reads go to the database that is written, because a
replica that lags would serve what has ended. Every transaction begins with a write: SQLite refuses, without
waiting, one that reads first and finds that somebody else has written since.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, models, router, transaction
from django.db.models import BigIntegerField, CharField, F, QuerySet, TextField, Value
from django.db.models.functions import Cast

from .models import EndMark, LegacyKey, Tombstone
from .stamps import Stamp

_FOREVER = 2**62  # later than any mark: spared by an end that gave none


@dataclass(frozen=True)
class Ruling:
    """What holds for one legacy session. ``ended`` is a reason, or empty."""

    lineage: str | None = None
    moved: bool = False
    ended: str = ""
    generation: int = 0
    counterpart: bool = False  # kept beside a live new session, and no browser was seen with it


def key_hash(key: str) -> str:
    return hashlib.sha256(b"crossfade legacy key\0" + key.encode()).hexdigest()


def alias(model: type[models.Model] = LegacyKey) -> str:
    """The database that is written."""
    return router.db_for_write(model)


def ruling(key: str, stamp: Stamp, subject: str) -> Ruling:
    """One query for everything that could forbid serving this session."""
    own = _all(LegacyKey).filter(pk=key_hash(key))
    rows = _row(own, "key", F("lineage"), F("moved"), F("generation"), 0, F("purpose"))
    # Tombstones by the key's lineage too, for a session that was exchanged and never stamped.
    lineages = models.Q(pk__in=own.values("lineage"))
    if stamp.lineage:
        lineages |= models.Q(pk=stamp.lineage)
    stones = _row(_all(Tombstone).filter(lineages), "stone", F("lineage"), 0, 0, 0, F("reason"))
    marks = _row(
        _all(EndMark).filter(pk__in={subject, ""}),
        "mark",
        F("subject"),
        F("before"),
        F("at"),
        F("until"),
        F("spared"),
    )
    lineage, moved, generation, ended, beside = stamp.lineage, False, stamp.generation, "", False
    found = list(rows.union(stones, marks, all=True))
    for what, name, first, second, _, text in found:
        if what == "key":
            lineage, moved, generation = name, bool(first), max(generation, second)
            beside = text == LegacyKey.Purpose.COUNTERPART and not moved
    for what, _, before, at, until, text in found:
        if what == "stone":
            ended = ended or text or "tombstone"
        elif what == "mark" and _ends(before, at, until, text, stamp, lineage):
            ended = ended or "mark"
    return Ruling(lineage, moved, ended, generation, beside)


def marked(subject: str, born: int | None, moment: float | None, lineage: str) -> bool:
    """Whether a mark has ended a session of this subject that was born then."""
    stamp = Stamp(born=born, login=moment)
    return any(
        _ends(m.before, m.at, m.until, m.spared, stamp, lineage)
        for m in _all(EndMark).filter(pk__in={subject, ""})
    )


def tombstoned(lineage: str) -> bool:
    return _all(Tombstone).filter(pk=lineage).exists()


def tombstone(lineage: str, reason: str) -> None:
    """End a lineage here for ever. The first reason stands."""
    stone = Tombstone(lineage=lineage, reason=reason[:64], at=int(time.time()))
    _all(Tombstone).bulk_create([stone], ignore_conflicts=True)


def end_subject(subject: str, before: int, spared: str | None = None) -> None:
    """End what a subject has (empty subject: everybody), sparing one lineage: sessions born before the
    mark, or with no mark given all whose privilege began until now. Marks only grow."""
    now = time.time_ns() // 1000
    with transaction.atomic(using=alias(EndMark)):
        _all(EndMark).bulk_create([EndMark(subject=subject)], ignore_conflicts=True)
        mark = _all(EndMark).select_for_update().get(pk=subject)
        if before:
            mark.before, mark.at = max(mark.before, before), now
        else:
            mark.until = now
        reborn = {k: v for k, v in json.loads(mark.spared).items() if v >= mark.before}
        mark.spared = json.dumps(reborn | ({spared: before or _FOREVER} if spared else {}))
        mark.save()


def hand_over(
    key: str, lineage: str, *, stamp: Stamp, subject: str, expires: int, operation: str
) -> LegacyKey:
    """Mark a key as moved. The first caller's lineage wins: everybody gets the row that holds it."""
    row = LegacyKey(
        key_hash=key_hash(key),
        session_key=key,
        lineage=stamp.lineage or lineage,
        moved=1,
        purpose=LegacyKey.Purpose.ORIGIN,
        subject=subject,
        born=stamp.born,
        generation=stamp.generation,
        expires=expires,
        operation=operation,
    )
    try:
        with transaction.atomic(using=alias()):
            row.save(force_insert=True, using=alias())
            return row
    except IntegrityError:
        # Known and not moved: it was restored, and goes a second time.
        _all(LegacyKey).filter(pk=row.pk, moved=0).update(moved=1, subject=subject, new_key="")
        served(key)
        return _all(LegacyKey).get(pk=row.pk)


def served(key: str) -> bool:
    """A browser came with this key: if it was a counterpart it is her session now, which no refresh may
    touch. Whether that was news. Waits for a refresh under way; what is read afterwards has it."""
    counterpart = _all(LegacyKey).filter(pk=key_hash(key), purpose=LegacyKey.Purpose.COUNTERPART)
    with transaction.atomic(using=alias()):
        return bool(counterpart.update(purpose=LegacyKey.Purpose.ACTIVE))


def lock(key: str, lineage: str) -> LegacyKey | None:
    """The row of this key, held until the transaction ends; None if there was none, and now there is an
    empty one that says nothing yet. Inside a transaction only."""
    row = LegacyKey(
        key_hash=key_hash(key), session_key=key, lineage=lineage, purpose=LegacyKey.Purpose.ACTIVE
    )
    try:
        with transaction.atomic(using=alias()):
            row.save(force_insert=True, using=alias())
            return None
    except IntegrityError:
        return _all(LegacyKey).select_for_update().get(pk=row.pk)


def open_key(
    key: str,
    lineage: str,
    purpose: str,
    *,
    subject: str,
    born: int | None,
    generation: int,
    operation: str,
    expires: int,
    version: int | None = None,
) -> None:
    """Record that this key is served for the lineage from now on. ``version`` None: as it was."""
    row = LegacyKey(
        key_hash=key_hash(key),
        session_key=key,
        lineage=lineage,
        purpose=purpose,
        subject=subject,
        born=born,
        generation=generation,
        operation=operation,
        expires=expires,
        version=version or 0,
    )
    values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if not f.primary_key}
    if version is None:
        values.pop("version")
    mine = _all(LegacyKey).filter(pk=row.pk)
    if not mine.update(**values):
        try:
            with transaction.atomic(using=alias()):
                row.save(force_insert=True, using=alias())
        except IntegrityError:
            mine.update(**values)


def reopen(key: str) -> None:
    """A moved key came back because the edge said that its lineage may."""
    _all(LegacyKey).filter(pk=key_hash(key), moved=1).update(moved=0)


def follow(old: str | None, new: str, stamp: Stamp, subject: str) -> None:
    """The site gave a session that Crossfade knows another key."""
    before = known(old) if old else None
    if stamp.lineage is None and before is None:
        return
    lineage = stamp.lineage or before.lineage  # type: ignore[union-attr]
    open_key(
        new,
        lineage,
        before.purpose if before else LegacyKey.Purpose.ACTIVE,
        subject=subject,
        born=stamp.born,
        generation=stamp.generation,
        operation="",
        expires=before.expires if before else 0,
    )
    # Whoever asks for the lineage's living key must not be given the one that the site deletes now.
    _all(LegacyKey).filter(pk=key_hash(old or ""), moved=0).delete()


def known(key: str) -> LegacyKey | None:
    return _all(LegacyKey).filter(pk=key_hash(key)).first()


def keys_of(lineages: Iterable[str]) -> QuerySet[LegacyKey]:
    return _all(LegacyKey).filter(lineage__in=lineages)


def keys_of_subject(subject: str) -> QuerySet[LegacyKey]:
    return _all(LegacyKey).filter(subject=subject)


def counterparts(lineage: str, *, but: str = "") -> QuerySet[LegacyKey]:
    """The lineage's counterparts that no browser was seen with, except the one with this key."""
    rows = keys_of([lineage]).filter(moved=0, purpose=LegacyKey.Purpose.COUNTERPART)
    return rows.exclude(pk=key_hash(but))


def live_key(lineage: str, *purposes: str) -> LegacyKey | None:
    """The key under which a lineage's legacy session is alive, the latest generation first."""
    return keys_of([lineage]).filter(moved=0, purpose__in=purposes).order_by("-generation").first()


def announce(lineage: str, new_key: str) -> list[str]:
    """The legacy keys that this new session follows, to exactly one caller."""
    old = []
    for row in keys_of([lineage]).filter(moved=1, new_key=""):
        if _all(LegacyKey).filter(pk=row.pk, new_key="").update(new_key=new_key):
            old.append(row.session_key)
    return old


def _ends(before: int, at: int, until: int, spared: str, stamp: Stamp, lineage: str | None) -> bool:
    reborn = json.loads(spared).get(lineage, 0) if lineage else 0
    early = stamp.moment is None or stamp.moment * 1_000_000
    if until and reborn != _FOREVER and (early is True or early <= until):
        return True
    if not before:
        return False
    if stamp.born is not None or reborn:
        return max(stamp.born or 0, reborn) < before
    return early is True or early <= at


def _all(model: type[models.Model]) -> QuerySet:
    return model._default_manager.using(alias(model))


def _row(rows: QuerySet, what: str, name: object, a: object, b: object, c: object, text: object) -> QuerySet:
    # Every branch of the union has the same six columns of the same types.
    def typed(value: object, field: models.Field) -> object:
        return Cast(value if isinstance(value, F) else Value(value), field)

    return rows.order_by().values_list(
        typed(what, CharField(max_length=8)),
        typed(name, CharField(max_length=255)),
        typed(a, BigIntegerField()),
        typed(b, BigIntegerField()),
        typed(c, BigIntegerField()),
        typed(text, TextField()),
    )
