"""A user model of the site's own, with a UUID for a key, and sessions in files."""

from .db_sessions import *  # noqa: F403
from .db_sessions import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "projects.people"]
AUTH_USER_MODEL = "people.Person"
SESSION_ENGINE = "django.contrib.sessions.backends.file"
