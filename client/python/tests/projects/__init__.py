"""Tiny Django projects that the suite runs under: DJANGO_SETTINGS_MODULE=projects.<name> pytest."""
