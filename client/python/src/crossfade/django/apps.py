from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import pre_migrate


class CrossfadeConfig(AppConfig):
    name = "crossfade.django"
    label = "crossfade"
    verbose_name = "Crossfade"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks as own_checks
        from . import receivers

        checks.register(own_checks.check_settings, "crossfade")
        checks.register(own_checks.check_project, "crossfade")
        checks.register(own_checks.check_off, "crossfade")
        checks.register(own_checks.check_deployment, "crossfade", deploy=True)
        receivers.connect()
        pre_migrate.connect(receivers.before_migration, sender=self, dispatch_uid="crossfade migrate")
