"""What a request did to a session: found by comparing JSON texts, so that a list that was appended to
counts as changed although nobody assigned it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade import mapping
from crossfade.errors import NotJSON

EXPIRY_KEY = "_session_expiry"


@dataclass(frozen=True)
class Changes:
    """``set`` holds JSON texts; ``left`` names values that have none."""

    set: dict[str, str] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    left: list[mapping.LeftBehind] = field(default_factory=list)
    coerced: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.set or self.delete)

    @property
    def lifetime(self) -> bool:
        """Whether ``set_expiry`` was called with something else than before."""
        return EXPIRY_KEY in self.set or EXPIRY_KEY in self.delete


def texts_of(data: Mapping[Any, Any]) -> dict[str, str]:
    """The JSON text of everything that has one: what later changes are measured against."""
    texts = {}
    for key, value in data.items():
        try:
            texts[str(key)] = text_of(value)[0]
        except NotJSON:
            texts[str(key)] = ""
    texts.pop(mapping.STAMP_KEY, None)
    return texts


def text_of(value: Any) -> tuple[str, bool]:
    """JSON text as Django's JSONSerializer would write it, and whether it changed the value: a tuple
    becomes a list there too. NotJSON for what even that refuses."""
    try:
        return mapping.encode(value), False
    except NotJSON as problem:
        try:
            text = mapping.dumps(value)
            text.encode()
            return text, True
        except (TypeError, ValueError, RecursionError):
            raise problem from None


def changes(before: Mapping[str, str], data: Mapping[Any, Any]) -> Changes:
    """The difference between texts that were loaded and data as it is now."""
    out = Changes()
    for key, value in data.items():
        key = str(key)
        if key == mapping.STAMP_KEY:
            continue
        try:
            text, coerced = text_of(value)
        except NotJSON as problem:
            out.left.append(mapping.LeftBehind(key, problem.code, problem.type))
            continue
        if text != before.get(key) and not _same(before.get(key), text):
            out.set[key] = text
            if coerced:
                out.coerced.append(key)
    known = {str(key) for key in data}
    out.delete.extend(key for key in before if key not in known)
    return out


def _same(before: str | None, text: str) -> bool:
    # Another writer may have spaced or escaped the same value differently.
    if not before:
        return False
    try:
        return mapping.dumps(mapping.decode(before)) == text
    except ValueError:
        return False
