"""The shop, with a login at another site beside its own."""

from shop.settings import *  # noqa: F403

ROOT_URLCONF = "sso_urls"
