from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from crossfade.bridge import WINDOW
from crossfade.django import conf, outbox
from crossfade.errors import CrossfadeError, Misconfigured
from crossfade.keys import PATH


class Command(BaseCommand):
    help = "Call Crossfade as this application would, and say what is right and what to mend."

    def handle(self, *args: Any, **options: Any) -> None:
        problems = 0
        for name, check in (
            ("settings", self._settings),
            ("address and clock", self._clock),
            ("secret", self._secret),
            ("tables and outbox", self._tables),
        ):
            problems += not self._say(name, check)
        if problems:
            raise CommandError(f"{problems} of 4 checks failed")

    def _say(self, name: str, check: Callable[[], str]) -> bool:
        try:
            self.stdout.write(f"ok    {name}: {check()}")
            return True
        except CrossfadeError as problem:
            hint = f"\n      {problem.hint}" if problem.hint else ""
            self.stdout.write(f"FAIL  {name}: {problem.message}{hint}")
            return False

    def _settings(self) -> str:
        settings = conf.settings()
        for problem in settings.problems():
            raise problem
        how = f"edge {settings.edge}, when unavailable {settings.on_unavailable}"
        return f"{settings.name} at {settings.api}, {how}"

    def _clock(self) -> str:
        answer = conf.runtime().transport.send("GET", PATH, repeatable=True)
        if answer.status != 200:
            raise Misconfigured(
                f"{PATH} answered {answer.status}",
                hint="CROSSFADE['API'] must be the internal listener, not the public one",
            )
        try:
            theirs = email.utils.parsedate_to_datetime(answer.date).timestamp()
        except (TypeError, ValueError):
            return "signing keys fetched; the answer had no date"
        # The header has whole seconds: a clock that is right reads up to one more.
        off = time.time() - theirs
        off = min(off, max(0.0, off - 1))
        if abs(off) > WINDOW / 2:
            raise Misconfigured(
                f"this clock is {off:+.0f} s off Crossfade's",
                hint="synchronise both by NTP: over 60 s every bridge call is refused",
            )
        return f"signing keys fetched, clocks {abs(off):.0f} s apart"

    def _secret(self) -> str:
        told, name = conf.runtime().sessions.audience(), conf.settings().name
        if told and told != name:
            raise Misconfigured(
                f"accepted, but it is the secret of {told!r}, and CROSSFADE['NAME'] is {name!r}: contexts "
                "would be refused",
                hint="CROSSFADE['NAME'] must be the name of the upstream and of its client in crossfade.yaml",
            )
        return "accepted"

    def _tables(self) -> str:
        try:
            waiting, oldest = outbox.backlog()
        except DatabaseError as error:
            raise Misconfigured(
                "the package's tables are missing", hint="run: manage.py migrate crossfade"
            ) from error
        if oldest > outbox.STALE:
            raise Misconfigured(
                f"{waiting} waiting in the outbox, the oldest for {oldest // 60} minutes",
                hint="run: manage.py crossfade_flush_outbox; then let cron do so every few minutes, as the "
                "outbox otherwise moves only with requests. The column error says what failed",
            )
        return f"present, {waiting} waiting in the outbox"
