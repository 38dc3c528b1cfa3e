"""``request.session`` of visitors that the new system governs: lazy, per key, without a legacy cookie."""

from __future__ import annotations

import json

import pytest

from conftest import untouched
from crossfade.django.signals import left_behind
from fake import hex_id


def no_legacy_cookie(response):
    return "sessionid" not in response.cookies


@untouched
def test_a_page_that_does_not_touch_the_session_makes_no_call(api, browser):
    record = api.make({"cart": [1]})
    assert browser.visit("/plain", api.context(record)).status_code == 200
    assert api.count() == 0


@untouched
def test_session_key_is_the_public_id_and_needs_no_call(api, browser):
    record = api.make()
    assert browser.visit("/key", api.context(record)).json() == {"key": record["id"]}
    assert api.count() == 0


def test_reading_costs_one_call_and_writes_nothing(api, browser):
    record = api.make({"cart": [1], "n": 1.0})
    response = browser.visit("/read", api.context(record))
    assert response.json()["data"] == {"cart": [1], "n": 1.0}
    assert [name for name, _ in api.calls] == ["Get"]
    assert no_legacy_cookie(response)
    assert response["Vary"] == "Cookie"


def test_only_changed_keys_are_sent(api, browser):
    record = api.make({"cart": [1], "seen": True})
    response = browser.visit("/put", api.context(record), body={"cart": [1, 2], "seen": True})
    assert api.last("Patch") == {"session": {"id": record["id"]}, "set": {"values": {"cart": "[1,2]"}}}
    assert no_legacy_cookie(response)
    assert "Crossfade-Session" not in response


def test_a_nested_change_that_nobody_announced_is_sent(api, browser):
    record = api.make({"cart": ["a"]})
    browser.visit("/append", api.context(record))
    assert api.data(record["id"])["cart"] == ["a", "nested"]


def test_equal_values_in_another_spelling_are_not_sent(api, browser):
    record = api.make()
    record["attributes"]["cart"] = ('{ "n" : "\\u00e9" }', 1)
    browser.visit("/read", api.context(record))
    assert api.count("Patch") == 0


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_numbers_and_booleans_that_python_calls_equal_are_different_values(api, browser, value):
    kinds = {json.dumps(v): v for v in (0, False, 0.0)}
    for text, other in kinds.items():
        record = api.make({"v": other})
        before = api.count("Patch")
        browser.visit("/put", api.context(record), body={"v": value})
        assert api.count("Patch") - before == (text != json.dumps(value))


def test_a_deleted_key_is_deleted(api, browser):
    record = api.make({"cart": [1], "x": 1})
    browser.visit("/remove?key=x", api.context(record))
    assert api.last("Patch") == {"session": {"id": record["id"]}, "delete": ["x"]}


def test_clear_deletes_every_key(api, browser):
    record = api.make({"a": 1, "b": 2})
    browser.visit("/clear", api.context(record))
    assert api.data(record["id"]) == {}


def test_a_failed_page_saves_nothing(api, browser):
    record = api.make()
    browser.visit("/boom", api.context(record))
    assert api.count("Patch") == 0


def test_set_expiry_asks_for_an_idle_lifetime(api, browser):
    record = api.make()
    browser.visit("/expiry", api.context(record))
    assert api.last("Patch")["idleSeconds"] == 600


def test_an_unwritten_guest_is_empty_without_a_call(api, browser):
    context = api.guest_context()
    assert browser.visit("/read", context).json()["data"] == {}
    assert api.count() == 0


def test_the_first_write_of_a_guest_sends_the_context_and_hands_off_the_token(api, browser):
    context = api.guest_context()
    response = browser.visit("/put", context, body={"cart": [1]})
    assert api.last("Patch")["session"] == {"context": context}
    assert response["Crossfade-Session"] in api.handoffs
    assert no_legacy_cookie(response)


def test_a_visitor_without_any_session_gets_a_guest(api, browser):
    context = api.context()
    response = browser.visit("/put", context, body={"cart": [1]})
    assert api.last("Patch")["session"] == {"context": context}
    (sid, named) = api.handoffs[response["Crossfade-Session"]]
    assert named == ""
    assert api.data(sid) == {"cart": [1]}
    assert response.json()["key"] is None  # as in Django: a key exists once the session is saved


def test_create_makes_the_record_because_the_application_wants_the_key(api, browser):
    response = browser.visit("/create", api.context())
    assert response.json()["key"] in api.sessions
    assert response["Crossfade-Session"] in api.handoffs
    assert api.count() == 1


def test_cycle_key_alone_rotates_and_keeps_the_public_id(api, browser):
    record = api.make({"a": 1})
    response = browser.visit("/cycle", api.context(record))
    assert [name for name, _ in api.calls if name != "Get"] == ["Rotate"]
    assert response["Crossfade-Session"] in api.handoffs


def test_a_request_that_began_before_a_login_never_sees_what_the_login_yields(api, browser):
    """A guest token that an attacker planted, in flight while its victim logs in."""
    record = api.make({"cart": [1]})
    context = api.context(record)
    record |= {"kind": "authenticated", "subject": "1"}
    record["attributes"]["secret"] = ('"of the victim"', 9)
    assert browser.visit("/read", context).json()["data"] == {}
    browser.visit("/put", context, body={"cart": ["planted"]})
    assert api.data(record["id"])["cart"] == [1]


def test_a_read_only_view_reads_and_keeps_nothing_and_is_no_error(api, browser):
    record = api.make({"cart": [1]})
    context = api.context(record, ro=True)
    assert browser.visit("/read", context).json()["data"] == {"cart": [1]}
    response = browser.visit("/put", context, body={"cart": []})
    assert response.status_code == 200
    browser.visit("/cycle", context)
    browser.visit("/sign_out", context)
    assert api.count("Patch") + api.count("Rotate") + api.count("End") == 0
    assert record["state"] == "live"


def test_a_session_that_ended_meanwhile_reads_as_empty_and_the_page_works(api, browser):
    record = api.make({"cart": [1]})
    context = api.context(record)
    record["state"] = "ended"
    assert browser.visit("/read", context).json()["data"] == {}
    assert browser.visit("/put", context, body={"cart": [2]}).status_code == 200
    assert api.data(record["id"]) == {"cart": [1]}


def test_an_end_between_read_and_write_is_a_logout_and_no_error(api, browser):
    record = api.make({"cart": ["a"]})
    api.before["Patch"] = lambda _: record.update(state="ended")
    response = browser.visit("/append", api.context(record))
    assert response.status_code == 200
    assert api.data(record["id"]) == {"cart": ["a"]}


def test_what_json_cannot_carry_is_named_and_the_rest_is_kept(api, browser):
    record, heard = api.make(), []

    def listen(**given):
        heard.append((given["key"], given["reason"], given["type"]))

    left_behind.connect(listen)
    try:
        assert browser.visit("/odd", api.context(record)).status_code == 200
    finally:
        left_behind.disconnect(listen)
    assert heard == [("when", "not_json", "datetime.datetime")]
    assert api.data(record["id"]) == {"fine": [1, 2]}


def test_a_legacy_cookie_is_ignored_when_new_governs(api, browser):
    browser.cookies["sessionid"] = "a" * 32
    record = api.make({"cart": [1]})
    assert browser.visit("/read", api.context(record)).json()["data"] == {"cart": [1]}


def test_csrf_tokens_in_the_session_cross_and_verify(api, browser, settings):
    settings.CSRF_USE_SESSIONS = True
    record = api.make()
    token = browser.visit("/form", api.context(record)).content.decode()
    assert "_csrftoken" in api.data(record["id"])
    browser.handler.enforce_csrf_checks = True
    response = browser.visit("/submit", api.context(record), post={"csrfmiddlewaretoken": token})
    assert response.content == b"accepted"


def test_old_key_and_new_key_are_announced_once(api, browser, bridge):
    from crossfade.django.signals import handed_over

    browser.visit("/put", api.context(sys="legacy"), body={"cart": [1]})
    key = browser.cookies["sessionid"].value
    answer = bridge.exchange(key)
    record, heard = api.make(lineage=answer["lineage"]), []

    def listen(**given):
        heard.append((given["old_key"], given["new_key"], given["to"]))

    handed_over.connect(listen)
    try:
        for _ in range(3):
            browser.visit("/plain", api.context(record))
        back = hex_id()
        bridge.restore(lineage=answer["lineage"], key=back)
    finally:
        handed_over.disconnect(listen)
    assert heard == [(key, record["id"], "new"), (record["id"], back, "legacy")]
