"""The session API's client: reads and changes sessions over Connect's plain JSON.

Every method is one POST. 64-bit integers come as JSON strings, and fields with the zero value do not
come at all, as protobuf's JSON form has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Conflict, CrossfadeError, Misconfigured, Rejected, SessionEnded, Unavailable
from .transport import Answer, Transport

SERVICE = "/crossfade.session.v1.SessionService/"

_BY_CODE: dict[str, type[CrossfadeError]] = {
    "failed_precondition": SessionEnded,
    "not_found": SessionEnded,
    "aborted": Conflict,
    "already_exists": Conflict,
    "invalid_argument": Rejected,
    "resource_exhausted": Rejected,
    "out_of_range": Rejected,
    "unauthenticated": Misconfigured,
    "permission_denied": Misconfigured,
    "unimplemented": Misconfigured,
}
# A second try of these cannot do a second thing.
_REPEATABLE = frozenset({"Resolve", "Get", "Patch", "End", "List"})


@dataclass(frozen=True)
class Selector:
    """Addresses one session: by id, by lineage, or by the context of a guest without a record.
    Empty: a new session is made."""

    id: str = ""
    lineage: str = ""
    context: str = field(default="", repr=False)

    def as_json(self) -> dict[str, str]:
        return _present(id=self.id, lineage=self.lineage, context=self.context)


@dataclass(frozen=True)
class Session:
    """A session as the API tells it. Times are Unix seconds, 0 is "none"."""

    id: str = ""
    lineage: str = ""
    generation: int = 0
    kind: str = ""
    subject: str = ""
    version: int = 0
    expires_at: int = 0
    idle_at: int = 0
    visitor: str = ""
    state: str = ""
    born: int = 0
    transient: bool = False  # the browser keeps it until it is closed

    @classmethod
    def from_json(cls, given: Mapping[str, Any] | None) -> Session:
        given = given or {}
        return cls(
            id=given.get("id", ""),
            lineage=given.get("lineage", ""),
            generation=_int(given.get("generation")),
            kind=given.get("kind", ""),
            subject=given.get("subject", ""),
            version=_int(given.get("version")),
            expires_at=_int(given.get("expiresAt")),
            idle_at=_int(given.get("idleAt")),
            visitor=given.get("visitor", ""),
            state=given.get("state", ""),
            born=_int(given.get("born")),
            transient=bool(given.get("transient")),
        )


@dataclass(frozen=True)
class Found:
    """A session and its attributes, each a JSON text."""

    session: Session
    attributes: dict[str, str]


@dataclass(frozen=True)
class Written:
    """The outcome of a change. ``handoff`` goes unchanged into the header ``Crossfade-Session``."""

    session: Session
    version: int
    handoff: str = field(default="", repr=False)


@dataclass(frozen=True)
class Worth:
    """What a bare token is worth; ``context`` is a context for this client, when it is live."""

    worth: str
    session: Session
    context: str = field(default="", repr=False)


@dataclass(frozen=True)
class Ended:
    """``mark``: the revocation mark that this end drew, 0 if it drew none or the server does not say."""

    ended: int
    outstanding: int
    mark: int = 0


class SessionClient:
    """All methods raise the family in ``crossfade.errors``; SessionEnded means "not live"."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def resolve(self, token: str) -> Worth:
        answer = self._call("Resolve", {"token": token})
        return Worth(
            answer.get("worth", "none"), Session.from_json(answer.get("session")), answer.get("context", "")
        )

    def audience(self) -> str:
        """For whom Crossfade makes the contexts of whoever has this secret; empty if it does not say."""
        answer, content = self._ask("Resolve", {"token": "cf1_"})
        if answer.status != 200:
            problem = _error("Resolve", answer, content)
            if not isinstance(problem, Rejected):  # malformed, but the caller was heard
                raise problem
        return answer.audience

    def get(self, session: Selector) -> Found:
        answer = self._call("Get", {"session": session.as_json()})
        return Found(
            Session.from_json(answer.get("session")), (answer.get("attributes") or {}).get("values") or {}
        )

    def patch(
        self,
        session: Selector,
        set: Mapping[str, str],
        delete: Iterable[str] = (),
        *,
        if_version: Mapping[str, int] | None = None,
        idle_seconds: int = 0,
        transient: bool | None = None,
    ) -> Written:
        """Set and delete keys of a live session. With an empty selector a new guest session is made.
        ``transient``: whether the browser keeps the session until it is closed; None leaves it. Where that
        changes, the answer has a handoff."""
        return _written(
            self._call(
                "Patch",
                {
                    "session": session.as_json(),
                    **_present(set=_values(set), delete=list(delete), idleSeconds=idle_seconds),
                    **({"ifVersion": dict(if_version)} if if_version else {}),
                    **_said(transient=transient),
                },
            )
        )

    def upgrade(
        self,
        session: Selector,
        subject: str,
        *,
        auth_time: int,
        born: int,
        methods: Iterable[str] = ("pwd",),
        set: Mapping[str, str] | None = None,
        delete: Iterable[str] = (),
        counterpart: str = "",
        counterpart_expires: int = 0,
        idle_seconds: int = 0,
        visitor: str = "",
        transient: bool | None = None,
    ) -> Written:
        """Log the session in. The old secret never yields the new one."""
        return _written(
            self._call(
                "Upgrade",
                {
                    "session": session.as_json(),
                    "subject": subject,
                    "authTime": auth_time,
                    "born": born,
                    "methods": list(methods),
                    **_present(
                        set=_values(set),
                        delete=list(delete),
                        counterpart=counterpart,
                        counterpartExpires=counterpart_expires,
                        idleSeconds=idle_seconds,
                        visitor=visitor,
                    ),
                    **_said(transient=transient),
                },
            )
        )

    def step_up(
        self,
        session: Selector,
        *,
        auth_time: int,
        methods: Iterable[str] = ("pwd",),
        level: str = "",
        set: Mapping[str, str] | None = None,
        counterpart: str = "",
        counterpart_expires: int = 0,
    ) -> Written:
        """Renew the secret at a change of privilege: the old one never yields the new. ``auth_time``: when
        the subject last proved itself; 0 is now."""
        return _written(
            self._call(
                "StepUp",
                {
                    "session": session.as_json(),
                    "authTime": auth_time,
                    "methods": list(methods),
                    **_present(
                        level=level,
                        set=_values(set),
                        counterpart=counterpart,
                        counterpartExpires=counterpart_expires,
                    ),
                },
            )
        )

    def rotate(self, session: Selector) -> Written:
        return _written(self._call("Rotate", {"session": session.as_json()}))

    def end(
        self,
        *,
        session: Selector | None = None,
        subject: str = "",
        everybody: bool = False,
        except_session: str = "",
        reason: str,
        legacy_done: bool = False,
    ) -> Ended:
        """End a session's whole lineage, a subject's sessions, or everybody's."""
        target: dict[str, Any] = _present(subject=subject, everybody=everybody)
        if session is not None:
            target = {"session": session.as_json()}
        answer = self._call(
            "End",
            {**target, "reason": reason, **_present(exceptSession=except_session, legacyDone=legacy_done)},
        )
        return Ended(_int(answer.get("ended")), _int(answer.get("outstanding")), _int(answer.get("mark")))

    def redeem(self, handoff: str) -> tuple[str, Session]:
        """The token itself, for an application that is reached without the edge and writes the cookie."""
        answer = self._call("Redeem", {"handoff": handoff})
        return answer.get("token", ""), Session.from_json(answer.get("session"))

    def _call(self, method: str, message: Mapping[str, Any]) -> dict[str, Any]:
        answer, content = self._ask(method, message)
        if answer.status != 200 or not isinstance(content, dict):
            raise _error(method, answer, content)
        return content

    def _ask(self, method: str, message: Mapping[str, Any]) -> tuple[Answer, Any]:
        body = json.dumps(message, separators=(",", ":")).encode()
        answer = self._transport.send("POST", SERVICE + method, body, repeatable=method in _REPEATABLE)
        try:
            return answer, json.loads(answer.body)
        except ValueError:
            return answer, None


def _error(method: str, answer: Answer, content: Any) -> CrossfadeError:
    code = content.get("code") if isinstance(content, dict) else None
    if isinstance(code, str) and code:
        kind = _BY_CODE.get(code, Unavailable)
        hint = "check CROSSFADE['SECRET_FILE'] and the client's role" if kind is Misconfigured else ""
        return kind(f"{method}: {content.get('message') or code}", hint=hint, code=code)
    if answer.status in (200, 301, 302, 404, 405, 415):
        return Misconfigured(
            f"{method}: status {answer.status} is not the session API's",
            code="not_api",
            hint="CROSSFADE['API'] must be the internal listener, not the public one",
        )
    if answer.status in (401, 403):
        return Misconfigured(
            f"{method}: status {answer.status}", code="unauthenticated", hint="check CROSSFADE['SECRET_FILE']"
        )
    return Unavailable(f"{method}: status {answer.status}", code="status")


def _written(answer: Mapping[str, Any]) -> Written:
    return Written(
        Session.from_json(answer.get("session")), _int(answer.get("version")), answer.get("handoff", "")
    )


def _values(texts: Mapping[str, str] | None) -> dict[str, Any] | None:
    return {"values": dict(texts)} if texts else None


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _said(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _int(value: Any) -> int:
    return int(value) if value else 0
