"""Crossfade's Python client: the framework-free core.

It verifies what the edge says about a request, calls the session API, and checks that a bridge call
comes from Crossfade. ``crossfade.django`` is the skin for Django; anything else can use this directly.
"""

from .client import Crossfade
from .context import Context
from .errors import (
    Conflict,
    CrossfadeError,
    InvalidContext,
    InvalidSignature,
    Misconfigured,
    NotJSON,
    Rejected,
    SessionEnded,
    Unavailable,
)
from .sessions import Selector, Session, SessionClient
from .settings import Settings

__version__ = "0.1.0"
__all__ = [
    "Conflict",
    "Context",
    "Crossfade",
    "CrossfadeError",
    "InvalidContext",
    "InvalidSignature",
    "Misconfigured",
    "NotJSON",
    "Rejected",
    "Selector",
    "Session",
    "SessionClient",
    "SessionEnded",
    "Settings",
    "Unavailable",
]
