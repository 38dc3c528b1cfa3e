"""The site's own session engine, reached by key: for rows that are not the current request's.

Works for the engines db, cached_db, cache and file and for subclasses of them; it uses Django's own
SessionStore, so encodings, salts and caches are the site's.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.utils import timezone

_KEY = re.compile(r"[a-z0-9]{8,40}")
# True while the package itself deletes a row: such a deletion is no message to Crossfade.
_ours: ContextVar[bool] = ContextVar("crossfade_ours", default=False)


@dataclass(frozen=True)
class Row:
    """A session as the engine has it. ``expires`` is Unix seconds, ``idle`` the lifetime in seconds."""

    data: dict[str, Any]
    expires: int
    idle: int
    transient: bool = False  # the browser keeps its cookie until it is closed


def store_class() -> type[SessionBase]:
    """The engine's SessionStore, as Django's own middleware finds it."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def valid(key: object) -> bool:
    """Whether any engine could have made this key. Others are not asked for: the file engine would
    raise, and nothing that an attacker writes should reach a path or a cache key."""
    return isinstance(key, str) and _KEY.fullmatch(key) is not None


def read(key: str) -> Row | None:
    """The live session under a key; None if there is none, if it expired, or if it is empty."""
    if not valid(key):
        return None
    store = store_class()(key)
    store.create = lambda: None  # type: ignore[method-assign]  # the file engine replaces expired ones
    with ours():
        data = store.load()
    if not data or store.session_key != key:
        return None
    store._session_cache = data
    expires = _expires(store)
    if expires <= time.time():
        return None
    return Row(data, expires, max(1, int(store.get_expiry_age())), store.get_expire_at_browser_close())


def write(key: str, data: dict[str, Any], expires: int) -> None:
    """Write a session under a key that was chosen, over whatever is there, to expire at that time."""
    store = store_class()(key)
    store._session_cache = dict(data)
    age = max(1, int(expires - time.time()))
    when = timezone.now() + timedelta(seconds=age)
    store.get_expiry_age = lambda **_: age  # type: ignore[method-assign]
    store.get_expiry_date = lambda **_: when  # type: ignore[method-assign]
    try:
        store.save(must_create=True)
    except CreateError:
        store.save()
    if hasattr(store, "_key_to_file"):
        # The file engine keeps no expiry: it counts the lifetime from the last change, the session's own
        # (set_expiry) or else the default. A moment, which is a text, counts as it is.
        own = data.get("_session_expiry")
        changed = expires - (own if isinstance(own, int) and own else store.get_session_cookie_age())
        os.utime(store._key_to_file(key), (changed, changed))


def delete(key: str) -> bool:
    """Delete the row if there is one; whether there was."""
    if not valid(key):
        return False
    store = store_class()()
    with ours():
        found = store.exists(key)
        store.delete(key)
    return bool(found)


def default_expiry() -> int:
    """When a session that is made now expires by the site's settings."""
    return int(time.time()) + settings.SESSION_COOKIE_AGE


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Inside, deletions are the package's own."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def deleting_ourselves() -> bool:
    return _ours.get()


def _expires(store: SessionBase) -> int:
    if hasattr(store, "get_model_class"):
        model = store.get_model_class()
        rows = model._default_manager.filter(session_key=store.session_key)
        for when in rows.values_list("expire_date", flat=True):
            return int(when.timestamp())
    if hasattr(store, "_last_modification"):
        changed = store._last_modification()
        return int(changed.timestamp()) + int(store.get_expiry_age(modification=changed))
    return int(time.time()) + int(store.get_expiry_age())
