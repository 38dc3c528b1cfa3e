"""Everything that one application needs to talk to Crossfade, built from its settings."""

from __future__ import annotations

from functools import cached_property

from . import bridge, context
from .counts import Counts
from .keys import KeySet
from .sessions import SessionClient
from .settings import Settings
from .transport import Transport


class Crossfade:
    """One per process and settings. Building it reads the secret files and makes no call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.transport = Transport(settings.api, settings.api_secret(), settings.timeout)
        self.sessions = SessionClient(self.transport)
        self.contexts = context.Verifier(settings.name, KeySet(self.transport), leeway=settings.leeway)

    @cached_property
    def bridge(self) -> bridge.Verifier:
        """For a legacy application. A new service has no bridge, and no secret for one."""
        return bridge.Verifier(self.settings.bridge_secrets())
