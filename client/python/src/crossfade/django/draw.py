"""Sessions of the site's own engine at random, each as likely as any other whatever it holds.

Keys are random, so rows that stand side by side by key have nothing in common: a few rows from each of many
random places are a fair sample, at the price of a few look-ups by primary key.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import router
from django.utils import timezone

from . import engine

RUN = 5
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_random = random.SystemRandom()

NO_LIST = (
    "the cache behind SESSION_ENGINE cannot list its keys; if it is a Redis, read it directly, and otherwise "
    "its sessions cannot be sampled"
)


@dataclass(frozen=True)
class Found:
    """Either ``text``, as the engine stored it, or ``data``. Times are Unix seconds; None: not known."""

    key: str
    size: int
    text: str | None = None
    data: Any = None
    saved: int | None = None
    modified: int | None = None
    expires: int | None = None


@dataclass(frozen=True)
class Drawn:
    """``whole``: these are all live sessions. ``total`` counts expired ones too; None: not known."""

    found: list[Found] = field(default_factory=list)
    total: int | None = None
    live: int | None = None
    whole: bool = False
    unsupported: str | None = None


def some(limit: int) -> Drawn:
    cls = engine.store_class()
    if hasattr(cls, "get_model_class"):
        return _rows(cls, limit)
    if hasattr(cls, "_get_storage_path"):
        return _files(cls, limit)
    if hasattr(cls, "cache_key_prefix"):
        return _cache(cls, limit)
    return Drawn(
        unsupported="sessions of this engine are kept by the browsers: there is no store to look into"
    )


def _rows(cls: type[SessionBase], limit: int) -> Drawn:
    model = cls.get_model_class()  # type: ignore[attr-defined]
    rows = model._default_manager.using(router.db_for_read(model))
    alive = rows.filter(expire_date__gt=timezone.now())
    live = alive.values_list("session_key", flat=True)[: limit + 1]
    keys, whole = list(live), True
    if len(keys) > limit:
        keys, whole = [], False
        for _ in range(-(-limit // RUN)):
            start = "".join(_random.choice(LETTERS) for _ in range(12))
            near = rows.filter(session_key__gte=start).order_by("session_key")
            keys += near.values_list("session_key", flat=True)[:RUN]
    fields = ("session_key", "session_data", "expire_date")
    found = [
        Found(key, len(text), text=text, expires=int(when.timestamp()))
        for key, text, when in rows.filter(session_key__in=set(keys)).values_list(*fields)
    ]
    return Drawn(found, live=len(keys) if whole else None, whole=whole)


def _files(cls: type[SessionBase], limit: int) -> Drawn:
    store = cls()
    prefix = store.file_prefix  # type: ignore[attr-defined]
    with os.scandir(store.storage_path) as entries:  # type: ignore[attr-defined]
        keys = [e.name.removeprefix(prefix) for e in entries if e.name.startswith(prefix)]
    keys = [key for key in keys if engine.valid(key)]
    found = []
    for key in _random.sample(keys, min(limit, len(keys))):
        try:
            with open(store._key_to_file(key), encoding="ascii") as file:  # type: ignore[attr-defined]
                text, changed = file.read(), int(os.fstat(file.fileno()).st_mtime)
        except (OSError, UnicodeDecodeError):
            continue
        found.append(Found(key, len(text), text=text, saved=changed, modified=changed))
    return Drawn(found, total=len(keys), whole=len(keys) <= limit)


def _cache(cls: type[SessionBase], limit: int) -> Drawn:
    store = cls()
    cache = store._cache  # type: ignore[attr-defined]
    begin, _, end = cache.make_key(store.cache_key_prefix + "\0").partition("\0")  # type: ignore[attr-defined]
    reader = _Redis.of(cache) or _Memory.of(cache)
    if reader is None or end:
        return Drawn(unsupported=NO_LIST)
    keys, total = reader.keys(begin, limit)
    found = []
    for key in keys:
        data = cache.get(store.cache_key_prefix + key)  # type: ignore[attr-defined]
        if data is not None:
            size, expires = reader.about(begin + key)
            found.append(Found(key, size, data=data, expires=expires))
    return Drawn(found, total=total, live=total, whole=total is not None and total <= limit)


@dataclass(frozen=True)
class _Memory:
    """Django's cache in memory: of this process alone, and so of use in development only."""

    cache: Any

    @classmethod
    def of(cls, cache: Any) -> _Memory | None:
        return cls(cache) if hasattr(cache, "_expire_info") else None

    def keys(self, begin: str, limit: int) -> tuple[list[str], int | None]:
        keys = _ours(begin, list(self.cache._cache))
        return _random.sample(keys, min(limit, len(keys))), len(keys)

    def about(self, name: str) -> tuple[int, int | None]:
        expires = self.cache._expire_info.get(name)
        return len(self.cache._cache.get(name, b"")), None if expires is None else int(expires)


@dataclass(frozen=True)
class _Redis:
    """Django's RedisCache and django-redis, by the client of redis-py that both stand on."""

    client: Any

    @classmethod
    def of(cls, cache: Any) -> _Redis | None:
        getters: list[Callable[[], Any]] = [
            lambda: cache._cache.get_client(),
            lambda: cache.client.get_client(write=False),
        ]
        for get in getters:
            try:
                client = get()
            except (AttributeError, TypeError):
                continue
            if hasattr(client, "randomkey"):
                return cls(client)
        return None

    def keys(self, begin: str, limit: int) -> tuple[list[str], int | None]:
        if self.client.dbsize() <= 20 * limit + 1000:
            pattern = "".join("[" + c + "]" if c in "*?[" else "\\" + c if c in "\\]" else c for c in begin)
            keys = sorted(
                set(_ours(begin, map(_text, self.client.scan_iter(match=pattern + "*", count=500))))
            )
            return _random.sample(keys, min(limit, len(keys))), len(keys)
        drawn: set[str] = set()
        for _ in range(20):
            pipe = self.client.pipeline(transaction=False)
            for _ in range(limit):
                pipe.randomkey()
            drawn.update(_ours(begin, [_text(key) for key in pipe.execute() if key is not None]))
            if len(drawn) >= limit:
                break
        return list(drawn)[:limit], None

    def about(self, name: str) -> tuple[int, int | None]:
        left = self.client.pttl(name)
        return self.client.strlen(name), int(time.time() + left / 1000) if left >= 0 else None


def _text(key: Any) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key


def _ours(begin: str, names: Any) -> list[str]:
    """Keys of sessions among names in the cache; those of cached_db begin like those of cache."""
    return [key for key in _keys(begin, names) if engine.valid(key)]


def _keys(begin: str, names: Any) -> Iterator[str]:
    return (name.removeprefix(begin) for name in names if name.startswith(begin))
