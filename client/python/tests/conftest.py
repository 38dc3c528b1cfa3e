from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client

from crossfade.django import conf, respond, visits
from fake import FakeCrossfade, hex_id, signed
from projects import site

_OWN_ENGINE = settings.SESSION_ENGINE.rsplit(".", 1)[1]
# All engines under the plain project; under the others the one that they are about.
ENGINES = ["db", "cached_db", "cache", "file"] if _OWN_ENGINE == "db" else [_OWN_ENGINE]
untouched = pytest.mark.skipif(
    settings.CSRF_USE_SESSIONS, reason="this project's CSRF middleware reads the session of every request"
)

BRIDGE_KEY, BRIDGE_SECRET = 7, b"b" * 40


@pytest.fixture(scope="session")
def crossfade_server() -> Iterator[FakeCrossfade]:
    fake = FakeCrossfade()
    yield fake
    fake.close()


@pytest.fixture
def api(crossfade_server: FakeCrossfade, settings: Any) -> Iterator[FakeCrossfade]:
    """Crossfade, with nothing in it, and this project set to use it."""
    crossfade_server.reset()
    settings.CROSSFADE = settings.CROSSFADE | {"API": crossfade_server.url}
    conf._runtime.cache_clear()
    visits._announce_once.cache_clear()
    respond._turn._next = float("inf")  # only tests that are about it retry the outbox in passing
    cache.clear()
    yield crossfade_server
    if conf.settings().enabled:
        conf.runtime().transport.close()
    site.DURING.clear()


@pytest.fixture(params=ENGINES)
def each_engine(request: Any, settings: Any) -> str:
    """Run the test on every engine; the name of the one."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    return request.param


@pytest.fixture
def ann(transactional_db: None) -> Any:
    return get_user_model()._default_manager.create_user("ann", password="pw")


class Browser(Client):
    """A test client that can speak through the edge: ``visit(path, context)``."""

    def visit(
        self, path: str, context: str | None = None, *, post: Any = None, body: Any = None, **extra: Any
    ) -> Any:
        headers = {"HTTP_CROSSFADE_CONTEXT": context} if context else {}
        if body is not None:
            return self.post(path, json.dumps(body), content_type="application/json", **headers, **extra)
        if post is not None:
            return self.post(path, post, **headers, **extra)
        return self.get(path, **headers, **extra)


@pytest.fixture
def browser(api: FakeCrossfade, transactional_db: None) -> Browser:
    return Browser()


class Bridge:
    """Crossfade's side of the bridge."""

    def __init__(self) -> None:
        self.client = Client()

    def post(self, verb: str, body: bytes, headers: dict[str, str]) -> Any:
        return self.client.generic(
            "POST",
            f"/_crossfade/bridge/v1/{verb}",
            body,
            "application/json",
            **{"HTTP_" + k.upper().replace("-", "_"): v for k, v in headers.items()},
        )

    def call(self, verb: str, **message: Any) -> dict[str, Any]:
        body = json.dumps(message).encode()
        response = self.post(
            verb, body, signed(BRIDGE_SECRET, BRIDGE_KEY, f"/_crossfade/bridge/v1/{verb}", body)
        )
        assert response.status_code == 200, response.content
        return response.json()

    def exchange(self, key: str, **more: Any) -> dict[str, Any]:
        return self.call(
            "exchange",
            **{
                "operation": hex_id(),
                "key": key,
                "lineage": hex_id(),
                "visitor": "e" * 32,
                "counterpart": "c" + hex_id()[1:],
            }
            | more,
        )

    def restore(self, **message: Any) -> dict[str, Any]:
        import time

        return self.call(
            "restore",
            **{
                "operation": hex_id(),
                "purpose": "active",
                "key": hex_id(),
                "lineage": hex_id(),
                "generation": 1,
                "kind": "guest",
                "subject": "",
                "auth_time": None,
                "born": 5,
                "visitor": "e" * 32,
                "expires": int(time.time()) + 3600,
                "data": {},
            }
            | message,
        )

    def end(self, **message: Any) -> dict[str, Any]:
        return self.call("end", **{"operation": hex_id(), "reason": "test"} | message)


@pytest.fixture
def bridge(api: FakeCrossfade, transactional_db: None) -> Bridge:
    return Bridge()
