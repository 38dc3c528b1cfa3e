"""The plain project for servers in processes of their own."""

import os

from .db_sessions import *  # noqa: F403
from .db_sessions import DATABASES

DATABASES["default"]["NAME"] = os.environ["CROSSFADE_TEST_DB"]
