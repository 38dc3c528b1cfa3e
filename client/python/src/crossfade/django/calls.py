"""The bodies of bridge calls, checked field by field before anything acts on them."""

from __future__ import annotations

import json
import re
from typing import Any

from .engine import valid

_ID = re.compile(r"[0-9a-f]{32}")
MAX_TIME = 1 << 37  # seconds, in the year 6325; dates end with the year 9999


class Malformed(ValueError):
    """The message names the field and may be shown to the caller."""


def parse(verb: str, body: bytes) -> dict[str, Any]:
    """All fields of the verb's message, absent ones with their zero value."""
    try:
        given = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(given, dict):
        raise Malformed("the body is not an object")
    return {name: read(name, given.get(name)) for name, read in _MESSAGES[verb].items()}


def _id(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _ID.fullmatch(value)):
        return value
    raise Malformed(f"{name}: want 32 hex digits")


def _needed_id(name: str, value: Any) -> str:
    found = _id(name, value)
    if found is None:
        raise Malformed(f"{name} is missing")
    return found


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 1024:
        raise Malformed(f"{name}: want a text")
    return value


def _subject(name: str, value: Any) -> str:
    """A user id, as one column holds it. What a database's collation may take for nothing at all (white
    space, control and invisible characters) would name everybody."""
    subject = _text(name, value)
    if subject and (len(subject) > 255 or not subject.isprintable() or subject != subject.strip()):
        raise Malformed(f"{name}: want a user id of at most 255 characters, all of them visible")
    return subject


def _chosen_key(name: str, value: Any) -> str:
    if not valid(value):
        raise Malformed(f"{name}: want 8 to 40 of a-z and 0-9")
    return value


def _number(name: str, value: Any) -> int:
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise Malformed(f"{name}: want a number")
    return value


def _mark(name: str, value: Any) -> int | None:
    return None if value is None else _number(name, value)


def _time(name: str, value: Any) -> int:
    if _number(name, value) > MAX_TIME:
        raise Malformed(f"{name}: want Unix seconds")
    return value or 0


def _needed_time(name: str, value: Any) -> int:
    if not _time(name, value):
        raise Malformed(f"{name} is missing")
    return value


def _flag(name: str, value: Any) -> bool:
    if value not in (None, True, False):
        raise Malformed(f"{name}: want true or false")
    return bool(value)


def _data(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{name}: want an object")
    return value


def _one_of(*choices: str) -> Any:
    def read(name: str, value: Any) -> str:
        if value not in choices:
            raise Malformed(f"{name}: want one of {', '.join(choices)}")
        return value

    return read


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_MESSAGES: dict[str, dict[str, Any]] = {
    "inspect": {"key": _text},
    "sample": {"limit": _number},
    "exchange": {
        "operation": _needed_id,
        "key": _text,
        "lineage": _needed_id,
        "visitor": _id,
        "counterpart": _text,
    },
    "restore": {
        "operation": _needed_id,
        "purpose": _one_of("active", "counterpart", "tools"),
        "key": _chosen_key,
        "lineage": _needed_id,
        "generation": _number,
        "version": _number,
        "kind": _one_of("guest", "authenticated"),
        "subject": _subject,
        "auth_time": _time,
        "born": _mark,
        "visitor": _id,
        "expires": _needed_time,
        "transient": _flag,
        "data": _data,
    },
    "end": {
        "operation": _needed_id,
        "lineage": _id,
        "subject": _subject,
        "everybody": _flag,
        "before": _number,
        "except": _id,
        "reason": _text,
    },
}
VERBS = tuple(_MESSAGES)
