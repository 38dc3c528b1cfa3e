"""The public keys that contexts are signed with, fetched from ``/.well-known/jwks.json`` and kept.

A key is published before it signs, so an unknown id is rare; it is asked for at a limited rate, because
anybody can invent one. When Crossfade is down, the keys that are known stay in use.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt

from .errors import InvalidContext, Unavailable
from .transport import Transport

LIFETIME = 300.0  # seconds after which the set is asked for again, so that retired keys go
PAUSE = 5.0  # seconds between two questions, whatever asks
PATH = "/.well-known/jwks.json"


class KeySet:
    """Thread-safe; at most one thread asks at a time."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Any] | None = None
        self._asked: float | None = None

    def get(self, kid: str) -> Any:
        """The Ed25519 key of this id. InvalidContext if there is none, Unavailable if nobody could say."""
        keys = self._keys
        if keys is None or kid not in keys or self._due(LIFETIME):
            self._refresh(kid)
            keys = self._keys
        if keys is None:
            raise Unavailable(
                "the signing keys were never fetched",
                code="keys",
                hint="check with: manage.py crossfade_check",
            )
        if kid not in keys:
            raise InvalidContext(f"no signing key has the id {kid[:16]!r}", code="forged")
        return keys[kid]

    def _due(self, age: float) -> bool:
        return self._asked is None or self._clock() - self._asked >= age

    def _refresh(self, kid: str) -> None:
        known = self._keys
        # While a known key can be used, nobody queues behind the one thread that asks.
        if not self._lock.acquire(blocking=known is None or kid not in known):
            return
        try:
            if self._keys is not known or not self._due(PAUSE):
                return  # another thread has just asked
            self._asked = self._clock()
            answer = self._transport.send("GET", PATH, repeatable=True)
            if answer.status != 200:
                raise Unavailable(f"the signing keys answered {answer.status}", code="keys")
            self._keys = _parse(answer.body)
        except Unavailable:
            if known is None:
                raise
        finally:
            self._lock.release()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        keys = {}
        for entry in json.loads(body)["keys"]:
            if (
                entry.get("kty") == "OKP"
                and entry.get("crv") == "Ed25519"
                and isinstance(entry.get("kid"), str)
            ):
                keys[entry["kid"]] = jwt.PyJWK.from_dict(entry, algorithm="EdDSA").key
        return keys
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise Unavailable("the signing keys cannot be read", code="keys") from error
