"""Django's own session tests with our stores in the place of Django's: run by test_django_own.py.

Every test of every backend runs. Where we differ on purpose the test must fail, and the reason is here;
one that passes after all is a failure of the run.
"""

from __future__ import annotations

import inspect
import unittest
from typing import Any
from unittest import mock

from asgiref.sync import async_to_sync
from django.core.cache import caches
from django.test import TestCase, TransactionTestCase, override_settings
from sessions_tests import tests as django_tests

from crossfade.context import Context
from crossfade.django import conf, middleware
from crossfade.django.stores import legacy, off
from crossfade.django.stores.new import SessionStore
from crossfade.django.visits import Visit
from crossfade.mapping import STAMP_KEY
from fake import FakeCrossfade, hex_id

STAMP = "a session that we make carries one more key, _crossfade, with the browser that it was made for"
# By name, which is its asynchronous twin's too (test_x_async; test_asave_x for test_save_x).
LEGACY = {"test_session_get_decoded": STAMP}
NEW = {
    "test_save": "nothing is stored for a guest until there is something to store, so there is no key either",
    "test_cycle": "session_key is the public id and stays; what cycle_key changes is the secret",
    "test_session_load_does_not_create_record": (
        "the key is the signed context's and not the browser's word, so it stays; nothing is created"
    ),
    "test_session_save_does_not_resurrect_session_logged_out_in_other_context": (
        "a save that finds its session ended is a logout that came first, not an error; nothing is revived"
    ),
}
MIDDLEWARE = {
    "test_empty_session_saved": STAMP,
    "test_session_update_error_redirect": "a session that ended under a request is a logout, not an error",
}


def visit(context: Context | None = None) -> Visit:
    return Visit(conf.runtime(), context)


class WithoutStamp:
    """Shows what the application put there: STAMP would fail tests that are about something else."""

    def items(self) -> Any:
        return {k: v for k, v in super().items() if k != STAMP_KEY}.items()

    async def aitems(self) -> Any:
        return {k: v for k, v in await super().aitems() if k != STAMP_KEY}.items()


def legacy_backend(base: type) -> type:
    ours = legacy._class_for(base)

    class Opened(WithoutStamp, ours):
        def __init__(self, session_key: str | None = None) -> None:
            super().__init__(session_key)
            self.visit = visit(context_of(None, "legacy"))

    Opened.__qualname__ = ours.__qualname__
    return Opened


def off_backend(base: type) -> type:
    ours = off._class_for(base)

    class Opened(WithoutStamp, ours):
        pass

    Opened.__qualname__ = ours.__qualname__
    return Opened


def context_of(session: str | None, system: str = "new") -> Context:
    named = {"session": session, "lineage": hex_id(), "kind": "guest"} if session else {}
    return Context(Api.fake.context(), system, "e" * 32, "new", 1, 10, 0, 1 << 40, **named)


class NewBackend(SessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(visit=visit(context_of(session_key)))


class Api:
    """A Crossfade for the test, with nothing in it."""

    fake: FakeCrossfade

    @classmethod
    def setUpClass(cls) -> None:
        Api.fake = FakeCrossfade()
        cls.enterClassContext(
            override_settings(CROSSFADE=conf.django_settings.CROSSFADE | {"API": Api.fake.url})
        )
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        conf.runtime().transport.close()
        Api.fake.close()

    def setUp(self) -> None:
        for store in self.backend.__mro__ if hasattr(self, "backend") else ():
            if "_storage_path" in store.__dict__:  # the file engine's memory of its folder
                del store._storage_path
        super().setUp()
        caches["default"].clear()


def ours(theirs: type, differences: dict[str, str], base: type = TestCase, **attributes: Any) -> type:
    """Their tests, on ours."""
    made = type(theirs.__name__, (Api, theirs, base), attributes | {"__module__": __name__})
    for test in unittest.defaultTestLoader.getTestCaseNames(made):
        if test.removesuffix("_async").replace("_asave_", "_save_") in differences:
            setattr(made, test, unittest.expectedFailure(inherited(made, test)))
    return made


def inherited(made: type, test: str) -> Any:
    theirs = getattr(made, test)
    if inspect.iscoroutinefunction(theirs):  # Django's wrapper would lose the expectation
        theirs = async_to_sync(theirs)
    return lambda self: theirs(self)


def load_tests(loader: unittest.TestLoader, _: Any, __: Any) -> unittest.TestSuite:
    suite = unittest.TestSuite()

    def add(made: type, name: str, engine: str) -> None:
        made.__name__ = made.__qualname__ = name
        suite.addTests(loader.loadTestsFromTestCase(override_settings(SESSION_ENGINE=engine)(made)))

    for theirs in vars(django_tests).values():
        if not (isinstance(theirs, type) and issubclass(theirs, django_tests.SessionTestsMixin)):
            continue
        base = theirs.backend
        if base is None or base is django_tests.CookieSession:
            continue  # what is in a cookie cannot be ended: a system check refuses that engine
        for kind, backend in ("Legacy", legacy_backend), ("Off", off_backend):
            add(ours(theirs, LEGACY, backend=backend(base)), kind + theirs.__name__, base.__module__)
    for engine in "db", "cached_db", "cache", "file":
        # Ends are delivered when the transaction is through, so there must be one that gets through.
        made = ours(django_tests.SessionTestsMixin, NEW, TransactionTestCase, backend=NewBackend)
        add(made, f"NewSessionTests_{engine}", f"django.contrib.sessions.backends.{engine}")
    made = ours(django_tests.SessionMiddlewareTests, MIDDLEWARE, setUp=with_our_middleware)
    add(made, "MiddlewareTests", "django.contrib.sessions.backends.db")
    return suite


def with_our_middleware(self: TestCase) -> None:
    self.enterContext(mock.patch.object(django_tests, "SessionMiddleware", middleware.SessionMiddleware))
