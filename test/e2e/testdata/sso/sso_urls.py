"""Logging in at an identity provider that posts the answer back, as SAML and OpenID Connect's form_post do.

The state in the session is what keeps an attacker's answer out. What is left out is all that needs a real
provider: the answer is not signed.
"""

import os
from urllib.parse import urlencode

from django.contrib.auth import get_user_model, login
from django.http import HttpResponse, HttpResponseForbidden
from django.shortcuts import redirect
from django.urls import path
from django.utils.crypto import get_random_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from shop.urls import urlpatterns as shop_urls


def begin(request):
    state = request.session["sso_state"] = get_random_string(32)
    return redirect(os.environ["SSO_PROVIDER"] + "?" + urlencode({"state": state}))


@csrf_exempt
@require_POST
def answer(request):
    expected = request.session.pop("sso_state", None)
    if not expected or request.POST.get("state") != expected:
        return HttpResponseForbidden("this browser asked for no login")
    if request.headers.get("Origin") != os.environ["SSO_PROVIDER"]:
        return HttpResponseForbidden(
            "the answer came from another site: " + request.headers.get("Origin", "")
        )
    login(request, get_user_model().objects.get(username=request.POST["user"]))
    return redirect("home")


@csrf_exempt
@require_POST
def whoever(request):
    """A payment's return: who is it, as far as the application can tell?"""
    return HttpResponse(f"{request.user.get_username()} from {request.headers.get('Origin')}")


urlpatterns = [
    path("sso/", begin),
    path("sso/answer/", answer),
    path("sso/whoever/", whoever),
    *shop_urls,
]
