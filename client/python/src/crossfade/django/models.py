"""What the legacy side must remember so that a session is never served by two systems, nor after its end.

Times are Unix seconds, as everywhere in Crossfade. All of these rows are small and found by primary key
or by lineage; ``crossfade_flush_outbox`` removes those that no credential can need any more.
"""

from __future__ import annotations

from django.db import models


class LegacyKey(models.Model):
    """A key of the site's own session engine that Crossfade has to do with.

    The unique hash is the lock of the exchange: whoever inserts it names the lineage.
    """

    class Purpose(models.TextChoices):
        ORIGIN = "origin"  # the site made it; it was exchanged
        ACTIVE = "active"  # restored: the browser has it
        COUNTERPART = "counterpart"  # kept beside a live new session; no browser was seen with it
        TOOLS = "tools"  # for internal tools, beside a live new session

    key_hash = models.CharField(max_length=64, primary_key=True)
    session_key = models.CharField(max_length=64)
    lineage = models.CharField(max_length=32, db_index=True)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    # 1: handed over to the new system; a bare copy of the key opens nothing.
    moved = models.BigIntegerField(default=0)
    subject = models.CharField(max_length=255, blank=True, default="", db_index=True)
    born = models.BigIntegerField(null=True)  # the mark before the login; null: unknown
    generation = models.BigIntegerField(default=0)
    operation = models.CharField(max_length=32, blank=True, default="")
    # The new session's version, within its generation, that a counterpart's data is of; 0: not known.
    version = models.BigIntegerField(default=0)
    # The new session that visitors of this lineage were first seen on; empty: not seen yet.
    new_key = models.CharField(max_length=32, blank=True, default="")
    expires = models.BigIntegerField(default=0, db_index=True)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.lineage}{' (moved)' if self.moved else ''}"


class Tombstone(models.Model):
    """A lineage that ended: nothing of it is served again, whatever arrives late."""

    OFF = "off: "  # begins the reason of an end that the site made while the package was off

    lineage = models.CharField(max_length=32, primary_key=True)
    reason = models.CharField(max_length=64, blank=True, default="")
    at = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"{self.lineage}: {self.reason}"


class EndMark(models.Model):
    """All sessions of a subject (empty: everybody's) that were born before the mark have ended.

    ``spared`` maps a lineage to the mark up to which it counts as reborn ("all but the current one").
    """

    subject = models.CharField(max_length=255, primary_key=True)
    before = models.BigIntegerField(default=0)
    # When that arrived, in microseconds: decides for sessions whose born mark is unknown.
    at = models.BigIntegerField(default=0)
    # Sessions whose privilege began up to this microsecond ended, whatever their mark: ends without one.
    until = models.BigIntegerField(default=0)
    spared = models.TextField(default="{}")

    def __str__(self) -> str:
        return f"{self.subject or 'everybody'} before {self.before}"


class Nonce(models.Model):
    """A bridge call's nonce that was used. The unique insert is what refuses the replay."""

    nonce = models.CharField(max_length=32, primary_key=True)
    at = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return self.nonce


class Outbox(models.Model):
    """A call that Crossfade must still hear. Written in the transaction that it belongs to, delivered
    after it, and kept until it was answered."""

    operation = models.CharField(max_length=32, unique=True)
    verb = models.CharField(max_length=8)  # end, patch
    payload = models.TextField()  # JSON: keyword arguments of the client's method
    created = models.BigIntegerField()
    due = models.BigIntegerField(db_index=True)
    attempts = models.IntegerField(default=0)
    error = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"{self.verb} {self.operation}"
