"""What the test sites do: one view for each thing that views do to sessions."""

import datetime
import json

import django
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import authenticate, get_user_model, login, logout, update_session_auth_hash
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt, csrf_protect, ensure_csrf_cookie

from crossfade.django import engine


def plain(request):
    return HttpResponse("no session touched")


def key(request):
    return JsonResponse({"key": request.session.session_key})


def read(request):
    data = {k: v for k, v in request.session.items() if k != "_crossfade"}
    return JsonResponse({"key": request.session.session_key, "data": data})


def who(request):
    return JsonResponse({"user": request.user.get_username() or None, "cart": request.session.get("cart")})


@csrf_exempt
def put(request):
    for name, value in json.loads(request.body).items():
        request.session[name] = value
    return JsonResponse({"key": request.session.session_key})


@csrf_exempt
def append(request):
    # Nobody tells the session that its list has changed.
    request.session["cart"].append("nested")
    return HttpResponse("appended")


@csrf_exempt
def remove(request):
    del request.session[request.GET["key"]]
    return HttpResponse("removed")


def odd(request):
    request.session["when"] = datetime.datetime(2024, 1, 2)
    request.session["fine"] = (1, 2)
    return HttpResponse("stored what JSON cannot carry")


@csrf_exempt
def sign_in(request):
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    if user is None:
        return HttpResponse("no", status=401)
    login(request, user)
    if request.POST.get("forget"):
        request.session.set_expiry(0)
    if request.POST.get("also"):
        request.session["also"] = request.POST["also"]
    return HttpResponse("yes")


@csrf_exempt
def sign_out(request):
    logout(request)
    if request.GET.get("message"):
        messages.info(request, "see you")
        request.session["after"] = 1
    return HttpResponse("bye")


def cycle(request):
    request.session.cycle_key()
    return HttpResponse("cycled")


def create(request):
    if not request.session.session_key:
        request.session.create()
    return JsonResponse({"key": request.session.session_key})


def clear(request):
    request.session.clear()
    return HttpResponse("cleared")


def step_out(request):
    del request.session["_auth_user_id"]
    return HttpResponse("quietly out")


def expiry(request):
    request.session.set_expiry(600)
    return HttpResponse("short")


def until_closed(request):
    request.session.set_expiry(0)
    return HttpResponse("until you close the browser")


def remember(request):
    request.session.set_expiry(None)
    return HttpResponse("as the settings say")


def boom(request):
    request.session["lost"] = 1
    return HttpResponse("failed", status=500)


@csrf_exempt
def password(request):
    user = get_user_model()._default_manager.get(pk=request.user.pk)
    user.set_password(request.POST["new"])
    user.save()
    if not request.GET.get("forget"):
        update_session_auth_hash(request, user)
    return HttpResponse("changed")


@csrf_exempt
def reset(request):
    """As Django's password reset with post_reset_login does."""
    user = get_user_model()._default_manager.get_by_natural_key(request.POST["name"])
    user.set_password(request.POST["new"])
    user.save()
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse("reset")


@csrf_exempt
def row_gone(request):
    """A slow page, during which somebody else ends the session."""
    request.session["late"] = 1
    engine.delete(request.session.session_key)
    return HttpResponse("late")


DURING = []  # what tests want to happen in the middle of a request


@csrf_exempt
def slow(request):
    request.session.get("anything")
    for action in DURING:
        action(request)
    request.session["late"] = "written late"
    return HttpResponse("slow")


@ensure_csrf_cookie
def form(request):
    from django.middleware.csrf import get_token

    return HttpResponse(get_token(request))


@csrf_protect
def submit(request):
    return HttpResponse("accepted")


async def async_put(request):
    if django.VERSION >= (5, 1):
        count = await request.session.aget("count", 0)
        await request.session.aset("count", count + 1)
    else:

        def change():
            request.session["count"] = request.session.get("count", 0) + 1

        await sync_to_async(change)()
    return HttpResponse("async")


async def async_sign_in(request):
    def act():
        user = authenticate(request, username="ann", password="pw")
        login(request, user)

    if django.VERSION >= (5, 1):
        from django.contrib.auth import aauthenticate, alogin

        await alogin(request, await aauthenticate(request, username="ann", password="pw"))
    else:
        await sync_to_async(act)()
    return HttpResponse("yes")


async def async_sign_out(request):
    if django.VERSION >= (5, 1):
        from django.contrib.auth import alogout

        await alogout(request)
    else:
        await sync_to_async(logout)(request)
    return HttpResponse("bye")


urlpatterns = [
    path("_crossfade/", include("crossfade.django.urls")),
    *(
        path(view.__name__, view)
        for view in (
            plain,
            key,
            read,
            who,
            put,
            append,
            remove,
            odd,
            sign_in,
            sign_out,
            cycle,
            create,
            clear,
            step_out,
            expiry,
            until_closed,
            remember,
            boom,
            password,
            reset,
            row_gone,
            slow,
            form,
            submit,
            async_put,
            async_sign_in,
            async_sign_out,
        )
    ),
]
