"""Which session values cross, and as what JSON text.

A value crosses if ``json.loads(json.dumps(value))`` gives it back exactly, here and in any other
language: a tuple would come back as a list, an integer key as a string, a NaN not at all. Such a value
is left behind by name, never changed in silence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import NotJSON

STAMP_KEY = "_crossfade"
MAX_KEY_BYTES = 128
MAX_KEYS = 128
# These go first when there is not room for all: without them a visitor is logged out or a form fails.
_FIRST = ("_auth_user", "_csrftoken", "_session_expiry", "_language")


@dataclass(frozen=True)
class LeftBehind:
    """A value that stays in the legacy session. ``reason``: not_json, too_large."""

    key: str
    reason: str
    type: str

    def as_json(self) -> dict[str, str]:
        return {"key": self.key, "reason": self.reason, "type": self.type}


def encode(value: Any) -> str:
    """The JSON text of a value that crosses without loss; otherwise NotJSON."""
    _check(value, 0)
    return dumps(value)


def dumps(value: Any) -> str:
    """Compact JSON, key order kept, text unescaped; TypeError or ValueError as ``json`` raises them."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(text: str) -> Any:
    """The value of a JSON text; NaN and Infinity, which are not JSON, are ValueErrors."""
    return json.loads(text, parse_constant=_no_constant)


def split(data: Mapping[Any, Any], max_bytes: int) -> tuple[dict[str, str], list[LeftBehind]]:
    """Divide session data into JSON texts that cross and names of what is left behind.

    Where all together exceeds ``max_bytes``, login and CSRF keys go first, then small values before
    large ones. The package's own stamp is neither.
    """
    texts: dict[str, str] = {}
    left: list[LeftBehind] = []
    for key, value in data.items():
        if key == STAMP_KEY:
            continue
        try:
            _check(key, 0)
            if type(key) is not str:
                raise NotJSON(type_name(key))
            texts[key] = encode(value)
        except NotJSON as problem:
            left.append(LeftBehind(str(key).encode(errors="replace").decode(), "not_json", problem.type))
    room = max_bytes
    kept: set[str] = set()
    for key in sorted(texts, key=lambda k: (not k.startswith(_FIRST), len(texts[k]), k)):
        size = len(key.encode()) + len(texts[key].encode())
        if size > room or len(key.encode()) > MAX_KEY_BYTES or len(kept) == MAX_KEYS:
            left.append(LeftBehind(key, "too_large", type_name(data[key])))
            continue
        room -= size
        kept.add(key)
    return {k: t for k, t in texts.items() if k in kept}, left


def type_name(value: object) -> str:
    """``datetime.datetime``, but ``tuple`` and not ``builtins.tuple``."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _check(value: object, depth: int) -> None:
    # Exact types: a subclass (SafeString, an enum, OrderedDict) would come back as its base.
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise NotJSON(f"float {value}")
    elif kind is str:
        if not _is_unicode(value):  # type: ignore[arg-type]
            raise NotJSON("str with a lone surrogate")
    elif depth > 100:
        raise NotJSON(f"{type_name(value)} nested over 100 deep")
    elif kind is list:
        for item in value:  # type: ignore[attr-defined]
            _check(item, depth + 1)
    elif kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise NotJSON(f"dict with a {type_name(key)} key")
            _check(key, depth + 1)
            _check(item, depth + 1)
    else:
        raise NotJSON(type_name(value))


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
