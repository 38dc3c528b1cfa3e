"""A request writes to a legacy session whose life is in the new system: it was handed over meanwhile, or is a
counterpart that was lent. The writes follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossfade.errors import CrossfadeError, SessionEnded
from crossfade.sessions import Selector

from .. import outbox
from ..stamps import LOGIN_KEY
from ..stores.changes import changes

if TYPE_CHECKING:
    from ..stores.legacy import Stamped


def patch(store: Stamped, lineage: str) -> None:
    """Send the keys that this request changed to the lineage's new session."""
    runtime = store.visit.runtime
    found = changes(store.texts, store._session)
    if LOGIN_KEY in found.set or LOGIN_KEY in found.delete:
        # A login or logout is not data. The edge judges the cookie that this response carries.
        runtime.counts.add("legacy.login_on_moved_session")
        return
    if not found:
        return
    runtime.counts.add("legacy.moved_save")
    try:
        runtime.sessions.patch(Selector(lineage=lineage), found.set, found.delete)
    except SessionEnded:
        runtime.counts.add("legacy.moved_save_ended")
    except CrossfadeError as error:
        runtime.counts.add("legacy.moved_save_queued", "%s", error)
        outbox.after_commit(outbox.put_patch(lineage, found.set, found.delete, {}), runtime)
