"""A visit: one request, seen with Crossfade's eyes. Who governs it, what the edge says about it, and
which store is behind ``request.session``."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from crossfade.client import Crossfade
from crossfade.context import HEADER, Context
from crossfade.errors import CrossfadeError, InvalidContext

from . import ledger, signals
from .policy import Policy, policy_of
from .stores import legacy, new

TOKEN_COOKIES = ("__Host-cf_session", "cf_session")
MAX_TOKEN = 256

current: ContextVar[Visit | None] = ContextVar("crossfade_visit", default=None)


class EdgeRequired(Exception):
    """The request did not come through the edge, and the settings insist that it does."""


@dataclass(eq=False)
class Visit:
    runtime: Crossfade
    context: Context | None = None
    # Name of the cookie that held a bare token: the edge is not there to write cookies for us.
    token_cookie: str = ""
    # Ends of a subject that this request caused: operation and subject, delivered with the response.
    pending: list[tuple[str, str]] = field(default_factory=list)
    session: SessionBase | None = None
    failed: bool = False  # by the policy "error": whatever became of the page, the answer is 503

    @property
    def policy(self) -> Policy:
        return policy_of(self.runtime.settings.on_unavailable)

    @property
    def new(self) -> bool:
        """Whether the session is the new system's."""
        return self.context is not None and self.context.system == "new" and not self.context.tools


def begin(request: HttpRequest, runtime: Crossfade) -> Visit:
    """Recognise the request and open its session. EdgeRequired, or Unavailable by the policy ``error``."""
    visit = Visit(runtime)
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    try:
        _recognise(visit, request)
    except CrossfadeError as error:
        runtime.counts.add("visit.unavailable", "%s", error)
        visit.session = visit.policy.open(visit, cookie, error)
    else:
        if visit.new:
            visit.session = new.SessionStore(visit=visit)
            _announce(visit)
        else:
            visit.session = legacy.open_store(cookie, visit)
    return visit


def _recognise(visit: Visit, request: HttpRequest) -> None:
    runtime = visit.runtime
    header = request.headers.get(HEADER)
    if header:
        try:
            visit.context = runtime.contexts.verify(header)
            return
        except InvalidContext as problem:
            runtime.counts.add(f"context.{problem.code}", "%s; treated as none", problem)
    if runtime.settings.edge == "required" and not _exempt(request, runtime.settings.edge_exempt):
        raise EdgeRequired
    name, token = _bare_token(request)
    if token:
        visit.token_cookie = name
        worth = runtime.sessions.resolve(token)
        runtime.counts.add(f"resolve.{worth.worth}")
        if worth.context:
            try:
                visit.context = runtime.contexts.verify(worth.context)
            except InvalidContext as problem:
                runtime.counts.add(f"context.{problem.code}", "from the API: %s", problem)


def _exempt(request: HttpRequest, prefixes: tuple[str, ...]) -> bool:
    if any(request.path_info.startswith(prefix) for prefix in prefixes):
        return True
    # The bridge proves itself by signature; Crossfade calls it without passing the edge.
    folder, _, verb = request.path.rpartition("/")
    try:
        return folder == reverse("crossfade:bridge", args=["verb"]).rpartition("/")[0] and bool(verb)
    except NoReverseMatch:  # the system checks say so
        return False


def _bare_token(request: HttpRequest) -> tuple[str, str]:
    for name in TOKEN_COOKIES:
        token = request.COOKIES.get(name, "")
        if token.startswith(("cf1_", "cfg1_")) and len(token) <= MAX_TOKEN:
            return name, token
    return "", ""


def _announce(visit: Visit) -> None:
    context = visit.context
    if context and context.lineage and context.session and not context.unwritten:
        _announce_once(context.lineage, context.session)


@functools.lru_cache(maxsize=16384)  # one query for each session that a process meets, not for each request
def _announce_once(lineage: str, new_key: str) -> None:
    for old_key in ledger.announce(lineage, new_key):
        signals.handed_over.send(sender=Visit, lineage=lineage, old_key=old_key, new_key=new_key, to="new")
