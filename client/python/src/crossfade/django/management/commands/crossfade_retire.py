from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from crossfade.django import conf, walk
from crossfade.django.flows import retire
from crossfade.errors import Misconfigured

EVERY = 10.0  # seconds between two lines of progress


class Command(BaseCommand):
    help = (
        "Before Crossfade is removed: delete the sessions that have ended or moved and that only its tables "
        "keep shut, then empty the tables."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument(
            "--forget",
            action="store_true",
            help="empty the tables although this engine's sessions cannot be listed: after you have ended "
            "all of them",
        )

    def handle(self, *args: Any, dry_run: bool, forget: bool, **options: Any) -> None:
        if not dry_run and _is_on():
            raise CommandError(
                "Crossfade is on: sessions go on being moved and ended. Set CROSSFADE['ENABLED'] = False, "
                "restart every process of the site, and run this again"
            )
        try:
            self._retire(dry_run, forget)
        except DatabaseError as error:
            raise CommandError(f"Crossfade's tables cannot be read ({error}); have they been dropped?")

    def _retire(self, dry_run: bool, forget: bool) -> None:
        before = retire.state()
        self._next = time.monotonic() + EVERY
        found = retire.sweep(dry_run=dry_run, progress=self._progress)
        which = "sessions" if walk.can_list() else "sessions that Crossfade knows"
        self.stdout.write(
            f"{'to delete' if dry_run else 'deleted'} {found.shut} of {found.seen} {which}: "
            f"ended {found.ended}, moved {found.moved}, counterparts {found.counterparts}"
        )
        until = 0 if forget else retire.marks_stand_until()
        if until:
            self._cannot_forget(until, dry_run)
        elif dry_run:
            self.stdout.write("nothing was changed")
        elif retire.state() != before:
            raise CommandError(
                "sessions were moved or ended meanwhile: a process of the site is still on, or an account "
                "was closed. Restart the one, and run this again"
            )
        else:
            retire.forget()
            self.stdout.write("the tables are empty; drop them with: manage.py migrate crossfade zero")

    def _progress(self, found: retire.Found) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self.stdout.write(f"{found.seen} looked at, {found.shut} found")

    def _cannot_forget(self, until: float, dry_run: bool) -> None:
        engine = settings.SESSION_ENGINE.rpartition(".")[2]
        said = (
            f"sessions of the engine {engine} cannot be listed, so the ends of a subject or of everybody "
            f"must be remembered until they have expired, {datetime.fromtimestamp(until):%Y-%m-%d %H:%M}. "
            "Leave the package installed and off, and run this again then. Sooner: end all sessions, "
            "clear the cache that holds them or change SECRET_KEY without SECRET_KEY_FALLBACKS, and run "
            "this with --forget"
        )
        if not dry_run:
            raise CommandError(said)
        self.stdout.write(said)


def _is_on() -> bool:
    try:
        return conf.settings().enabled
    except Misconfigured as problem:
        raise CommandError(str(problem))
