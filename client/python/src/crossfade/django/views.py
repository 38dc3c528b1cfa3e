"""The bridge: the endpoints by which Crossfade inspects, exchanges, restores, ends and samples sessions.

For anybody but Crossfade they do not exist: 404 with an empty body.
"""

from __future__ import annotations

import time

from django.db import IntegrityError, connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from crossfade.bridge import MAX_BODY, WINDOW
from crossfade.errors import InvalidSignature

from . import calls, conf, ledger
from .flows import end, exchange, inspect, restore, sample
from .models import Nonce

_ANSWERS = {
    "inspect": inspect.answer,
    "exchange": exchange.answer,
    "restore": restore.answer,
    "end": end.answer,
    "sample": sample.answer,
}
_HINTS = {
    "stale": "synchronise the clocks of Crossfade and of the legacy application",
    "replayed": "every call needs a nonce of its own",
}


def bridge(request: HttpRequest, verb: str) -> HttpResponse:
    """One signed call, carried out at most once per nonce."""
    settings = conf.settings()
    if not settings.enabled or request.method != "POST" or verb not in _ANSWERS:
        return HttpResponseNotFound()
    runtime = conf.runtime()
    body = request.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        runtime.counts.add("bridge.too_large", "a body over %s bytes", MAX_BODY)
        return HttpResponseNotFound()
    try:
        call = runtime.bridge.verify(request.headers, "POST", request.path, body)
    except InvalidSignature as problem:
        runtime.counts.add(f"bridge.{problem.code}", "%s", problem)
        return _conflict("stale") if problem.code == "stale" else HttpResponseNotFound()
    if not _spend(call.nonce):
        runtime.counts.add("bridge.replayed", "a nonce was used twice")
        return _conflict("replayed")
    try:
        message = calls.parse(verb, body)
    except calls.Malformed as problem:
        return JsonResponse({"error": str(problem)}, status=400)
    runtime.counts.add(f"bridge.{verb}")
    return JsonResponse(_ANSWERS[verb](message), json_dumps_params={"ensure_ascii": False})


bridge = csrf_exempt(bridge)
bridge.login_required = False  # LoginRequiredMiddleware: the signature is the login
for _alias in connections:
    # A refused call must not roll back its spent nonce, nor an exchange its lock.
    bridge = transaction.non_atomic_requests(using=_alias)(bridge)


def _spend(nonce: str) -> bool:
    using = ledger.alias(Nonce)
    now = int(time.time())
    try:
        with transaction.atomic(using=using):
            Nonce(nonce=nonce, at=now).save(using=using, force_insert=True)
    except IntegrityError:
        return False
    if nonce.startswith("00"):  # one call in 256 sweeps
        Nonce._default_manager.using(using).filter(at__lt=now - 3 * WINDOW).delete()
    return True


def _conflict(error: str) -> JsonResponse:
    return JsonResponse({"error": error, "hint": _HINTS[error]}, status=409)
