"""Sessions in the cache: pickled objects, no rows, and writes that would bring ended sessions back."""

from .db_sessions import *  # noqa: F403

SESSION_ENGINE = "django.contrib.sessions.backends.cache"
