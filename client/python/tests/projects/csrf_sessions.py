"""CSRF tokens in the session, cached_db engine, local time."""

from .db_sessions import *  # noqa: F403

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
CSRF_USE_SESSIONS = True
USE_TZ = False
