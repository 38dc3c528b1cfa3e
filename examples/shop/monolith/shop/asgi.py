"""ASGI entry point: uvicorn shop.asgi:application

Static files are answered here as well, because the example has no web server or CDN that would.
"""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = ASGIStaticFilesHandler(get_asgi_application())
