"""What may be told about session data without telling the data: names, types and sizes.

Names are shown to people and some packages keep ids or secrets in them, so the parts that look like one are
replaced by ``*``; names that differ only there are one. The rules are those of Crossfade's own inventory.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from typing import Any

from . import mapping
from .errors import NotJSON

MAX_NAME = 64  # bytes
MAX_KEYS = 256  # of one session; a session has a dozen
MAX_PICKLED = 1 << 20

_KNOWN = frozenset(
    [
        "datetime.datetime",
        "datetime.date",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "zoneinfo.ZoneInfo",
        "decimal.Decimal",
        "uuid.UUID",
        "uuid.SafeUUID",
        "collections.OrderedDict",
        "complex",
        "bytes",
        "bytearray",
        "django.utils.safestring.SafeString",
    ]
)
_PLAIN = (type(None), bool, int, float, str)
_SEPARATORS = re.compile(r"([_\-.:/ |,;=])")


def describe(data: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Name, type and size of each value; ``odd``, the first type inside that cannot cross, and ``opaque``,
    the first class inside that only its own code understands."""
    return [
        {
            "key": mask(key) if type(key) is str else f"({mapping.type_name(key)})",
            "type": mapping.type_name(value),
            "odd": _odd(value) if type(key) is str else "a key that is no str",
            "opaque": _opaque(value, 0),
            "size": _size(value),
        }
        for key, value in list(data.items())[:MAX_KEYS]
    ]


def mask(name: str) -> str:
    """The name with ``*`` for what looks like an id, an address or a secret."""
    if not name.isprintable() or "@" in name:
        return "*"
    if name.startswith("_state_"):  # Authlib: _state_<provider>_<secret>
        return f"_state_{_mask_part(name[7:].partition('_')[0])}_*"
    masked = "".join(_mask_part(part) for part in _SEPARATORS.split(name))
    while "*-*" in masked:  # a UUID is one thing
        masked = masked.replace("*-*", "*")
    raw = masked.encode()
    return raw[: MAX_NAME - 1].decode(errors="ignore") + "*" if len(raw) > MAX_NAME else masked


def _mask_part(part: str) -> str:
    raw = part.encode()
    digits = sum(48 <= c <= 57 for c in raw)
    if not digits:
        # longNamesOfThisKind, but no random letters
        shouts = len(re.findall(r"(?=[A-Z]{2})", part))
        return part if len(raw) < 24 or (len(raw) < 40 and shouts < 3) else "*"
    is_hex = len(raw) >= 4 and re.fullmatch(r"[0-9a-fA-F]+", part) is not None
    return "*" if digits in (len(raw), *range(4, 1000)) or len(raw) >= 12 or is_hex else part


def _odd(value: Any) -> str:
    try:
        mapping.encode(value)
    except NotJSON as problem:
        return problem.type
    return ""


def _opaque(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in _PLAIN or depth > 100:
        return ""
    if kind is dict:
        items = [part for pair in value.items() for part in pair]
    elif kind in (list, tuple, set, frozenset):
        items = list(value)
    else:
        name = mapping.type_name(value)
        return "" if name in _KNOWN else name
    return next((found for item in items if (found := _opaque(item, depth + 1))), "")


def _size(value: Any) -> int:
    """As compact JSON; where it is none, pickled. 0: neither."""
    try:
        return len(mapping.encode(value).encode())
    except NotJSON:
        pass
    try:
        return min(len(pickle.dumps(value)), MAX_PICKLED)
    except Exception:
        return 0
