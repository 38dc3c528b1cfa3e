"""Describe some of the site's sessions, chosen at random: names, types and sizes, never a value and never
a session's key. Reads only, and a bounded number of sessions at a time.

Django itself reads them, as it does on each request; so this works for whatever it can read.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing

from crossfade import shapes

from .. import draw, engine
from ..stamps import LOGIN_KEY

MOST = 200  # sessions in one answer
ROOM = 512 << 10  # bytes of them


def answer(call: dict[str, Any]) -> dict[str, Any]:
    drawn = draw.some(min(max(call["limit"], 1), MOST))
    sessions, room = [], ROOM
    for found in drawn.found:
        one = _describe(found)
        room -= len(json.dumps(one))
        if room < 0:
            break
        sessions.append(one)
    return {
        "engine": settings.SESSION_ENGINE,
        "total": drawn.total,
        "live": drawn.live,
        "whole": drawn.whole and len(sessions) == len(drawn.found),
        "unsupported": drawn.unsupported,
        "sessions": sessions,
    }


def _describe(found: draw.Found) -> dict[str, Any]:
    one: dict[str, Any] = {
        # Tells sessions apart in a sample; nobody gets from it to the key.
        "id": hashlib.sha256(b"crossfade-inventory" + found.key.encode()).hexdigest()[:16],
        "format": "pickle",
        "problem": "",
        "signed_by": 0,
        "size": found.size,
        "authenticated": False,
        "saved": found.saved,
        "expires": found.expires,
        "keys": [],
    }
    data = found.data
    if found.text is not None:
        data, one["signed_by"], one["saved"] = _open(found.text, one["saved"])
        one["format"] = "json" if _is_json() else "pickle"
    if not isinstance(data, dict):
        one["format"] = "unreadable"
        one["problem"] = (
            "signed with none of the keys, or damaged" if found.text is not None else "not a dict"
        )
        return one
    one["keys"] = shapes.describe(data)
    one["authenticated"] = bool(data.get(LOGIN_KEY))
    if one["expires"] is None and found.modified is not None:
        one["expires"] = _file_expiry(data, found.modified)
    return one


def _open(text: str, saved: int | None) -> tuple[Any, int, int | None]:
    """Data, number of the key that verified it (0: not known) and time of signing."""
    store = engine.store_class()()
    if type(store).decode is not SessionBase.decode:
        return store.decode(text), 0, saved  # a format of the site's own
    for number, secret in enumerate([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS], start=1):
        try:
            data = signing.loads(
                text, key=secret, salt=store.key_salt, serializer=store.serializer, fallback_keys=[]
            )
        except signing.BadSignature:
            continue
        except Exception:
            return None, number, saved  # what it holds cannot be read any more
        return data, number, signing.b62_decode(text.rsplit(":", 2)[1])
    return None, 0, saved


def _is_json() -> bool:
    return settings.SESSION_SERIALIZER.endswith("JSONSerializer")


def _file_expiry(data: dict[str, Any], modified: int) -> int:
    store = engine.store_class()()
    store._session_cache = data
    try:
        age = store.get_expiry_age(modification=_moment(modified))
    except Exception:
        age = settings.SESSION_COOKIE_AGE
    return modified + int(age)


def _moment(seconds: int) -> Any:
    import datetime

    tz = datetime.timezone.utc
    when = datetime.datetime.fromtimestamp(seconds, tz)
    return when if settings.USE_TZ else datetime.datetime.fromtimestamp(time.mktime(when.timetuple()))
