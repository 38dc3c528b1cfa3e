"""WSGI entry point: gunicorn shop.wsgi

Static files are answered here as well, because the example has no web server or CDN that would.
"""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = StaticFilesHandler(get_wsgi_application())
