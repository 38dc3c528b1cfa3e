"""The signature on bridge calls: the proof that Crossfade itself asks, this body, now, once.

Header by header as in ARCHITECTURE.md, "Bridge protocol". The nonce is checked by the caller, in a
store that all workers share, because only a caller has one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import InvalidSignature

MAX_BODY = 1 << 20  # bytes
WINDOW = 60  # seconds that the two clocks may differ
KEY_HEADER = "Crossfade-Bridge-Key"
TIME_HEADER = "Crossfade-Bridge-Time"
NONCE_HEADER = "Crossfade-Bridge-Nonce"
SIGNATURE_HEADER = "Crossfade-Bridge-Signature"

_DECIMAL = re.compile(r"[0-9]{1,12}", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{32}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SignedCall:
    """A call that was signed by us. ``nonce`` must still be spent; ``time`` is Unix seconds."""

    nonce: str
    time: int


def sign(secret: bytes, method: str, path: str, when: int, nonce: str, body: bytes) -> str:
    """64 hex digits of HMAC-SHA256 over method, path, time, nonce and the body's hash."""
    text = f"v1\n{method}\n{path}\n{when}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


class Verifier:
    """Checks calls against a set of secrets by key id."""

    def __init__(self, secrets: Mapping[int, bytes], clock: Callable[[], float] = time.time) -> None:
        self._secrets = dict(secrets)
        self._clock = clock

    def verify(self, headers: Mapping[str, str], method: str, path: str, body: bytes) -> SignedCall:
        """InvalidSignature with code ``forged`` (tell an outsider nothing) or ``stale`` (ours, but late)."""
        key, when = headers.get(KEY_HEADER, ""), headers.get(TIME_HEADER, "")
        nonce, given = headers.get(NONCE_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
        if not (
            _DECIMAL.fullmatch(key)
            and _DECIMAL.fullmatch(when)
            and _NONCE.fullmatch(nonce)
            and _SIGNATURE.fullmatch(given)
        ):
            raise InvalidSignature("a bridge header is missing or malformed", code="forged")
        secret = self._secrets.get(int(key))
        # An unknown key id costs the same as a wrong signature.
        want = sign(secret or b"\0" * 32, method, path, int(when), nonce, body)
        if not hmac.compare_digest(want, given) or secret is None:
            raise InvalidSignature("the bridge signature is wrong", code="forged")
        if abs(self._clock() - int(when)) > WINDOW:
            raise InvalidSignature(
                "the bridge call is stale",
                code="stale",
                hint="compare the clocks of Crossfade and of this machine",
            )
        return SignedCall(nonce, int(when))
