"""Hand a legacy session over: mark its key as moved, and answer what may cross."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import transaction

from crossfade import mapping

from .. import conf, engine, ledger, signals
from ..models import LegacyKey
from ..stamps import Stamp
from . import inspect
from .inspect import View

COUNTERPART = LegacyKey.Purpose.COUNTERPART
LAST = 2**62  # no version of that generation: whatever is still on its way for a counterpart is older


def answer(call: dict[str, Any]) -> dict[str, Any]:
    """Asked again for the same key, the answer has the lineage of the first call."""
    view = inspect.look(call["key"])
    if view is None:
        return {"found": False}
    if view.ended:
        return view.as_json()
    held = ledger.hand_over(
        view.key,
        call["lineage"],
        stamp=view.stamp,
        subject=view.subject,
        expires=view.row.expires,
        operation=call["operation"],
    )
    # Read again under the lock: what was saved until now is in here, what is saved from now on follows
    # as patches. An end that came meanwhile is seen as well.
    moved_before = view.ruling.moved
    view = inspect.look(call["key"])
    if view is None:
        return {"found": False}
    view = replace(view, ruling=replace(view.ruling, lineage=held.lineage, moved=moved_before))
    if view.ended:
        return view.as_json()
    texts, left = mapping.split(view.row.data, conf.settings().max_data_bytes)
    for item in left:
        signals.left_behind.send(
            sender=LegacyKey, key=item.key, reason=item.reason, type=item.type, session_key=view.key
        )
    return {
        **view.as_json(),
        "generation": max(held.generation, view.stamp.generation),
        "idle": view.row.idle,
        "data": {key: mapping.decode(text) for key, text in texts.items()},
        "left_behind": [item.as_json() for item in left],
        "counterpart": _counterpart(view, held, call.get("counterpart") or ""),
    }


def _counterpart(view: View, held: LegacyKey, key: str) -> str | None:
    """The key of the session's counterpart, with the data of now. One from before a round trip is used
    again, since the tickets out there name it."""
    if not view.subject:
        return None
    live = ledger.live_key(held.lineage, COUNTERPART)
    if (
        live
        and engine.read(live.session_key)
        and (view.ruling.moved or _write(view, held, live.session_key))  # asked again, it has what it needs
    ):
        return live.session_key
    if engine.valid(key) and key != view.key and _write(view, held, key):
        return key
    return None


def _write(view: View, held: LegacyKey, key: str) -> bool:
    """False: the key is somebody's session by now."""
    with transaction.atomic(using=ledger.alias()):
        before = ledger.lock(key, held.lineage)
        if before and (before.moved or before.purpose != COUNTERPART or before.lineage != held.lineage):
            return False
        data = dict(view.row.data)
        stamp = Stamp.of(data).but(lineage=held.lineage, generation=held.generation)
        stamp.put(data)
        engine.write(key, data, view.row.expires)
        ledger.open_key(
            key,
            held.lineage,
            COUNTERPART,
            subject=view.subject,
            born=stamp.born,
            generation=held.generation,
            operation=held.operation,
            expires=view.row.expires,
            version=LAST,
        )
    return True
