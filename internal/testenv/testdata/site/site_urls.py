import django
from django.http import HttpResponse
from django.urls import path


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(f"Django {django.VERSION[0]}.{django.VERSION[1]} visit {request.session['visits']}")


urlpatterns = [path("", visits)]
