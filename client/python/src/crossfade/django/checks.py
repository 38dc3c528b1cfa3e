"""System checks: everything that a project can get wrong when it adds the package, each with the line
that mends it."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoMiddleware
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from crossfade.errors import Misconfigured

from . import conf
from .flows import retire
from .middleware import SessionMiddleware

OURS = "crossfade.django.middleware.SessionMiddleware"
THEIRS = "django.contrib.sessions.middleware.SessionMiddleware"
BRIDGE = "/_crossfade/bridge/v1/inspect"
# What must come after the session middleware, because it uses the session.
_USERS = {
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.locale.LocaleMiddleware",
}


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001 missing, E002 wrong value."""
    try:
        problems = conf.settings().problems()
    except Misconfigured as problem:
        return [Error(problem.message, hint=problem.hint, id="crossfade.E001")]
    except TypeError as problem:
        return [Error(f"CROSSFADE cannot be read: {problem}", id="crossfade.E001")]
    ids = {"missing": "crossfade.E001"}
    return [Error(p.message, hint=p.hint, id=ids.get(p.code, "crossfade.E002")) for p in problems]


def check_project(**_: Any) -> list[CheckMessage]:
    """E003 to E007: middleware, engine, URLs; W001: data that will stay behind."""
    found: list[CheckMessage] = []
    names = list(settings.MIDDLEWARE)
    ours = [name for name in names if _is(name, SessionMiddleware)]
    theirs = [name for name in names if _is(name, DjangoMiddleware) and name not in ours]
    if theirs:
        found.append(
            Error(
                f"{theirs[0]} is still in MIDDLEWARE: there would be two sessions.",
                hint=f"Put {OURS!r} in its place.",
                id="crossfade.E003",
            )
        )
    if not ours:
        found.append(
            Error(
                "Crossfade's session middleware is not in MIDDLEWARE.",
                hint=f"Replace {THEIRS!r} by {OURS!r}.",
                id="crossfade.E004",
            )
        )
    elif any(name in _USERS for name in names[: names.index(ours[0])]):
        early = next(name for name in names if name in _USERS)
        found.append(
            Error(
                f"{early} stands before Crossfade's session middleware and needs its session.",
                hint=f"Move {OURS!r} above it.",
                id="crossfade.E005",
            )
        )
    if settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies":
        found.append(
            Error(
                "Sessions in signed cookies cannot be handed over: they cannot be ended.",
                hint="Use db, cached_db, cache or file as SESSION_ENGINE first.",
                id="crossfade.E006",
            )
        )
    elif settings.SESSION_ENGINE.endswith(".cache") or "Pickle" in settings.SESSION_SERIALIZER:
        found.append(
            Warning(
                "This session engine stores Python objects; those that are not JSON stay behind.",
                hint="Listen to crossfade.django.signals.left_behind to see which.",
                id="crossfade.W001",
            )
        )
    found.extend(_check_urls())
    return found


def check_off(**_: Any) -> list[CheckMessage]:
    """W004. The one check that asks the database, and only of a site that has turned Crossfade off."""
    try:
        if conf.settings().enabled or not retire.remembers():
            return []
    except (Misconfigured, TypeError, DatabaseError, ImproperlyConfigured):
        return []
    return [
        Warning(
            "Crossfade is off, and its tables still keep sessions shut that have ended or moved.",
            hint="They stay shut as long as the package is installed. Before you remove it, run: "
            "manage.py crossfade_retire",
            id="crossfade.W004",
        )
    ]


def check_deployment(**_: Any) -> list[CheckMessage]:
    """W002 to W003, with ``check --deploy``."""
    found: list[CheckMessage] = []
    try:
        edge = conf.settings().edge
    except (Misconfigured, TypeError):
        edge = ""
    if edge == "optional":
        found.append(
            Warning(
                "Requests that do not come through the edge are served.",
                hint='Once all traffic does, set CROSSFADE["EDGE"] = "required".',
                id="crossfade.W002",
            )
        )
    exempt = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]
    told = settings.SECURE_PROXY_SSL_HEADER  # the bridge's calls say which scheme the visitor used
    if settings.SECURE_SSL_REDIRECT and not told and not any(p.search(BRIDGE[1:]) for p in exempt):
        found.append(
            Warning(
                "SECURE_SSL_REDIRECT sends Crossfade's bridge calls away, if they come by http.",
                hint='Add r"^_crossfade/" to SECURE_REDIRECT_EXEMPT.',
                id="crossfade.W003",
            )
        )
    return found


def _check_urls() -> list[CheckMessage]:
    hint = 'Add path("_crossfade/", include("crossfade.django.urls")) to the root urls.py.'
    try:
        found = reverse("crossfade:bridge", args=["inspect"])
    except NoReverseMatch:
        return [Error("The bridge's URLs are not included.", hint=hint, id="crossfade.E007")]
    if not found.endswith(BRIDGE):
        return [
            Error(
                f"The bridge is at {found}; Crossfade looks for it at {BRIDGE}.",
                hint=hint,
                id="crossfade.E007",
            )
        ]
    return []


def _is(name: str, kind: type) -> bool:
    try:
        found = import_string(name)
    except ImportError:
        return False  # Django's own check says so
    return isinstance(found, type) and issubclass(found, kind)
