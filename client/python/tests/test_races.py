"""Several workers at once, on real connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from conftest import BRIDGE_KEY, BRIDGE_SECRET, Bridge, Browser
from crossfade.django import engine, ledger
from crossfade.django.models import LegacyKey
from fake import hex_id, signed

N = 8


@pytest.fixture(autouse=True)
def _a_shared_store(settings, api, transactional_db):
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        from django.db import connection

        # Writers in SQLite wait for one another only if the first lock they take is the writer's.
        connection.cursor().execute("PRAGMA journal_mode=WAL")


def at_once(work, n=N):
    """Run work(i) in n threads that start together."""
    gate = threading.Barrier(n)

    def one(i):
        try:
            gate.wait()
            return work(i)
        finally:
            from crossfade.django import conf

            conf.runtime().transport.close()
            connections.close_all()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))


def test_parallel_exchanges_of_one_key_agree_on_the_lineage(api, browser):
    browser.visit("/put", body={"cart": [1]})
    key = browser.cookies["sessionid"].value
    answers = at_once(lambda _: Bridge().exchange(key))
    assert len({a["lineage"] for a in answers}) == 1
    assert all(a["data"] == {"cart": [1]} for a in answers)
    assert LegacyKey.objects.count() == 1


def test_one_nonce_is_spent_once_whichever_worker_gets_it(api, bridge):
    headers = signed(BRIDGE_SECRET, BRIDGE_KEY, "/_crossfade/bridge/v1/inspect", b'{"key":"x"}')
    codes = at_once(lambda _: Bridge().post("inspect", b'{"key":"x"}', headers).status_code)
    assert sorted(codes) == [200] + [409] * (N - 1)


def test_requests_in_flight_never_bring_back_a_session_that_ends(api, bridge):
    lineage, key = hex_id(), hex_id()
    bridge.restore(lineage=lineage, key=key, data={"cart": [1]})
    context = api.context(sys="legacy")

    def work(i):
        if i == 0:
            return Bridge().end(lineage=lineage)
        browser = Browser()
        browser.cookies["sessionid"] = key
        return browser.visit("/put", context, body={f"k{i}": i}).status_code

    answers = at_once(work)
    assert set(answers[1:]) == {200}
    assert ledger.tombstoned(lineage)
    assert engine.read(key) is None


def test_writes_racing_an_exchange_are_in_its_answer_or_follow_as_patches(api, browser):
    context = api.context(sys="legacy")
    browser.visit("/put", context, body={"cart": [1]})
    key = browser.cookies["sessionid"].value
    record = api.make()

    def work(i):
        if i == 0:
            return Bridge().exchange(key, lineage=record["lineage"])["data"]
        other = Browser()
        other.cookies["sessionid"] = key
        response = other.visit("/put", context, body={"mine": "written"})
        return response.json()["key"] == key and "sessionid" in response.cookies

    data, *written = at_once(work, 2)
    patched = api.data(record["id"])
    if written[0]:  # the request had the session; what it answered is kept
        assert data.get("mine") == "written" or patched.get("mine") == "written"
