"""The example, behind a Crossfade in miniature: real HTTP, contexts that are really signed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "client/python/tests"))
from app import create_app
from fake import SECRET, FakeCrossfade


@pytest.fixture
def api():
    fake = FakeCrossfade()
    fake.audience = "cart"
    yield fake
    fake.close()


@pytest.fixture
def visit(api):
    app = create_app({"API": api.url, "NAME": "cart", "SECRET": SECRET})

    def go(method, path, context, **more):
        headers = {"Crossfade-Context": context} if context else {}

        async def ask():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://cart") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(ask())

    return go


def test_who_it_is_costs_no_call(api, visit):
    answer = visit("GET", "/about/", api.context(api.make(subject="7")))
    assert answer.json()["user"] == "7"
    assert api.calls == []


def test_a_guest_who_stored_nothing_costs_no_call(api, visit):
    assert visit("GET", "/cart/", api.guest_context()).json() == {"user": None, "cart": []}
    assert api.calls == []


def test_a_page_with_the_session_costs_one(api, visit):
    record = api.make({"cart": ["tea"]}, subject="7")
    assert visit("GET", "/cart/", api.context(record)).json() == {"user": "7", "cart": ["tea"]}
    assert [name for name, _ in api.calls] == ["Get"]


def test_a_write_touches_its_own_key_alone(api, visit):
    record = api.make({"cart": ["tea"], "other": 1})
    assert visit("POST", "/cart/", api.context(record), params={"item": "cup"}).json() == {
        "cart": ["tea", "cup"]
    }
    assert api.data(record["id"]) == {"cart": ["tea", "cup"], "other": 1}


def test_a_guests_first_write_hands_the_new_cookie_to_the_edge(api, visit):
    answer = visit("POST", "/cart/", api.guest_context(), params={"item": "tea"})
    assert answer.headers["Crossfade-Session"] in api.handoffs


def test_two_tabs_lose_nothing(api, visit):
    record = api.make({"cart": ["tea"]})

    def other_tab(_):
        api.before.clear()
        api._write(record, {"set": {"values": {"cart": '["tea","pot"]'}}})

    api.before["Patch"] = other_tab
    visit("POST", "/cart/", api.context(record), params={"item": "cup"})
    assert api.data(record["id"])["cart"] == ["tea", "pot", "cup"]


def test_past_crossfade_nobody_is_served(api, visit):
    assert visit("GET", "/cart/", None).status_code == 403
    assert visit("GET", "/cart/", "x.y.z").status_code == 403


def test_a_session_that_ended_is_said_to_be_over(api, visit):
    record = api.make({"cart": ["tea"]})
    context = api.context(record)
    record["state"] = "ended"
    assert visit("GET", "/cart/", context).status_code == 409


def test_while_crossfade_is_down_the_page_says_so(api, visit):
    context = api.context(api.make({"cart": ["tea"]}))
    visit("GET", "/about/", context)  # the signing keys are known from here on
    api.down = True
    assert visit("GET", "/cart/", context).status_code == 503
    assert visit("GET", "/about/", context).status_code == 200
