"""Login, logout and password on a session of the new system."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth import get_user_model

from conftest import Browser
from crossfade.django import conf, engine, ledger, outbox
from crossfade.django.models import LegacyKey, Outbox, Tombstone
from crossfade.django.stamps import Stamp
from fake import Refused, hex_id

ANN = {"name": "ann", "password": "pw"}


def refuse():
    raise Refused("unavailable")


@pytest.fixture
def pk(ann):
    return str(ann.pk)


@pytest.fixture
def logged_in(api, browser, pk):
    """A record whose owner has logged in through this site."""
    browser.visit("/sign_in", api.context(api.make({"cart": [1]})), post=ANN)
    api.calls.clear()
    return next(iter(api.sessions.values()))


def test_login_upgrades_with_subject_mark_and_the_guests_data(api, browser, pk):
    record = api.make({"cart": [1]})
    response = browser.visit("/sign_in", api.context(record, mark=7), post=ANN | {"also": "x"})
    upgrade = api.last("Upgrade")
    assert (upgrade["subject"], upgrade["born"], upgrade["methods"]) == (pk, 7, ["pwd"])
    assert set(upgrade["set"]["values"]) - {"_csrftoken"} == {
        "_auth_user_id",
        "_auth_user_backend",
        "_auth_user_hash",
        "also",
    }
    assert abs(upgrade["authTime"] - time.time()) < 5
    assert record["subject"] == pk
    assert response["Crossfade-Session"] in api.handoffs
    assert "sessionid" not in response.cookies
    assert [name for name, _ in api.calls] == ["Get", "Upgrade"]  # the privilege rises in one call


def test_login_makes_a_live_counterpart_and_reports_it(api, browser, pk):
    record = api.make({"cart": [1]})
    browser.visit("/sign_in", api.context(record), post=ANN)
    upgrade = api.last("Upgrade")
    row = engine.read(upgrade["counterpart"])
    stamp = Stamp.of(row.data)
    assert (stamp.lineage, stamp.visitor, stamp.born) == (record["lineage"], record["visitor"], api.mark)
    assert row.data["cart"] == [1]
    assert abs(row.expires - upgrade["counterpartExpires"]) <= 1
    # The way back really works: the browser, given this key, is ann.
    browser.cookies["sessionid"] = upgrade["counterpart"]
    assert browser.visit("/who", api.context(sys="legacy")).json() == {"user": "ann", "cart": [1]}


def test_login_of_a_visitor_without_a_session_makes_one(api, browser, pk):
    context = api.context()
    response = browser.visit("/sign_in", context, post=ANN)
    upgrade = api.last("Upgrade")
    assert (upgrade["session"], upgrade["visitor"]) == ({"context": context}, "e" * 32)
    record = api.sessions[api.handoffs[response["Crossfade-Session"]][0]]
    assert Stamp.of(engine.read(upgrade["counterpart"]).data).lineage == record["lineage"]


def test_login_of_an_unwritten_guest_sends_its_context(api, browser, pk):
    context = api.guest_context()
    browser.visit("/sign_in", context, post=ANN)
    assert api.last("Upgrade")["session"] == {"context": context}
    assert [name for name, _ in api.calls] == ["Upgrade"]


def test_the_logged_in_visitor_is_the_user_on_the_next_page(api, browser, logged_in):
    assert browser.visit("/who", api.context(logged_in)).json() == {"user": "ann", "cart": [1]}
    assert [name for name, _ in api.calls] == ["Get"]


def test_a_second_login_of_the_same_user_steps_up_and_replaces_the_counterpart(api, browser, logged_in):
    before = logged_in["counterpart"]
    browser.visit("/sign_in", api.context(logged_in), post=ANN)
    assert api.count("StepUp") == 1
    assert api.count("Upgrade") == 0
    assert engine.read(before) is None
    assert engine.read(api.last("StepUp")["counterpart"])


def test_login_of_another_user_ends_the_first_session_and_begins_a_new_one(api, browser, logged_in):
    get_user_model()._default_manager.create_user("bob", password="pw")
    response = browser.visit("/sign_in", api.context(logged_in), post={"name": "bob", "password": "pw"})
    assert logged_in["state"] == "ended"
    fresh = api.sessions[api.handoffs[response["Crossfade-Session"]][0]]
    assert fresh["id"] != logged_in["id"]
    assert "cart" not in api.data(fresh["id"])
    assert response["Crossfade-Session-End"] == "flush"


def test_a_failed_login_page_upgrades_nothing(api, browser, pk):
    record = api.make()
    browser.visit("/sign_in", api.context(record), post=ANN | {"password": "wrong"})
    assert api.count("Upgrade") == 0
    assert not LegacyKey.objects.exists()


def test_a_login_that_crossfade_refuses_leaves_no_counterpart(api, browser, pk):
    record = api.make({"cart": [1]})
    api.subject_marks[pk] = api.mark + 5  # "end all" came between the form and its answer
    response = browser.visit("/sign_in", api.context(record), post=ANN)
    assert response.status_code == 200
    assert record["kind"] == "guest"
    assert api.data(record["id"]) == {"cart": [1]}
    assert "Crossfade-Session-End" not in response  # the guest keeps the cart
    assert not LegacyKey.objects.exists()
    assert engine.read(api.last("Upgrade")["counterpart"]) is None


def test_a_login_whose_guest_session_ended_under_the_form_begins_a_new_one(api, browser, pk):
    record = api.make({"cart": [1]})
    api.before["Upgrade"] = lambda _: record.update(state="ended")
    response = browser.visit("/sign_in", api.context(record), post=ANN)
    fresh = api.sessions[api.handoffs[response["Crossfade-Session"]][0]]
    assert (fresh["subject"], response["Crossfade-Session-End"]) == (pk, "ended")
    assert fresh["id"] != record["id"]


def test_logout_ends_in_both_systems(api, browser, logged_in):
    counterpart = logged_in["counterpart"]
    response = browser.visit("/sign_out", api.context(logged_in))
    assert api.last("End") == {"session": {"id": logged_in["id"]}, "reason": "logout", "legacyDone": True}
    assert response["Crossfade-Session-End"] == "logout"
    assert Tombstone.objects.get().lineage == logged_in["lineage"]
    assert engine.read(counterpart) is None
    assert not Outbox.objects.exists()
    assert "sessionid" not in response.cookies


def test_data_after_a_logout_begins_a_new_guest_session(api, browser, logged_in):
    response = browser.visit("/sign_out?message=1", api.context(logged_in))
    assert response["Crossfade-Session-End"] == "logout"
    assert api.last("Patch")["session"] == {}
    fresh = api.handoffs[response["Crossfade-Session"]][0]
    assert api.data(fresh)["after"] == 1
    assert "_auth_user_id" not in api.data(fresh)


def test_logout_of_a_guest_without_a_record_calls_nobody(api, browser):
    response = browser.visit("/sign_out", api.guest_context())
    assert api.count() == 0
    assert response["Crossfade-Session-End"] == "logout"


def test_taking_the_login_out_of_the_session_is_a_logout(api, browser, logged_in):
    response = browser.visit("/step_out", api.context(logged_in))
    assert logged_in["state"] == "ended"
    assert api.data(api.handoffs[response["Crossfade-Session"]][0])["cart"] == [1]


def test_a_changed_password_keeps_this_session_and_its_counterpart_and_ends_the_others(
    api, browser, logged_in, pk
):
    other = api.make({"x": 1}, subject=pk)
    response = browser.visit("/password", api.context(logged_in), post={"new": "pw2"})
    end = api.last("End")
    assert (end["subject"], end["exceptSession"], end["legacyDone"]) == (pk, logged_in["id"], True)
    assert response["Crossfade-Session"] in api.handoffs  # a new secret
    assert logged_in["born"] == api.mark > other["born"]
    assert browser.visit("/who", api.context(logged_in)).json()["user"] == "ann"
    browser.cookies["sessionid"] = logged_in["counterpart"]
    assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"


def test_a_changed_password_gives_no_old_secret_the_new_one_and_is_no_fresh_login(api, browser, logged_in):
    old, at = logged_in["counterpart"], int(time.time()) - 5000
    browser.visit(
        "/password",
        api.context(logged_in, auth_time=at, amr=["pwd", "otp"], acr="2"),
        post={"new": "pw2"},
    )
    # Rotate would hand the new token to whoever still holds the old one.
    assert [name for name, _ in api.calls] == ["Get", "StepUp", "End"]
    step = api.last("StepUp")
    assert (step["authTime"], step["methods"], step["level"]) == (at, ["pwd", "otp"], "2")
    kept = engine.read(step["counterpart"]).data
    assert kept["_auth_user_hash"] == api.data(logged_in["id"])["_auth_user_hash"]
    assert kept["_auth_user_hash"] == get_user_model()._default_manager.get().get_session_auth_hash()
    assert Stamp.of(kept).login == at
    assert step["counterpart"] != old
    assert engine.read(old) is None  # an old ticket names it


def test_another_worker_does_not_end_the_session_in_which_the_password_is_being_changed(
    api, browser, logged_in
):
    api.before["StepUp"] = lambda _: outbox.deliver_due(conf.runtime(), 10)
    browser.visit("/password", api.context(logged_in), post={"new": "pw2"})
    assert [name for name, _ in api.calls] == ["Get", "StepUp", "End"]
    assert api.last("End")["exceptSession"] == logged_in["id"]
    assert not Outbox.objects.exists()


def test_a_changed_password_while_crossfade_is_down_leaves_nothing_to_who_has_the_old_secret(
    api, browser, logged_in, pk
):
    """Its secret cannot be changed now, so the session must not get the new password's hash, ever."""
    old, before = logged_in["counterpart"], api.data(logged_in["id"])["_auth_user_hash"]
    context = api.context(logged_in)
    api.before["StepUp"] = lambda _: setattr(api, "down", True) or refuse()
    key = browser.visit("/password", context, post={"new": "pw2"}).cookies["sessionid"].value
    now = get_user_model()._default_manager.get().get_session_auth_hash()
    assert engine.read(key).data["_auth_user_hash"] == now  # a legacy session of her own, under a new key
    assert key != old
    assert engine.read(old).data["_auth_user_hash"] == before  # what an old ticket names opens nothing

    api.down = False
    api.before.clear()
    conf.runtime().transport._breaker.leave(True)
    outbox._rows().update(due=0)
    outbox.deliver_due(conf.runtime(), 10)
    assert api.data(logged_in["id"])["_auth_user_hash"] == before
    assert "exceptSession" not in api.last("End")  # it ends with the others
    assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"


def test_a_changed_password_without_keeping_the_session_ends_this_one_too(api, browser, logged_in, pk):
    browser.visit("/password?forget=1", api.context(logged_in), post={"new": "pw2"})
    assert "exceptSession" not in api.last("End")


def test_a_session_whose_hash_no_longer_fits_is_flushed_by_django_and_ended_everywhere(
    api, browser, logged_in, pk
):
    user = get_user_model()._default_manager.get(pk=pk)
    user.set_password("changed by raw SQL")
    get_user_model()._default_manager.filter(pk=pk).update(password=user.password)
    assert browser.visit("/who", api.context(logged_in)).json()["user"] is None
    assert logged_in["state"] == "ended"
    assert ledger.tombstoned(logged_in["lineage"])


def test_password_reset_that_logs_in_spares_its_own_new_session(api, browser, pk):
    response = browser.visit("/reset", api.context(), post={"name": "ann", "new": "pw2"})
    fresh = api.sessions[api.handoffs[response["Crossfade-Session"]][0]]
    assert api.last("End")["exceptSession"] == fresh["id"]
    assert [name for name, _ in api.calls] == ["Upgrade", "End"]
    assert browser.visit("/who", api.context(fresh)).json()["user"] == "ann"


def test_a_secret_key_fallback_still_logs_in_and_rotates(api, browser, logged_in, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next key"
    response = browser.visit("/who", api.context(logged_in))
    assert response.json()["user"] == "ann"
    assert (api.count("Rotate"), api.count("StepUp")) == (1, 0)  # a page loaded beside it stays logged in


class TestMovedAwayMeanwhile:
    """The session was restored to legacy while a login was under way. Who has the restored key may be
    another browser, which had the same token: the login must not come to it."""

    def test_a_login_becomes_a_session_under_a_key_of_its_own(self, api, browser, bridge, pk, each_engine):
        record, key = api.make({"cart": [1]}), hex_id()

        def moves(_):
            record["state"] = "moved"
            bridge.restore(lineage=record["lineage"], key=key, data={"cart": [1]})

        api.before["Upgrade"] = moves
        response = browser.visit("/sign_in", api.context(record), post=ANN)
        assert "_auth_user_id" not in engine.read(key).data
        assert response.cookies["sessionid"].value != key
        answer = bridge.call("inspect", key=response.cookies["sessionid"].value)
        assert (answer["subject"], answer["lineage"], answer["visitor"]) == (pk, None, record["visitor"])
        assert browser.visit("/who", api.context(sys="legacy")).json() == {"user": "ann", "cart": [1]}

    @pytest.fixture
    def restored(self, api, bridge, logged_in, ann):
        """A key that ann's session is restored under, when the method is called."""
        key, login = hex_id(), {k: json.loads(t) for k, (t, _) in logged_in["attributes"].items()}

        def on(method):
            def moves(_):
                if logged_in["state"] == "live":
                    logged_in["state"] = "moved"
                    stamp = {"l": logged_in["lineage"], "b": api.mark}
                    expires = int(time.time()) + 600  # written before the password changed
                    engine.write(key, login | {"_crossfade": stamp}, expires)
                    names = {"subject": str(ann.pk), "born": api.mark, "generation": 1}
                    ledger.open_key(
                        key, logged_in["lineage"], "active", operation="", expires=expires, **names
                    )

            api.before[method] = moves
            return key, login

        return on

    def test_a_new_password_is_not_written_to_it(self, api, browser, bridge, logged_in, restored):
        key, login = restored("StepUp")
        browser.visit("/password", api.context(logged_in), post={"new": "other"})
        assert engine.read(key).data["_auth_user_hash"] == login["_auth_user_hash"]
        mine = browser.cookies["sessionid"].value
        assert mine != key
        assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"
        answer = bridge.call("inspect", key=browser.cookies["sessionid"].value)
        assert not answer["ended"]
        assert answer["born"] == api.mark  # it is not among those that the new password ended
        thief = Browser()
        thief.cookies["sessionid"] = key
        assert thief.visit("/who", api.context(sys="legacy")).json()["user"] is None

    def test_data_still_follows(self, api, browser, logged_in, restored):
        key, _ = restored("Patch")
        browser.visit("/put", api.context(logged_in), body={"cart": [2]})
        assert engine.read(key).data["cart"] == [2]

    @pytest.fixture
    def on_legacy(self, api, bridge):
        """A guest's record that has moved to legacy, and the browser that has it there."""
        record, browser = api.make({"cart": [1]}, state="moved"), Browser()
        browser.cookies["sessionid"] = hex_id()
        bridge.restore(lineage=record["lineage"], key=browser.cookies["sessionid"].value, data={"cart": [1]})
        return record, browser

    def test_data_follows_to_a_key_that_was_cycled_since(self, api, browser, each_engine, on_legacy):
        record, there = on_legacy
        legacy = api.context(sys="legacy")
        there.visit("/cycle", legacy)
        assert browser.visit("/who", api.context(record)).json()["cart"] == [1]
        browser.visit("/put", api.context(record), body={"cart": [2]})
        assert there.visit("/who", legacy).json()["cart"] == [2]

    def test_who_has_the_guests_token_neither_sees_nor_changes_a_later_login(
        self, api, browser, ann, each_engine, on_legacy
    ):
        record, there = on_legacy
        legacy = api.context(sys="legacy")
        there.visit("/sign_in", legacy, post=ANN)
        assert browser.visit("/who", api.context(record)).json() == {"user": None, "cart": None}
        browser.visit("/put", api.context(record), body={"cart": ["planted"]})
        assert there.visit("/who", legacy).json() == {"user": "ann", "cart": [1]}
