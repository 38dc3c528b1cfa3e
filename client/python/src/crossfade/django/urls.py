"""``path("_crossfade/", include("crossfade.django.urls"))``: Crossfade looks for exactly this path."""

from __future__ import annotations

from django.urls import path

from .views import bridge

app_name = "crossfade"
urlpatterns = [path("bridge/v1/<slug:verb>", bridge, name="bridge")]
