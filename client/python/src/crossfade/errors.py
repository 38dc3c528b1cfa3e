"""The exception family. Every message may be shown to an operator; ``hint`` names the next step."""

from __future__ import annotations


class CrossfadeError(Exception):
    """Anything that went wrong between this application and Crossfade."""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Unavailable(CrossfadeError):
    """Crossfade did not answer in time, or said that it cannot. The same call may work later."""


class SessionEnded(CrossfadeError):
    """The session is not live: it ended, expired, moved away or never was. Retrying changes nothing."""


class Conflict(CrossfadeError):
    """A key changed since it was read; nothing was written."""


class Rejected(CrossfadeError):
    """The call itself was refused: malformed, or over a limit on keys or size."""


class Misconfigured(CrossfadeError):
    """A setting is missing or wrong, or Crossfade does not accept this client's secret."""


class InvalidContext(CrossfadeError):
    """A ``Crossfade-Context`` that proves nothing. ``code``: malformed, forged, expired or audience."""


class InvalidSignature(CrossfadeError):
    """A bridge call that Crossfade did not sign. ``code``: forged, stale."""


class NotJSON(CrossfadeError):
    """A value that JSON cannot carry without loss; ``type`` names what stood in the way."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"{type_name} does not survive JSON", code="not_json")
        self.type = type_name
