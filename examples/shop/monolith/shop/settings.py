"""Settings of the Bramble shop: one Django site, written as such sites are.

The only lines that know of Crossfade are in the marked block at the end. Without CROSSFADE_API in the
environment that block does nothing, and this is the site as it was before the migration.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
EXAMPLE_DIR = BASE_DIR.parent  # what the monolith shares with the storefront

DEBUG = os.environ.get("SHOP_DEBUG") == "1"
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "bramble-development-key-never-use-it-for-a-real-shop")

# Where browsers reach the shop, e.g. https://shop.example. Decides about Secure cookies.
PUBLIC_URL = urlsplit(os.environ.get("SHOP_PUBLIC_URL", "http://localhost:8000"))
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", PUBLIC_URL.hostname]
CSRF_TRUSTED_ORIGINS = [f"{PUBLIC_URL.scheme}://{PUBLIC_URL.netloc}"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "accounts",
    "stores",
    "cart",
    "checkout",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.context.shell",
            ],
            "libraries": {"shop": "shop.templatetags.shop"},
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DB", BASE_DIR / "shop.sqlite3"),
        "OPTIONS": {
            # Readers do not wait for writers, and a transaction that will write says so at its start:
            # otherwise two of them can meet in a lock that no waiting resolves.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# An example on a laptop must log 200 visitors in within seconds. A real site keeps Django's default.
PASSWORD_HASHERS = ["accounts.hashers.QuickPBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.scheme == "https"
CSRF_USE_SESSIONS = os.environ.get("SHOP_CSRF_USE_SESSIONS") == "1"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [("shop", EXAMPLE_DIR / "assets")]
CATALOGUE = EXAMPLE_DIR / "catalogue.json"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": os.environ.get("SHOP_LOG_LEVEL", "WARNING")},
}

# ---- Crossfade: what the migration adds. Here, one line in urls.py, and nothing else. ----------------
CROSSFADE = None
if os.environ.get("CROSSFADE_API"):
    INSTALLED_APPS += ["crossfade.django"]
    MIDDLEWARE[MIDDLEWARE.index("django.contrib.sessions.middleware.SessionMiddleware")] = (
        "crossfade.django.middleware.SessionMiddleware"
    )
    CROSSFADE = {
        "API": os.environ["CROSSFADE_API"],
        "NAME": "shop-monolith",
        "SECRET_FILE": os.environ.get("CROSSFADE_SECRET_FILE"),
        "BRIDGE_SECRET_FILE": os.environ.get("CROSSFADE_BRIDGE_SECRET_FILE"),
    }
# ---- end of Crossfade --------------------------------------------------------------------------------
