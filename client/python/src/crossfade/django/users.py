"""Whether a session's login still stands, decided exactly as ``django.contrib.auth.get_user`` does,
but without touching the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare


def login_fault(data: Mapping[str, Any]) -> str:
    """Why Django would not accept the login in this session data: ``backend``, ``inactive`` (or gone),
    ``auth_hash``. Empty: it would."""
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return "backend"
    try:
        user_id = get_user_model()._meta.pk.to_python(data.get(SESSION_KEY))
    except (ValidationError, ValueError, TypeError):
        return "inactive"
    user = load_backend(data[BACKEND_SESSION_KEY]).get_user(user_id)
    if user is None:
        return "inactive"
    if not hasattr(user, "get_session_auth_hash"):
        return ""
    given = data.get(HASH_SESSION_KEY)
    if not isinstance(given, str) or not given:
        return "auth_hash"
    # Fallbacks too: a login made before SECRET_KEY was rotated is still a login.
    accepted = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return "" if any(constant_time_compare(given, value) for value in accepted) else "auth_hash"
