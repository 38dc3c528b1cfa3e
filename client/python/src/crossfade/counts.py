"""Counters of what happened in this process, and a log that says each kind of thing at most once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

log = logging.getLogger("crossfade")
QUIET = 60.0  # seconds between two log lines of one kind


class Counts:
    """Thread-safe. A forged header or a dead API may come a thousand times a second: count all, log few."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    def add(self, name: str, message: str = "", *args: object, level: int = logging.WARNING) -> None:
        """Count ``name``; log ``message`` unless something was logged under the name within a minute."""
        now = self._clock()
        with self._lock:
            self._counts[name] += 1
            quiet = not message or now - self._said.get(name, now - QUIET) < QUIET
            if not quiet:
                self._said[name] = now
        if not quiet:
            log.log(level, f"{name}: {message}", *args)

    def snapshot(self) -> dict[str, int]:
        """All counters by name."""
        with self._lock:
            return dict(self._counts)
