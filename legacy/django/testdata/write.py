"""Sessions as a real Django stores them: write.py FOLDER ENGINE SERIALIZER COUNT [REDIS].

The database is FOLDER/db.sqlite3, files are FOLDER/files. Every third session is a login, every tenth has
what JSON cannot carry (where the engine takes it), every fiftieth an object of a class of the site's own.
"""

import datetime
import decimal
import os
import sys
import uuid
import warnings
from importlib import import_module

import django
from django.conf import settings

warnings.simplefilter("ignore")
folder, engine, serializer, count = sys.argv[1:5]
redis = sys.argv[5] if len(sys.argv) > 5 else ""
os.makedirs(folder + "/files", exist_ok=True)
settings.configure(
    SECRET_KEY=os.environ.get("KEY", "crossfade-test-secret"),
    INSTALLED_APPS=["django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder + "/db.sqlite3"}},
    SESSION_ENGINE="django.contrib.sessions.backends." + engine,
    SESSION_SERIALIZER=f"django.contrib.sessions.serializers.{serializer}Serializer",
    SESSION_FILE_PATH=folder + "/files",
    USE_TZ=True,
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis}
        if redis
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)


class Basket:
    def __init__(self):
        self.lines = [1]


pickled = serializer == "Pickle" or engine == "cache"
for i in range(int(count)):
    s = import_module(settings.SESSION_ENGINE).SessionStore()
    s["cart"] = [{"sku": "Zoë", "n": i}] * (i % 5)
    s[f"order_{i}"] = 1.5
    s["secret"] = "the-secret-value"
    if i % 3 == 0:
        s["_auth_user_id"] = str(i)
    if i % 4 == 0:
        s["long"] = "compressible " * 200
    if pickled and i % 10 == 0:
        s["when"] = datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)
        s["mixed"] = (decimal.Decimal("1.5"), uuid.UUID(int=i), {1, 2}, datetime.date(2024, 1, 2))
    if pickled and i % 50 == 0:
        s["basket"] = Basket()
    if i % 20 == 1:
        s.set_expiry(-3600 if engine in ("db", "cached_db") else 600)
    s.save()
    print(s.session_key)
