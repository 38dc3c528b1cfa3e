"""The end of a visit: save the session and tell the browser, by way of the edge or by cookies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseForbidden
from django.utils.cache import patch_vary_headers

from crossfade.client import Crossfade
from crossfade.errors import CrossfadeError

from . import outbox
from .flows.settle import settle
from .stores.legacy import Stamped
from .stores.new import SessionStore
from .visits import TOKEN_COOKIES, Visit

HANDOFF, ENDED = "Crossfade-Session", "Crossfade-Session-End"
PAUSE = 5.0  # seconds between two looks into the outbox, in one process

EDGE_REQUIRED = """This site is reached through another address.

The request did not come through Crossfade's edge, and this application is set to require it
(CROSSFADE["EDGE"] = "required"). Visitors: please go back to the address that you know. Operators: send
traffic to the edge; name health checks in CROSSFADE["EDGE_EXEMPT"].
"""
UNAVAILABLE = "The session service cannot be reached. Please try again in a moment.\n"


def edge_required() -> HttpResponse:
    return HttpResponseForbidden(EDGE_REQUIRED, content_type="text/plain; charset=utf-8")


def unavailable() -> HttpResponse:
    return HttpResponse(
        UNAVAILABLE,
        status=503,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": "5", "Cache-Control": "no-store"},
    )


def with_new(request: HttpRequest, response: HttpResponseBase, visit: Visit) -> HttpResponseBase:
    """No legacy session cookie is issued, unless Crossfade is down and the visit fell back to one."""
    store: SessionStore = request.session
    if response.status_code < 500 and not visit.failed:  # as Django: what failed is not saved
        with contextlib.suppress(CrossfadeError):
            store.save()
    if visit.failed:
        return unavailable()
    settle(visit, store)
    if store.accessed:
        patch_vary_headers(response, ("Cookie",))
    if visit.token_cookie:
        _set_token(request, response, visit, store)
    else:
        if store.handoff:
            response[HANDOFF] = store.handoff
        if store.ended:
            response[ENDED] = store.ended
    if store.legacy_cookie:
        _set_legacy(response, *store.legacy_cookie, transient=store.get_expire_at_browser_close())
    return response


def with_legacy(
    request: HttpRequest,
    response: HttpResponseBase,
    visit: Visit,
    finish: Callable[[HttpRequest, HttpResponseBase], HttpResponseBase],
) -> HttpResponseBase:
    """Django's own ending, except that a session which ended meanwhile is a logout and not an error."""
    session = request.session
    settle(visit, session)
    if isinstance(session, Stamped) and session.ended and not visit.token_cookie:
        # The edge drops its own cookies too, whether or not Crossfade can hear of the end now.
        response[ENDED] = session.ended
    if isinstance(session, Stamped) and session.is_empty() and _leave_cookie(request, session):
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        return response
    try:
        return finish(request, response)
    except SessionInterrupted:
        visit.runtime.counts.add("legacy.ended_during_request")
        if not _in_background(request):
            _delete_legacy(response)
        patch_vary_headers(response, ("Cookie",))
        return response


def _leave_cookie(request: HttpRequest, session: Stamped) -> bool:
    """Whether the cookie of a session that is not there stays. Django would delete it."""
    if session.refused:
        return True  # the key was handed over: the edge will exchange it at the next entry
    return _in_background(request) and not session.modified


def _in_background(request: HttpRequest) -> bool:
    """Whether a script sent this. Then another response, of a login say, may have given the browser a new
    session while this request was under way with the old one, and a deletion would hit the new."""
    return request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


class _Turn:
    """Lets one request in ``PAUSE`` seconds look into the outbox."""

    def __init__(self) -> None:
        self._next = 0.0

    def mine(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + PAUSE
        return True


_turn = _Turn()


def deliver_some(runtime: Crossfade) -> None:
    """Retry what is waiting, a little at a time and never at the visitor's cost if it fails."""
    if _turn.mine():
        try:
            outbox.deliver_due(runtime, limit=2)
        except DatabaseError as error:
            runtime.counts.add("outbox.database", "%s", error)


def _set_token(request: HttpRequest, response: HttpResponseBase, visit: Visit, store: SessionStore) -> None:
    # Reached without the edge: this application writes the cookie that the edge would have written.
    if store.ended:
        for name in TOKEN_COOKIES:
            if name in request.COOKIES:
                response.set_cookie(
                    name,
                    "",
                    max_age=0,
                    path="/",
                    secure=name.startswith("__Host-"),
                    httponly=True,
                    samesite=settings.SESSION_COOKIE_SAMESITE,
                )
    if store.handoff:
        try:
            token, session = visit.runtime.sessions.redeem(store.handoff)
        except CrossfadeError as error:
            visit.runtime.counts.add("session.not_redeemed", "%s", error)
            return
        response.set_cookie(
            visit.token_cookie,
            token,
            path="/",
            httponly=True,
            secure=visit.token_cookie.startswith("__Host-"),
            samesite=settings.SESSION_COOKIE_SAMESITE,
            max_age=None if session.transient else max(0, session.expires_at - int(time.time())) or None,
        )
    if settings.SESSION_COOKIE_NAME in request.COOKIES and not store.legacy_cookie:
        _delete_legacy(response)  # never two sessions in one browser


def _set_legacy(response: HttpResponseBase, key: str, expires: int, *, transient: bool) -> None:
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        key,
        max_age=None if transient else max(0, expires - int(time.time())),
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE or False,
        httponly=settings.SESSION_COOKIE_HTTPONLY or False,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _delete_legacy(response: HttpResponseBase) -> None:
    response.delete_cookie(
        settings.SESSION_COOKIE_NAME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
