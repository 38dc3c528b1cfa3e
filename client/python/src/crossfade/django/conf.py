"""``settings.CROSSFADE`` as one object, and the client built from it, both made when first used."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings

from crossfade.client import Crossfade
from crossfade.errors import Misconfigured
from crossfade.settings import Settings


def settings() -> Settings:
    """The project's settings, read anew so that ``override_settings`` works."""
    given = getattr(django_settings, "CROSSFADE", None)
    if not isinstance(given, dict):
        raise Misconfigured(
            "settings.CROSSFADE is missing",
            code="missing",
            hint='add CROSSFADE = {"API": ..., "NAME": ..., ...}; see the README',
        )
    return _settings(_frozen(given))


def runtime() -> Crossfade:
    """The client for these settings. Its keys, connections and verified contexts live as long as it."""
    return _runtime(settings())


@lru_cache(maxsize=64)
def _settings(given: tuple[tuple[str, Any], ...]) -> Settings:
    return Settings.from_mapping(dict(given))


@lru_cache(maxsize=64)
def _runtime(given: Settings) -> Crossfade:
    return Crossfade(given)


def _frozen(given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in given.items())
