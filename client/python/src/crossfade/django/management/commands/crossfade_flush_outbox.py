from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crossfade.django import conf, ledger, outbox
from crossfade.django.models import LegacyKey, Nonce, Outbox, Tombstone

DAY = 86400
# Longer than any credential lives: the visitor cookie's 400 days are the longest.
KEPT = 400 * DAY


class Command(BaseCommand):
    help = "Deliver what Crossfade has not heard yet, and remove records that nothing can need any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=10_000, help="deliver at most this many")
        parser.add_argument("--now", action="store_true", help="also what is waiting for its next try")

    def handle(self, *args: Any, limit: int, now: bool, **options: Any) -> None:
        if now:
            Outbox._default_manager.using(ledger.alias(Outbox)).update(due=0)
        on = conf.settings().enabled
        done, failed = outbox.deliver_due(conf.runtime(), limit) if on else (0, 0)
        removed = self._sweep()
        waiting, _ = outbox.backlog()
        self.stdout.write(
            f"delivered {done}, waiting {waiting}{'' if on else ' until Crossfade is on'}, "
            f"old records removed {removed}"
        )
        if failed:
            raise CommandError("Crossfade did not take a call; check with: manage.py crossfade_check")

    def _sweep(self) -> int:
        now = int(time.time())
        old = (
            Nonce._default_manager.using(ledger.alias(Nonce)).filter(at__lt=now - DAY),
            Tombstone._default_manager.using(ledger.alias(Tombstone)).filter(at__lt=now - KEPT),
            LegacyKey._default_manager.using(ledger.alias(LegacyKey)).filter(
                expires__gt=0, expires__lt=now - KEPT
            ),
        )
        return sum(rows.delete()[0] for rows in old)
