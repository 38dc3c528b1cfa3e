from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

admin.site.site_header = "Bramble back office"
admin.site.site_title = "Bramble"
admin.site.index_title = "Stores, menus and orders"

urlpatterns = [
    path("", include("stores.urls")),
    path("", include("cart.urls")),
    path("", include("accounts.urls")),
    path("", include("checkout.urls")),
    path("admin/", admin.site.urls),
    path("healthz", lambda request: HttpResponse("ok\n", content_type="text/plain")),
]

if settings.CROSSFADE:
    urlpatterns += [path("_crossfade/", include("crossfade.django.urls"))]
