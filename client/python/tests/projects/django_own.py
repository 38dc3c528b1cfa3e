"""For Django's own session tests, which bring a model: see test_django_own.py."""

from .db_sessions import *  # noqa: F403
from .db_sessions import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "sessions_tests"]
