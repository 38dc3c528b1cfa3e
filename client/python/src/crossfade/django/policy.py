"""What happens while Crossfade cannot be reached: the one named policy, in this one place.

A policy answers three questions: whose session is this request's, what is in a session that cannot be
read, and what becomes of changes that cannot be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.sessions.backends.base import SessionBase

from crossfade.errors import CrossfadeError

from .flows import fallback

if TYPE_CHECKING:
    from .stores.changes import Changes
    from .stores.new import SessionStore
    from .visits import Visit


class Policy(Protocol):
    def open(self, visit: Visit, cookie: str | None, error: CrossfadeError) -> SessionBase: ...
    def load(self, store: SessionStore, error: CrossfadeError) -> dict[str, Any]: ...
    def save(self, store: SessionStore, changes: Changes, error: CrossfadeError) -> None: ...


class ToLegacy:
    """``legacy``: serve the site on its own sessions; what is written is kept and delivered later."""

    def open(self, visit: Visit, cookie: str | None, error: CrossfadeError) -> SessionBase:
        from .stores import legacy

        return legacy.open_store(cookie, visit)

    def load(self, store: SessionStore, error: CrossfadeError) -> dict[str, Any]:
        return fallback.counterpart_data(store)

    def save(self, store: SessionStore, changes: Changes, error: CrossfadeError) -> None:
        fallback.keep(store, changes)


class ToGuest:
    """``guest``: everybody is a guest without memory."""

    def open(self, visit: Visit, cookie: str | None, error: CrossfadeError) -> SessionBase:
        from .stores.new import SessionStore

        return SessionStore(visit=visit, detached=True)

    def load(self, store: SessionStore, error: CrossfadeError) -> dict[str, Any]:
        return {}

    def save(self, store: SessionStore, changes: Changes, error: CrossfadeError) -> None:
        store.visit.runtime.counts.add("session.changes_dropped", "%s", error)


class ToError:
    """``error``: the request fails, with status 503."""

    def open(self, visit: Visit, cookie: str | None, error: CrossfadeError) -> SessionBase:
        raise error

    def load(self, store: SessionStore, error: CrossfadeError) -> dict[str, Any]:
        if store.visit.failed:
            return {}  # said once; the site's own error page may look at the session again
        store.visit.failed = True
        raise error

    def save(self, store: SessionStore, changes: Changes, error: CrossfadeError) -> None:
        store.visit.failed = True
        raise error


def policy_of(name: str) -> Policy:
    return {"legacy": ToLegacy, "guest": ToGuest, "error": ToError}[name]()
