"""Every session of the site's own engine, in batches, for engines that can be listed.

Read only: nothing here deletes, not even what has expired.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import router
from django.utils import timezone

from . import engine

BATCH = 500

Batch = list[tuple[str, dict[str, Any]]]


def can_list() -> bool:
    """Whether ``sessions`` finds all of them: tables and folders can be listed, caches and cookies cannot."""
    cls = engine.store_class()
    return _in_rows(cls) or _in_files(cls)


def sessions() -> Iterator[Batch]:
    """Keys with what is stored under them; data that cannot be read is empty."""
    cls = engine.store_class()
    if _in_rows(cls):
        yield from _rows(cls)
    elif _in_files(cls):
        yield from _files(cls)


def _in_rows(cls: type[SessionBase]) -> bool:
    return hasattr(cls, "get_model_class")


def _in_files(cls: type[SessionBase]) -> bool:
    return hasattr(cls, "_get_storage_path")


def _rows(cls: type[SessionBase]) -> Iterator[Batch]:
    model, last = cls.get_model_class(), ""  # type: ignore[attr-defined]
    alive = model._default_manager.using(router.db_for_write(model)).filter(expire_date__gt=timezone.now())
    store = cls()
    while True:
        # By key and not by offset: rows are deleted between two batches.
        found = alive.filter(session_key__gt=last).order_by("session_key")
        rows = list(found.values_list("session_key", "session_data")[:BATCH])
        if not rows:
            return
        yield [(key, store.decode(text)) for key, text in rows]
        last = rows[-1][0]


def _files(cls: type[SessionBase]) -> Iterator[Batch]:
    store, batch = cls(), []
    with os.scandir(store.storage_path) as entries:  # type: ignore[attr-defined]
        keys = [
            e.name.removeprefix(store.file_prefix) for e in entries if e.name.startswith(store.file_prefix)
        ]  # type: ignore[attr-defined]
    for key in sorted(filter(engine.valid, keys)):
        try:
            with open(store._key_to_file(key), encoding="ascii") as file:  # type: ignore[attr-defined]
                text = file.read()
        except (FileNotFoundError, UnicodeDecodeError):
            continue
        batch.append((key, store.decode(text) if text else {}))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
