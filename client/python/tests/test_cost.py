"""What a page costs: calls to Crossfade, connections, and whom it keeps waiting."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.test import AsyncClient

from conftest import Browser, untouched
from crossfade.django import conf

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture(autouse=True)
def _patient(api, settings):
    settings.CROSSFADE = settings.CROSSFADE | {"TIMEOUT": 30.0}  # seconds: calls are counted, not timed


def calls(api):
    return [name for name, _ in api.calls]


@untouched
@pytest.mark.parametrize(
    ("path", "cost"),
    [
        ("/plain", []),
        ("/key", []),
        ("/read", ["Get"]),
        ("/put", ["Get", "Patch"]),
        ("/cycle", ["Rotate"]),
        ("/until_closed", ["Get", "Patch"]),
        ("/sign_out", ["Get", "End"]),
    ],
)
def test_what_a_page_of_a_guest_costs(api, browser, path, cost):
    context = api.context(api.make({"cart": [1]}))
    browser.visit(path, context, body={"cart": [2]} if path == "/put" else None)
    assert calls(api) == cost


@untouched
@pytest.mark.parametrize(("path", "cost"), [("/plain", []), ("/key", []), ("/read", []), ("/put", ["Patch"])])
def test_what_a_page_of_a_guest_who_stored_nothing_costs(api, browser, path, cost):
    browser.visit(path, api.guest_context(), body={"cart": [2]} if path == "/put" else None)
    assert calls(api) == cost


def test_threads_each_keep_one_connection(api, browser):
    context = api.context(api.make({"cart": [1]}))
    browser.visit("/read", context)  # the signing keys are known
    at_start, pages, workers = api.connections, 5, 4
    gate = threading.Barrier(workers)

    def work(_):
        gate.wait()
        try:
            mine = Browser()
            return [mine.visit("/read", context).json()["data"] for _ in range(pages)]
        finally:
            conf.runtime().transport.close()
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(work, range(workers)))
    assert answers == [[{"cart": [1]}] * pages] * workers
    assert calls(api) == ["Get"] * (1 + workers * pages)
    assert api.connections - at_start == workers


@untouched
class TestAsync:
    @pytest.fixture
    def gather(self, api, transactional_db):
        def run(*paths, beside=None):
            async def one(path):
                headers = {"Crossfade-Context": api.context(api.make({"count": 1}))}
                return await AsyncClient().get(path, headers=headers)

            async def every():
                more = [beside()] if beside else []
                return (await asyncio.gather(*map(one, paths), *more))[: len(paths)]

            return async_to_sync(every)()

        return run

    def test_pages_at_once_cost_what_they_cost_one_by_one(self, api, gather):
        answers = gather(*["/async_put"] * 4, *["/plain"] * 4)
        assert {a.status_code for a in answers} == {200}
        assert sorted(calls(api)) == ["Get"] * 4 + ["Patch"] * 4

    def test_while_crossfade_thinks_the_event_loop_goes_on(self, api, gather):
        asked, answer = threading.Event(), threading.Event()

        def think(_):
            asked.set()
            answer.wait(30)

        async def beside():
            while not asked.is_set():
                await asyncio.sleep(0)
            answer.set()  # a loop that was blocked would never come here

        api.before["Get"] = think
        gather("/async_put", beside=beside)
        assert api.last("Patch")["set"] == {"values": {"count": "2"}}
