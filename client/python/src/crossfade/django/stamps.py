"""The stamp that the package leaves inside a legacy session, under the reserved key ``_crossfade``.

It says which browser the session was made for, when its user logged in, which mark was current before
that, and, once Crossfade has met the session, its lineage and generation. A session is stamped when it
is created, cycled or logged in, never merely because it is saved: a key that somebody planted in a
browser must not come to look like that browser's own.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from crossfade.mapping import STAMP_KEY

_ID = re.compile(r"[0-9a-f]{32}")
LOGIN_KEY = "_auth_user_id"
HASH_KEY = "_auth_user_hash"
AUTH_KEYS = (LOGIN_KEY, "_auth_user_backend", HASH_KEY)


@dataclass(frozen=True)
class Stamp:
    """Times are Unix seconds with fractions; None is "not known"."""

    visitor: str | None = None
    made: float | None = None
    login: float | None = None
    born: int | None = None
    lineage: str | None = None
    generation: int = 0
    # Set by an "end all but this one" whose mark is not known yet: a context issued after this moment
    # carries a mark that is late enough to be born at.
    reborn_after: float | None = None

    @classmethod
    def of(cls, data: MutableMapping[str, Any]) -> Stamp:
        """The stamp in session data. Anything that does not look like one counts as unstamped."""
        given = data.get(STAMP_KEY)
        if not isinstance(given, dict):
            return cls()
        return cls(
            visitor=_id(given.get("v")),
            made=_number(given.get("c")),
            login=_number(given.get("t")),
            born=_integer(given.get("b")),
            lineage=_id(given.get("l")),
            generation=_integer(given.get("g")) or 0,
            reborn_after=_number(given.get("r")),
        )

    def put(self, data: MutableMapping[str, Any]) -> None:
        """Write the stamp into session data."""
        given = {
            "v": self.visitor,
            "c": self.made,
            "t": self.login,
            "b": self.born,
            "l": self.lineage,
            "g": self.generation or None,
            "r": self.reborn_after,
        }
        data[STAMP_KEY] = {k: v for k, v in given.items() if v is not None}

    def but(self, **changes: Any) -> Stamp:
        return replace(self, **changes)

    @property
    def moment(self) -> float | None:
        """When the privilege of this session began."""
        return self.login if self.login is not None else self.made


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _number(value: object) -> float | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _integer(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
