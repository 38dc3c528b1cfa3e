"""Ends meet what runs beside them: exchanges, late calls, moments that pass. What has ended stays so, and
nothing else ends."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from django.utils import timezone

from conftest import BRIDGE_KEY, BRIDGE_SECRET
from crossfade.django import engine, ledger
from crossfade.django.models import LegacyKey
from crossfade.django.stamps import Stamp
from fake import hex_id, signed
from projects import site

ANN = {"name": "ann", "password": "pw"}


def key_of(browser):
    return browser.cookies["sessionid"].value


def login_of(user):
    return {
        "_auth_user_id": str(user.pk),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": user.get_session_auth_hash(),
    }


@pytest.fixture
def legacy(api):
    return api.context(sys="legacy", vid="e" * 32)


@pytest.fixture
def logged_in(api, browser, ann):
    """The record of ann's session on new."""
    browser.visit("/sign_in", api.context(api.make({"cart": [1]})), post=ANN)
    return next(iter(api.sessions.values()))


@pytest.fixture
def after_the_first_look(monkeypatch):
    """Run something just after the ledger was first asked for a key."""

    def arrange(action):
        known, waiting = ledger.known, [action]

        def look(key):
            found = known(key)
            if waiting:
                waiting.pop()()
            return found

        monkeypatch.setattr(ledger, "known", look)

    return arrange


class TestBesideAnExchange:
    @pytest.mark.parametrize("how", ["flush", "delete"])
    def test_a_logout_that_does_not_see_it_yet_ends_what_it_made(
        self, api, browser, bridge, ann, legacy, each_engine, after_the_first_look, how
    ):
        browser.visit("/sign_in", legacy, post=ANN)
        key, answers = key_of(browser), []
        after_the_first_look(lambda: answers.append(bridge.exchange(key)))
        site.DURING.append(lambda request: getattr(request.session, how)())
        response = browser.visit("/slow", legacy)
        assert answers[0]["kind"] == "authenticated"  # it had taken the login along
        assert ledger.tombstoned(answers[0]["lineage"])
        assert api.last("End")["session"] == {"lineage": answers[0]["lineage"]}
        assert response["Crossfade-Session-End"]

    def test_a_row_that_is_deleted_meanwhile_ends_what_it_made(
        self, settings, api, browser, legacy, after_the_first_look
    ):
        if not hasattr(engine.store_class(), "get_model_class"):
            pytest.skip("this engine has no rows")
        browser.visit("/put", legacy, body={"cart": [1]})
        key, lineage = key_of(browser), hex_id()
        # The mark of an exchange that has read the row, whose deletion was not yet through.
        row = {"stamp": Stamp(), "subject": "", "expires": 1 << 40, "operation": hex_id()}
        after_the_first_look(lambda: ledger.hand_over(key, lineage, **row))
        engine.store_class().get_model_class()._default_manager.get(session_key=key).delete()
        assert ledger.tombstoned(lineage)

    def test_a_logout_that_crossfade_has_nothing_to_do_with_is_told_to_nobody(
        self, api, browser, ann, legacy, each_engine
    ):
        browser.visit("/sign_in", legacy, post=ANN)
        response = browser.visit("/sign_out", legacy)
        assert "Crossfade-Session-End" not in response
        assert api.count() == 0


class TestMarksThatArriveLate:
    def restored(self, bridge, ann):
        lineage, key = hex_id(), hex_id()
        bridge.restore(
            lineage=lineage,
            key=key,
            kind="authenticated",
            subject=str(ann.pk),
            born=5,
            data=login_of(ann),
            auth_time=int(time.time()),
        )
        return key

    def test_who_has_logged_in_again_since_stays(self, api, browser, bridge, ann, each_engine):
        browser.cookies["sessionid"] = self.restored(bridge, ann)
        browser.visit("/sign_in", api.context(sys="legacy", mark=10), post=ANN)
        assert bridge.end(subject=str(ann.pk), before=8)["ended"] == 0
        assert browser.visit("/who", api.context(sys="legacy", mark=10)).json()["user"] == "ann"

    def test_who_has_not_is_deleted_and_counted(self, api, browser, bridge, ann, each_engine):
        key = self.restored(bridge, ann)
        assert bridge.end(subject=str(ann.pk), before=8)["ended"] == 1
        assert engine.read(key) is None


class TestWhileCrossfadeIsDown:
    @pytest.mark.parametrize("whom", ["subject", "everybody"])
    def test_a_counterpart_from_before_a_mark_is_nobodys_login(
        self, api, browser, bridge, ann, logged_in, each_engine, whom
    ):
        # each_engine comes after the login: the counterpart must be where it is looked for.
        browser.visit("/sign_in", api.context(logged_in), post=ANN)
        context = api.context(logged_in)
        ends = {"subject": {"subject": str(ann.pk)}, "everybody": {"everybody": True}}
        bridge.end(before=api.mark + 1, **ends[whom])
        browser.visit("/plain", context)  # the keys are fetched
        api.down = True
        assert browser.visit("/who", context).json() == {"user": None, "cart": None}


class TestExpiry:
    def during(self, action):
        site.DURING.append(lambda request: action(request.session))

    def test_a_lifetime_that_is_over_ends_the_session_in_both(self, api, browser, bridge, logged_in):
        self.during(lambda session: session.set_expiry(-1))
        response = browser.visit("/slow", api.context(logged_in))
        assert logged_in["state"] == "ended"
        assert response["Crossfade-Session-End"] == "expired"
        assert ledger.tombstoned(logged_in["lineage"])

    def test_a_moment_that_passes_ends_it_although_the_visitor_is_busy(
        self, api, browser, logged_in, monkeypatch
    ):
        at = timezone.now() + datetime.timedelta(seconds=100)
        self.during(lambda session: session.set_expiry(at))
        browser.visit("/slow", api.context(logged_in))
        context = api.context(logged_in)
        assert browser.visit("/who", context).json()["user"] == "ann"
        monkeypatch.setattr(timezone, "now", lambda: at + datetime.timedelta(seconds=1))
        assert browser.visit("/who", context).json()["user"] is None
        assert logged_in["state"] == "ended"

    @pytest.mark.parametrize("value", [0, 60, None, "no moment"])
    def test_other_values_end_nothing(self, api, browser, logged_in, value):
        logged_in["attributes"]["_session_expiry"] = ('"no moment"' if value == "no moment" else "60", 1)
        if value != "no moment":
            self.during(lambda session: session.set_expiry(value))
            browser.visit("/slow", api.context(logged_in))
        assert browser.visit("/read", api.context(logged_in)).json()["data"]["cart"] == [1]
        assert logged_in["state"] == "live"


class TestAnotherSession:
    """Applications that allow one login at a time keep ``session_key`` and delete the older session by it."""

    def test_deleting_it_by_its_id_ends_it_and_not_this_one(self, api, browser):
        other, mine = api.make({"cart": [1]}), api.make({"cart": [2]})
        site.DURING.append(lambda request: request.session.delete(other["id"]))
        browser.visit("/slow", api.context(mine))
        assert (other["state"], mine["state"]) == ("ended", "live")
        assert ledger.tombstoned(other["lineage"])

    @pytest.mark.parametrize("key", ["a" * 32, "0" * 32, "x", ""])
    def test_a_key_that_names_none_ends_nothing(self, api, browser, key):
        mine = api.make({"cart": [2]})
        site.DURING.append(lambda request: request.session.delete(key))
        assert browser.visit("/slow", api.context(mine)).status_code == 200
        assert mine["state"] == "live"
        assert not LegacyKey.objects.filter(moved=1).exists()


@pytest.mark.parametrize("subject", ["a\0b", "\0", " ", "\u200b", "7 ", "a\nb", "x" * 256])
def test_a_subject_that_a_database_might_take_for_everybody_is_refused_by_name(bridge, subject):
    body = json.dumps({"operation": hex_id(), "subject": subject, "reason": "test"}).encode()
    path = "/_crossfade/bridge/v1/end"
    response = bridge.post("end", body, signed(BRIDGE_SECRET, BRIDGE_KEY, path, body))
    assert response.status_code == 400
    assert response.json()["error"].startswith("subject:")
