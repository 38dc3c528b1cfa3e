"""The same promises on an asynchronous site."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from conftest import untouched
from crossfade.django import engine

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def visit(api, transactional_db):
    client = AsyncClient()

    def go(path, context=None, cookie=None):
        if cookie:
            client.cookies["sessionid"] = cookie
        headers = {"Crossfade-Context": context} if context else {}

        async def get():
            return await client.get(path, headers=headers)

        return async_to_sync(get)()

    return go


def test_new_reads_and_writes_only_what_changed(api, visit):
    record = api.make({"count": 1, "other": 2})
    response = visit("/async_put", api.context(record))
    assert response.content == b"async"
    assert api.last("Patch")["set"] == {"values": {"count": "2"}}
    assert "sessionid" not in response.cookies


def test_new_login_and_logout(api, visit, ann):
    record = api.make({"cart": [1]})
    response = visit("/async_sign_in", api.context(record))
    assert response["Crossfade-Session"] in api.handoffs
    assert record["subject"] == str(ann.pk)
    assert engine.read(record["counterpart"])
    response = visit("/async_sign_out", api.context(record))
    assert response["Crossfade-Session-End"] == "logout"
    assert record["state"] == "ended"


def test_a_second_login_steps_up(api, visit, ann):
    record = api.make({"cart": [1]})
    visit("/async_sign_in", api.context(record))
    visit("/async_sign_in", api.context(record))
    assert api.count("StepUp") == 1


def test_legacy_reads_writes_and_stamps(api, visit, ann):
    response = visit("/async_put", api.context(sys="legacy"))
    key = response.cookies["sessionid"].value
    assert engine.read(key).data["count"] == 1
    visit("/async_put", api.context(sys="legacy"), key)
    assert engine.read(key).data["count"] == 2
    key = visit("/async_sign_in", api.context(sys="legacy"), key).cookies["sessionid"].value
    assert engine.read(key).data["_crossfade"]["b"] == api.mark
    visit("/async_sign_out", api.context(sys="legacy"), key)
    assert engine.read(key) is None


@untouched
def test_a_page_that_does_not_touch_the_session_makes_no_call(api, visit):
    visit("/plain", api.context(api.make()))
    assert api.count() == 0


def test_the_current_visit_does_not_leak_into_the_next(api, visit):
    from crossfade.django import visits

    visit("/async_put", api.context(api.make({"count": 1})))
    assert visits.current.get() is None
