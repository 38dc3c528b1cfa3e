"""The session middleware, in the place of ``django.contrib.sessions.middleware.SessionMiddleware``.

Sync and async: Django's base class runs both hooks in a thread when the site is served by ASGI.
"""

from __future__ import annotations

from django.contrib.sessions import middleware
from django.http import HttpRequest, HttpResponseBase

from crossfade.errors import CrossfadeError

from . import conf, respond, visits
from .stores import off
from .stores.new import SessionStore


class SessionMiddleware(middleware.SessionMiddleware):
    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        if not conf.settings().enabled:
            super().process_request(request)
            request.session = off.guard(request.session)  # off, but what has ended stays ended
            return None
        try:
            visit = visits.begin(request, conf.runtime())
        except visits.EdgeRequired:
            return respond.edge_required()
        except CrossfadeError:
            return respond.unavailable()
        visits.current.set(visit)
        request.crossfade = visit
        request.session = visit.session
        return None

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        visit = getattr(request, "crossfade", None)
        if visit is None:
            return super().process_response(request, response)
        try:
            if isinstance(request.session, SessionStore):
                return respond.with_new(request, response, visit)
            return respond.with_legacy(request, response, visit, super().process_response)
        finally:
            visits.current.set(None)
            respond.deliver_some(visit.runtime)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        # Only under the policy "error"; every other policy has an answer of its own.
        return respond.unavailable() if isinstance(exception, CrossfadeError) else None
