"""The plain project: sessions in the database, Django's own user."""

import atexit
import os
import shutil
import tempfile

SECRET_KEY = "a key for tests"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
_FOLDER = os.environ.get("CROSSFADE_TEST_FOLDER", "")
if not _FOLDER:
    # In memory where there is such a folder: every test commits for real.
    _FOLDER = tempfile.mkdtemp(
        prefix="crossfade-tests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(_FOLDER, "db.sqlite3"),
        # A file, and not memory: the races use several connections.
        "TEST": {"NAME": os.path.join(_FOLDER, "test.sqlite3")},
        "OPTIONS": {"timeout": 20},
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_FILE_PATH = _FOLDER
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "crossfade.django",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "crossfade.django.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "projects.site"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WSGI_APPLICATION = "projects.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CROSSFADE = {
    "API": os.environ.get("CROSSFADE_TEST_API", "http://127.0.0.1:9"),
    "NAME": "django",
    "SECRET": "the-api-secret",
    "BRIDGE_SECRET": "7:" + "b" * 40,
}
