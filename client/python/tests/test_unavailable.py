"""Crossfade cannot be reached: the one policy, and that nothing is lost."""

from __future__ import annotations

import json
import time

import pytest
from django.core.management import call_command

from conftest import untouched
from crossfade.django import conf, engine, outbox, respond
from crossfade.django.models import LegacyKey, Outbox, Tombstone
from fake import Refused

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def down(api, browser):
    """Crossfade is gone, after this process has fetched the signing keys."""
    browser.visit("/plain", api.context())
    api.calls.clear()

    def go():
        api.down = True

    return go


@pytest.fixture
def back(api):
    def come(**options):
        api.down = False
        conf.runtime().transport._breaker.leave(True)
        call_command("crossfade_flush_outbox", "--now", verbosity=0, **options)

    return come


@pytest.fixture
def logged_in(api, browser, ann):
    browser.visit("/sign_in", api.context(api.make({"cart": [1]})), post=ANN)
    return next(iter(api.sessions.values()))


class TestLegacyPolicy:
    def test_without_the_signing_keys_the_site_runs_on_its_own_sessions(self, api, browser, ann):
        api.down = True
        context = api.context(api.make())
        browser.visit("/sign_in", context, post=ANN)
        assert browser.visit("/who", context).json()["user"] == "ann"
        assert browser.cookies["sessionid"].value

    def test_a_logged_in_visitor_stays_logged_in_on_the_counterpart(self, api, browser, logged_in, down):
        context = api.context(logged_in)
        down()
        assert browser.visit("/who", context).json() == {"user": "ann", "cart": [1]}

    def test_what_is_written_is_kept_here_and_delivered_later(self, api, browser, logged_in, down, back):
        context = api.context(logged_in)
        down()
        browser.visit("/put", context, body={"cart": [1, 2], "new": 1})
        assert browser.visit("/who", context).json()["cart"] == [1, 2]
        back()
        data = api.data(logged_in["id"])
        assert (data["cart"], data["new"]) == ([1, 2], 1)
        assert not Outbox.objects.exists()

    def test_a_late_delivery_never_overwrites_a_newer_value(self, api, browser, logged_in, down, back):
        context = api.context(logged_in)
        down()
        browser.visit("/put", context, body={"cart": ["old"], "new": 1})
        logged_in["version"] += 5
        logged_in["attributes"]["cart"] = ('["newer"]', logged_in["version"])
        back()
        data = api.data(logged_in["id"])
        assert (data["cart"], data["new"]) == (["newer"], 1)

    def test_a_cart_that_could_not_be_read_is_not_overwritten(self, api, browser, down, back):
        record = api.make({"cart": ["seen before"]})
        context = api.context(record)
        down()
        browser.visit("/put", context, body={"cart": ["made in ignorance"]})
        back()
        assert api.data(record["id"])["cart"] == ["seen before"]

    def test_a_guests_first_write_becomes_a_legacy_session(self, api, browser, down, bridge):
        context = api.guest_context()
        down()
        response = browser.visit("/put", context, body={"cart": [1]})
        assert response.cookies["sessionid"].value
        answer = bridge.exchange(response.cookies["sessionid"].value)  # at the next entry
        assert (answer["data"], answer["visitor"]) == ({"cart": [1]}, "e" * 32)

    def test_a_login_becomes_a_legacy_session_that_the_edge_takes_over(self, api, browser, ann, down, bridge):
        record = api.make({"cart": [1]})
        context = api.context(record)
        browser.visit("/who", context)
        down()
        response = browser.visit("/sign_in", context, post=ANN)
        answer = bridge.call("inspect", key=response.cookies["sessionid"].value)
        assert (answer["kind"], answer["visitor"], answer["lineage"]) == (
            "authenticated",
            record["visitor"],
            None,
        )
        assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"

    def test_a_logout_holds_here_at_once_and_there_when_it_is_back(self, api, browser, logged_in, down, back):
        context = api.context(logged_in)
        down()
        response = browser.visit("/sign_out", context)
        assert response["Crossfade-Session-End"] == "logout"
        assert Tombstone.objects.get().lineage == logged_in["lineage"]
        assert engine.read(logged_in["counterpart"]) is None
        assert Outbox.objects.get().verb == "end"
        assert browser.visit("/who", context).json()["user"] is None
        back()
        assert logged_in["state"] == "ended"
        assert not Outbox.objects.exists()

    def test_a_logout_that_is_rolled_back_leaves_no_message(self, logged_in):
        from django.db import transaction

        from crossfade.django.flows.logout import end_lineage

        class Undo(Exception):
            pass

        def act():
            with transaction.atomic():
                end_lineage(logged_in["lineage"], "test", conf.runtime())
                raise Undo

        with pytest.raises(Undo):
            act()
        assert not Outbox.objects.exists()
        assert not Tombstone.objects.exists()
        assert logged_in["state"] == "live"

    def test_pages_do_not_wait_for_a_dead_crossfade_again_and_again(self, api, browser, down):
        context = api.context(api.make())
        down()
        for _ in range(20):
            assert browser.visit("/read", context).status_code == 200
        assert conf.runtime().counts.snapshot()["session.unreadable"] == 20
        with pytest.raises(Exception, match="several times"):
            conf.runtime().transport._breaker.enter()


class TestGuestPolicy:
    @pytest.fixture(autouse=True)
    def _policy(self, api, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"ON_UNAVAILABLE": "guest"}

    def test_everybody_is_a_guest_without_memory(self, api, browser, logged_in, down):
        context = api.context(logged_in)
        down()
        assert browser.visit("/who", context).json() == {"user": None, "cart": None}
        response = browser.visit("/put", context, body={"cart": [9]})
        assert (response.status_code, "sessionid" in response.cookies) == (200, False)
        assert not Outbox.objects.exists()

    def test_a_login_leaves_nothing_behind(self, api, browser, ann, down):
        context = api.guest_context()
        down()
        assert "sessionid" not in browser.visit("/sign_in", context, post=ANN).cookies
        assert not LegacyKey.objects.exists()

    def test_without_the_signing_keys_too(self, api, browser):
        api.down = True
        assert browser.visit("/put", api.context(), body={"a": 1}).status_code == 200


class TestErrorPolicy:
    @pytest.fixture(autouse=True)
    def _policy(self, api, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"ON_UNAVAILABLE": "error"}

    @pytest.mark.parametrize("path", ["/read", "/slow", "/who"])
    def test_a_page_that_needs_the_session_is_503_and_says_so(self, api, browser, down, path):
        context = api.context(api.make())
        down()
        browser.raise_request_exception = False
        response = browser.visit(path, context)
        assert (response.status_code, response["Retry-After"]) == (503, "5")

    def test_a_write_that_cannot_be_stored_is_503(self, api, browser, down):
        context = api.guest_context()
        down()
        assert browser.visit("/put", context, body={"a": 1}).status_code == 503

    @untouched
    def test_a_page_that_does_not_touch_the_session_works(self, api, browser, down):
        context = api.context(api.make())
        down()
        assert browser.visit("/plain", context).status_code == 200


class TestRefusals:
    def test_a_session_over_its_limits_is_logged_and_no_error(self, api, browser, caplog):
        def refuse(_):
            raise Refused("resource_exhausted", "64 KiB in all")

        api.before["Patch"] = refuse
        assert browser.visit("/put", api.context(api.make()), body={"big": 1}).status_code == 200
        assert "64 KiB in all" in caplog.text

    def test_a_wrong_secret_is_the_same_as_a_crossfade_that_is_down(self, api, browser, settings, ann):
        settings.CROSSFADE = settings.CROSSFADE | {"SECRET": "wrong"}
        assert browser.visit("/put", api.guest_context(), body={"cart": [1]}).status_code == 200
        assert browser.visit("/who", api.context(sys="legacy")).json()["cart"] == [1]
        conf.runtime().transport.close()


class TestOutbox:
    def test_later_requests_deliver_it(self, api, browser):
        record = api.make()
        outbox.put_end(session=record["id"], lineage=record["lineage"], reason="test")
        respond._turn._next = 0
        browser.visit("/plain")
        assert record["state"] == "ended"
        assert not Outbox.objects.exists()

    def test_a_failed_try_waits_longer_each_time(self, api, browser, down):
        operation = outbox.put_end(lineage="a" * 32, reason="test")
        down()
        outbox.try_one(operation, conf.runtime())
        first = Outbox.objects.get()
        outbox.try_one(operation, conf.runtime())
        second = Outbox.objects.get()
        assert second.attempts == 2
        assert second.due - first.due >= 1
        assert second.error
        assert outbox.deliver_due(conf.runtime(), 10) == (0, 0)

    def test_two_workers_do_not_deliver_one_row_twice(self, api, browser):
        operation = outbox.put_end(lineage="a" * 32, reason="test")
        row = Outbox.objects.get(operation=operation)
        outbox._deliver(row, conf.runtime())
        assert outbox._deliver(row, conf.runtime()) is None
        assert api.count("End") == 1

    def test_the_command_says_what_it_did_and_sweeps(self, api, browser, capsys):
        from crossfade.django.models import Nonce

        Nonce.objects.create(nonce="0" * 32, at=int(time.time()) - 2 * 86400)
        outbox.put_end(lineage="a" * 32, reason="test")
        call_command("crossfade_flush_outbox")
        assert "delivered 1, waiting 0, old records removed 1" in capsys.readouterr().out

    def test_the_payload_is_plain_json(self, api, browser):
        outbox.put_patch("a" * 32, {"k": '"v"'}, [], {})
        assert json.loads(Outbox.objects.get().payload)["set"] == {"k": '"v"'}
