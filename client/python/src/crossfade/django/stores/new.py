"""``request.session`` for visitors that the new system governs: backed by the session API.

Lazy: a page that does not touch the session makes no call, and ``session_key`` is known without one.
At the response only the keys that changed are sent. The decisions are in ``flows``; this class is
Django's SessionBase put on top of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from crossfade import mapping
from crossfade.errors import CrossfadeError, SessionEnded
from crossfade.sessions import Selector, Session, Written

from ..flows import fallback, logout, save
from ..stamps import LOGIN_KEY
from .base import Noticing
from .changes import Changes, changes

if TYPE_CHECKING:
    from ..flows.counterpart import Counterpart
    from ..visits import Visit


class SessionStore(Noticing):
    """One request's session. ``detached``: nothing is read, nothing written (policy ``guest``)."""

    def __init__(self, session_key: str | None = None, *, visit: Visit, detached: bool = False) -> None:
        self.visit = visit
        self.api = visit.runtime.sessions
        self.detached = detached
        self.handoff = ""  # for the browser, in the response
        self.ended = ""  # why the browser's session is over; empty: it is not
        self.end_reason = "flush"
        # A legacy session that this response must hand out after all: its key and expiry.
        self.legacy_cookie: tuple[str, int] | None = None
        self.spare: Counterpart | None = None  # written for a login that Crossfade has not accepted
        context = visit.context
        self.read_only = bool(context and context.read_only)
        self._forget()
        if context and context.session and not detached:
            self.lineage = context.lineage or ""
            self.generation, self.version = context.generation, context.version
            self.written = not context.unwritten
            self.selector = Selector(id=context.session) if self.written else Selector(context=context.token)
            session_key = context.session
        elif context and not visit.token_cookie and not detached:
            # No session yet: the context says whose the new one will be.
            self.selector = Selector(context=context.token)
        super().__init__(session_key)

    def _forget(self) -> None:
        self.selector = Selector()
        self.lineage, self.generation, self.version = "", 0, 0
        self.written = False  # a record exists
        self.blind = False  # the record could not be read: nothing may be overwritten
        self.rotating = False
        self.proved = False
        self.texts: dict[str, str] = {}

    def _same_person(self, found: Session) -> bool:
        context = self.visit.context
        return context is None or (found.kind, found.subject) == (context.kind, context.subject or "")

    # What the flows ask.

    @property
    def subject_before(self) -> str:
        """Who was logged in when the session was loaded."""
        text = self.texts.get(LOGIN_KEY, "")
        return str(mapping.decode(text)) if text else ""

    def loaded(self) -> dict[str, Any] | None:
        """The data, if this request touched it."""
        return self.__dict__.get("_session_cache")

    def changes(self) -> Changes:
        data = self.loaded()
        return Changes() if data is None else changes(self.texts, data)

    def unseen_versions(self, sent: Changes) -> dict[str, int]:
        """For writes without a good look at the session: what was there counts as seen at the version
        that the context names, and what was not must not be there."""
        return {key: self.version if key in self.texts else 0 for key in [*sent.set, *sent.delete]}

    def lifetime(self) -> dict[str, Any]:
        """What a call says of how long the session is kept, unused and by the browser."""
        return {
            "idle_seconds": max(0, int(self.get_expiry_age())),
            "transient": self.get_expire_at_browser_close(),
        }

    def adopt(self, written: Written, sent: Changes) -> None:
        """A write went through."""
        self.handoff = written.handoff or self.handoff
        session: Session = written.session
        if session.id:
            self.selector, self.written = Selector(id=session.id), True
            self.lineage = session.lineage or self.lineage
            self.generation = session.generation or self.generation
            self._session_key = session.id
        self.version = written.version or self.version
        self.texts = {k: t for k, t in (self.texts | sent.set).items() if k not in sent.delete}
        self.modified = False

    def forget(self) -> None:
        """The browser's session is over; what is written from here on belongs to a new one."""
        self._forget()
        self._session_cache = {}
        self._session_key = None
        self.accessed = self.modified = True
        self.handoff, self.legacy_cookie = "", None

    # What Django asks.

    def load(self) -> dict[str, Any]:
        if not self.written or self.detached:
            return {}
        try:
            found = self.api.get(self.selector)
        except SessionEnded:
            self.blind = True
            return fallback.moved_data(self)
        except CrossfadeError as error:
            self.visit.runtime.counts.add("session.unreadable", "%s", error)
            self.blind = True
            data = self.visit.policy.load(self, error)
            self.texts = changes({}, data).set
            return data
        if not self._same_person(found.session):
            # The login changed after this request's token was judged. Whoever holds the old token must
            # not see what the login yields, not even once.
            self.visit.runtime.counts.add("session.login_changed_since")
            self.read_only = True
            return {}
        self.version = found.session.version or self.version
        self.texts = dict(found.attributes)
        data = {}
        for key, text in found.attributes.items():
            try:
                data[key] = mapping.decode(text)
            except ValueError:
                self.texts.pop(key)
                self.visit.runtime.counts.add("session.not_json", "key %r", key)
        if self.is_past(data.get("_session_expiry")):
            logout.end_new(self, "expired")
            return {}
        return data

    def is_past(self, expiry: Any) -> bool:
        """Whether a value that ``set_expiry`` left says that the session is over. Crossfade counts idle
        time, and a moment passes while its visitor is busy."""
        try:
            return self.get_expiry_age(expiry=expiry) <= 0
        except (TypeError, ValueError):  # the application's own nonsense
            return False

    def save(self, must_create: bool = False) -> None:
        save.push(self)

    def create(self) -> None:
        """Applications call this to get a ``session_key``; a session that has one keeps it."""
        if self.session_key is None:
            self._get_session(no_load=True)
            save.create(self)
        self.modified = True

    def exists(self, session_key: str) -> bool:
        if not session_key or session_key == self.session_key:
            return bool(session_key)
        try:
            self.api.get(Selector(id=session_key))
            return True
        except CrossfadeError:
            return False

    def delete(self, session_key: str | None = None) -> None:
        if session_key is None or session_key == self.session_key:
            logout.end_new(self, "delete")
        else:  # "not more than one login each": the application kept the id of another one
            logout.end_other(self, session_key, "delete")

    def clear(self) -> None:
        self._get_session()  # what is not known cannot be deleted key by key
        super().clear()

    def flush(self) -> None:
        logout.end_new(self, self.end_reason)

    def cycle_key(self) -> None:
        # The id is public and stays; what must change is the secret.
        self.rotating = True
        self.modified = True

    @classmethod
    def clear_expired(cls) -> None:
        """Crossfade removes expired sessions itself."""

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    async def acycle_key(self) -> None:
        self.cycle_key()
