"""What the site does to its users and session rows, heard by Django's signals.

A queryset's ``update()`` and raw SQL send none. For those, Django's own check of the user at every
request, and the bridge's at every handover, find out.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_save
from django.utils import timezone

from crossfade.errors import Misconfigured

from . import conf, engine, ledger, outbox, visits
from .flows import logout, retire, settle
from .stamps import Stamp
from .stores import off

_WATCHED = ("password", "is_active")
_BEFORE = "_crossfade_before"


def connect() -> None:
    """Called once, when Django is ready."""
    user_logged_out.connect(on_logged_out, dispatch_uid="crossfade")
    if not apps.is_installed("django.contrib.auth"):
        return
    user_model = get_user_model()
    for model in apps.get_models():  # the user model and its proxies
        if issubclass(model, user_model):
            pre_save.connect(before_user_saved, sender=model, dispatch_uid=f"crossfade {model._meta.label}")
            post_save.connect(on_user_saved, sender=model, dispatch_uid=f"crossfade {model._meta.label}")
            post_delete.connect(on_user_deleted, sender=model, dispatch_uid=f"crossfade {model._meta.label}")
    store = engine.store_class()
    if hasattr(store, "get_model_class") and _wants_rows():
        post_delete.connect(on_row_deleted, sender=store.get_model_class(), dispatch_uid="crossfade rows")


def on_logged_out(request: Any = None, **_: Any) -> None:
    session = getattr(request, "session", None)
    if hasattr(session, "end_reason"):
        session.end_reason = "logout"


def before_user_saved(
    instance: Model, raw: bool = False, update_fields: Any = None, using: str = "", **_: Any
) -> None:
    names = [f for f in _WATCHED if (update_fields is None or f in update_fields) and _is_column(instance, f)]
    if raw or not names or instance.pk is None or not _known_settings():
        return
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    setattr(instance, _BEFORE, rows.values(*names).first())


def on_user_saved(instance: Model, created: bool = False, **_: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, None)
    if created or not before:
        return
    if before.get("is_active") and not instance.is_active:
        _end_subject(instance, "deactivated", everything=True)
    elif "password" in before and before["password"] != instance.password and _on():
        _end_subject(instance, "password", everything=False)


def on_user_deleted(instance: Model, **_: Any) -> None:
    if _known_settings():
        _end_subject(instance, "deleted", everything=True)


def on_row_deleted(instance: Any, **_: Any) -> None:
    """A tool of the site deletes sessions: what it meant by that holds in the new system too."""
    if engine.deleting_ourselves() or instance.expire_date <= timezone.now() or not _known_settings():
        return
    key, stamp, reason = instance.session_key, Stamp.of(instance.get_decoded()), "legacy row deleted"
    if not _on():
        off.remember_end(key, stamp, reason)
        return
    lineage = logout.lineage_of(key, stamp)
    if lineage:
        logout.end_lineage(lineage, reason, conf.runtime())
    else:
        logout.after_deletion(key, lambda moved: logout.end_lineage(moved, reason, conf.runtime()))


def before_migration(plan: Any, using: str, **_: Any) -> None:
    """Without the tables, what they keep shut would open again."""
    undone = {m.name for m, backwards in plan if backwards and m.app_label == "crossfade"}
    if "0001_initial" not in undone or using != ledger.alias():
        return
    with contextlib.suppress(DatabaseError):  # no tables: nothing to lose
        if retire.remembers():
            raise CommandError(
                "Crossfade's tables keep sessions shut that have ended or moved. Set "
                "CROSSFADE['ENABLED'] = False, restart the site, and run: manage.py crossfade_retire"
            )


def _end_subject(user: Model, reason: str, *, everything: bool) -> None:
    subject = user._meta.pk.value_to_string(user)
    if not _on():
        # Django's own check refuses them meanwhile. On again, they must not live on in the new system.
        off.with_tables(lambda: settle.forget_subject(subject, reason, None, everything=everything))
        return
    operation = settle.forget_subject(subject, reason, visits.current.get(), everything=everything)
    if operation:
        outbox.after_commit(operation, conf.runtime())


def _is_column(instance: Model, name: str) -> bool:
    return any(field.name == name for field in instance._meta.concrete_fields)


def _on() -> bool:
    return _known_settings() and conf.settings().enabled


def _known_settings() -> bool:
    try:
        conf.settings()
        return True
    except Misconfigured:  # the system checks say so; a fixture must load all the same
        return False


def _wants_rows() -> bool:
    try:
        return conf.settings().notice_deleted_rows
    except Misconfigured:
        return True
