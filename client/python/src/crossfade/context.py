"""The context: the edge's signed statement of who a request is from and which system governs it.

Invariant: a Context object exists only for a token whose signature, type, audience and times were
checked. Claims are those of ARCHITECTURE.md, "Headers".
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt

from .errors import InvalidContext
from .keys import KeySet

HEADER = "Crossfade-Context"
TYPE = "crossfade-context+jwt"
ALGORITHM = "EdDSA"
MAX_LIFE = 30  # seconds
MAX_TOKEN = 4096  # characters
NO_SUCCESSOR = "f" * 32  # claim "ret": nothing in Crossfade has followed the legacy key that came
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Context:
    """What the edge says about a request. Ids are 32 hex digits; times Unix seconds; None is "none"."""

    token: str = field(repr=False)
    system: str  # new, legacy
    visitor: str
    arm: str
    epoch: int
    mark: int  # newest revocation mark at issue; what a login records as "born"
    issued: int
    expires: int
    session: str | None = None
    lineage: str | None = None
    generation: int = 0
    version: int = 0
    kind: str | None = None  # guest, authenticated
    subject: str | None = None
    auth_time: int | None = None
    methods: tuple[str, ...] = ()
    level: str | None = None
    unwritten: bool = False  # a guest token with no record behind it: empty until the first write
    read_only: bool = False  # an old secret in its grace: readable, never written
    returning: str | None = None  # lineage that may be served from legacy on this request, or NO_SUCCESSOR
    tools: bool = False  # an internal tool: the legacy session cookie is its own
    lent: bool = False  # the legacy session serves this request only: the browser keeps its own token


class Verifier:
    """Verifies contexts for one audience. Verified ones are kept by their text until they expire,
    because an Ed25519 check costs more than most of the requests it would be repeated for."""

    def __init__(
        self,
        audience: str,
        keys: KeySet,
        *,
        leeway: float = 5.0,
        size: int = 4096,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._audience, self._keys, self._leeway = audience, keys, leeway
        self._size, self._clock = size, clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Context] = OrderedDict()

    def verify(self, token: str) -> Context:
        """The context, or InvalidContext; Unavailable if the keys cannot be had."""
        with self._lock:
            context = self._known.get(token)
        if context is None:
            context = self._check(token)
            with self._lock:
                self._known[token] = context
                while len(self._known) > self._size:
                    self._known.popitem(last=False)
        if context.expires + self._leeway <= self._clock():
            with self._lock:
                self._known.pop(token, None)
            raise InvalidContext(
                "the context has expired", code="expired", hint="a slow proxy, or the clocks differ"
            )
        return context

    def _check(self, token: str) -> Context:
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            raise InvalidContext("not a context", code="malformed")
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or not isinstance(kid, str):
                raise InvalidContext("not a context", code="forged")
            claims = jwt.decode(
                token,
                self._keys.get(kid),
                algorithms=[ALGORITHM],
                # Audience and times are checked below: exactly one audience, and our own clock.
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["iss", "aud", "iat", "exp"],
                },
            )
        except jwt.PyJWTError as error:
            raise InvalidContext("the context does not verify", code="forged") from error
        except (ValueError, TypeError) as error:
            raise InvalidContext("not a context", code="malformed") from error
        if claims["iss"] != "crossfade" or claims["aud"] != self._audience:
            raise InvalidContext(
                f"the context is for {str(claims['aud'])[:64]!r}, not {self._audience!r}",
                code="audience",
                hint="CROSSFADE['NAME'] must be the upstream's name",
            )
        context = _read(token, claims)
        if context.issued > self._clock() + self._leeway or context.expires - context.issued > MAX_LIFE:
            raise InvalidContext("the context's times are wrong", code="expired", hint="compare the clocks")
        return context


def _read(token: str, claims: dict[str, Any]) -> Context:
    get = _Claims(claims)
    context = Context(
        token=token,
        system=get.one_of("sys", "new", "legacy"),
        visitor=get.id("vid") or "",
        arm=get.text("arm") or "none",
        epoch=get.integer("epoch"),
        mark=get.integer("mark"),
        issued=get.integer("iat"),
        expires=get.integer("exp"),
        session=get.id("sid"),
        lineage=get.id("lin"),
        generation=get.integer("gen"),
        version=get.integer("ver"),
        kind=get.text("kind"),
        subject=get.text("sub"),
        auth_time=get.integer("auth_time") or None,
        methods=get.texts("amr"),
        level=get.text("acr"),
        unwritten=get.flag("unwritten"),
        read_only=get.flag("ro"),
        returning=get.id("ret"),
        tools=get.flag("tools"),
        lent=get.flag("lent"),
    )
    if context.session and context.kind not in ("guest", "authenticated"):
        raise InvalidContext("the context names a session of no kind", code="malformed")
    return context


class _Claims:
    """Claims by type; absent and null are the zero value, any other type is refused."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self._claims = claims

    def _get(self, name: str, kind: type, zero: Any) -> Any:
        value = self._claims.get(name)
        if value is None:
            return zero
        if type(value) is not kind:
            raise InvalidContext(f"claim {name} has the wrong type", code="malformed")
        return value

    def text(self, name: str) -> str | None:
        return self._get(name, str, None)

    def integer(self, name: str) -> int:
        return self._get(name, int, 0)

    def flag(self, name: str) -> bool:
        return self._get(name, bool, False)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(v) for v in self._get(name, list, ()))

    def id(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not _ID.fullmatch(value):
            raise InvalidContext(f"claim {name} is not an id", code="malformed")
        return value

    def one_of(self, name: str, *choices: str) -> str:
        value = self.text(name)
        if value not in choices:
            raise InvalidContext(f"claim {name} is {str(value)[:32]!r}", code="malformed")
        return value
