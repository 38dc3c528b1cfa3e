"""Signals that a site may listen to."""

from __future__ import annotations

from django.dispatch import Signal

handed_over = Signal()
"""A session changed systems; move rows that you keep by ``session_key``.

Arguments: ``lineage``; ``old_key`` and ``new_key``, what ``request.session.session_key`` was and is;
``to``, "new" or "legacy". Sent once per handover: towards new at the first request that the new session
makes here, towards legacy by the bridge call that restores it.
"""

left_behind = Signal()
"""A session value that cannot cross was left behind. Arguments: ``key``, ``reason``, ``type``,
``session_key``."""
