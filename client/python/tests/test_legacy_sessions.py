"""``request.session`` on the site's own engine: stamped, guarded, and otherwise Django's."""

from __future__ import annotations

import io
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import untouched
from crossfade.context import NO_SUCCESSOR
from crossfade.django import engine, ledger
from crossfade.django.models import EndMark, LegacyKey, Tombstone
from crossfade.django.stamps import Stamp
from fake import hex_id
from projects import site

ANN = {"name": "ann", "password": "pw"}
VISITOR = "e" * 32


@pytest.fixture
def legacy(api):
    """The context of a visitor that legacy governs."""
    return api.context(sys="legacy", vid=VISITOR)


def key_of(browser):
    return browser.cookies["sessionid"].value


def stamp_of(browser):
    return Stamp.of(engine.read(key_of(browser)).data)


def test_a_site_without_the_edge_works_as_before_and_calls_nobody(api, browser, ann, each_engine):
    browser.visit("/put", body={"cart": [1]})
    browser.visit("/sign_in", post=ANN)
    assert browser.visit("/who").json() == {"user": "ann", "cart": [1]}
    browser.visit("/sign_out")
    assert browser.visit("/who").json() == {"user": None, "cart": None}
    assert api.count() == 0
    assert not LegacyKey.objects.exists()
    assert not Tombstone.objects.exists()


def test_a_new_session_is_stamped_with_visitor_and_mark(browser, legacy, api, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    stamp = stamp_of(browser)
    assert (stamp.visitor, stamp.born, stamp.login, stamp.lineage) == (VISITOR, api.mark, None, None)


def test_a_login_is_stamped_with_its_time_and_the_mark_before_it(browser, legacy, ann, api, each_engine):
    browser.visit("/put", body={"cart": [1]})
    assert stamp_of(browser).born is None
    browser.visit("/sign_in", legacy, post=ANN)
    stamp = stamp_of(browser)
    assert abs(stamp.login - time.time()) < 5
    assert (stamp.visitor, stamp.born) == (VISITOR, api.mark)


def test_saving_alone_never_stamps_a_session_that_was_planted(browser, legacy, each_engine):
    planted = hex_id()
    engine.write(planted, {"cart": ["attacker's"], "_auth_user_id": "1"}, int(time.time()) + 600)
    browser.cookies["sessionid"] = planted
    browser.visit("/put", legacy, body={"x": 1})
    assert stamp_of(browser) == Stamp()


def test_a_login_without_the_edge_has_a_time_and_no_mark(browser, ann):
    browser.visit("/sign_in", post=ANN)
    stamp = stamp_of(browser)
    assert stamp.born is None
    assert stamp.login


def test_data_stays_readable_for_a_site_that_leaves_crossfade(browser, legacy, each_engine, settings):
    browser.visit("/put", legacy, body={"cart": [1]})
    settings.CROSSFADE = settings.CROSSFADE | {"ENABLED": False}
    assert browser.visit("/who").json()["cart"] == [1]


def test_one_query_of_our_own_for_each_load(browser, legacy, ann):
    browser.visit("/sign_in", legacy, post=ANN)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        browser.visit("/who", legacy)
    assert sum("crossfade_" in q["sql"] for q in queries) == 1


@untouched
def test_no_query_for_a_page_that_does_not_touch_the_session(browser, legacy):
    browser.visit("/put", legacy, body={"cart": [1]})
    with CaptureQueriesContext(connection) as queries:
        browser.visit("/plain", legacy)
    assert len(queries) == 0


def test_a_moved_key_opens_nothing_and_its_cookie_stays(browser, bridge, legacy, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    bridge.exchange(key_of(browser))
    response = browser.visit("/read", legacy)
    assert response.json()["data"] == {}
    assert "sessionid" not in response.cookies  # the edge exchanges it again at the next entry


def test_a_moved_key_is_served_if_the_context_names_its_lineage_as_returning(
    browser, bridge, api, each_engine
):
    browser.visit("/put", api.context(sys="legacy"), body={"cart": [1]})
    lineage = bridge.exchange(key_of(browser))["lineage"]
    assert browser.visit("/read", api.context(sys="legacy", ret=hex_id())).json()["data"] == {}
    assert browser.visit("/read", api.context(sys="legacy", ret=lineage)).json()["data"] == {"cart": [1]}
    # Its successor lives on, so the key opens nothing again without the edge's word.
    assert browser.visit("/read", api.context(sys="legacy")).json()["data"] == {}


def test_what_is_saved_under_a_returning_key_becomes_a_patch(browser, bridge, api, each_engine):
    browser.visit("/put", api.context(sys="legacy"), body={"cart": [1]})
    record = api.make({"cart": [1]})
    bridge.exchange(key_of(browser), lineage=record["lineage"])
    browser.visit("/put", api.context(sys="legacy", ret=record["lineage"]), body={"cart": [1, 2]})
    assert api.data(record["id"]) == {"cart": [1, 2]}


def test_a_moved_key_without_a_successor_is_back_for_good(browser, bridge, api, each_engine):
    browser.visit("/put", api.context(sys="legacy"), body={"cart": [1]})
    bridge.exchange(key_of(browser))  # the answer was lost: nothing was made of it
    assert browser.visit("/read", api.context(sys="legacy", ret=NO_SUCCESSOR)).json()["data"] == {"cart": [1]}
    assert browser.visit("/read", api.context(sys="legacy")).json()["data"] == {"cart": [1]}


def test_a_save_on_a_session_that_moves_meanwhile_becomes_a_patch(browser, bridge, api, legacy, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    record = api.make({"cart": [1]})
    site.DURING.append(
        lambda request: bridge.exchange(request.session.session_key, lineage=record["lineage"])
    )
    assert browser.visit("/slow", legacy).status_code == 200
    assert api.last("Patch") == {
        "session": {"lineage": record["lineage"]},
        "set": {"values": {"late": '"written late"'}},
    }
    assert api.data(record["id"]) == {"cart": [1], "late": "written late"}


def test_an_end_during_a_request_is_a_logout_and_never_brings_the_session_back(
    browser, bridge, legacy, each_engine
):
    lineage, key = hex_id(), hex_id()
    bridge.restore(lineage=lineage, key=key, data={"cart": [1]})
    browser.cookies["sessionid"] = key
    site.DURING.append(lambda _: bridge.end(lineage=lineage))
    response = browser.visit("/slow", legacy)
    assert response.status_code == 200
    assert response.content == b"slow"
    assert response.cookies["sessionid"]["max-age"] == 0
    assert engine.read(key) is None


def test_a_row_that_is_gone_during_save_is_a_logout(browser, legacy, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    response = browser.visit("/row_gone", legacy)
    assert response.status_code == 200
    assert response.cookies["sessionid"]["max-age"] == 0


def test_a_poll_that_a_login_overtakes_leaves_the_new_cookie_alone(browser, legacy, ann, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    old = key_of(browser)
    browser.visit("/sign_in", legacy, post=ANN)
    new = key_of(browser)
    assert new != old
    for headers, stays in (({"HTTP_SEC_FETCH_MODE": "cors"}, True), ({}, False)):
        late = type(browser)()
        late.cookies["sessionid"] = old
        answer = late.visit("/who", legacy, **headers)
        assert answer.json() == {"user": None, "cart": None}
        assert ("sessionid" not in answer.cookies) is stays
    # What a script does to its session itself is Django's business as ever.
    late = type(browser)()
    late.cookies["sessionid"] = new
    assert late.visit("/sign_out", legacy, HTTP_SEC_FETCH_MODE="cors").cookies["sessionid"].value == ""


def test_a_poll_whose_row_is_gone_at_save_leaves_the_cookie_alone(browser, legacy, each_engine):
    browser.visit("/put", legacy, body={"cart": [1]})
    answer = browser.visit("/row_gone", legacy, HTTP_SEC_FETCH_MODE="cors")
    assert answer.status_code == 200
    assert "sessionid" not in answer.cookies


def test_a_write_in_flight_behind_the_engines_back_is_not_served(browser, bridge, legacy, each_engine):
    """The worst case of a cache engine: the value is written after everything was deleted."""
    lineage, key = hex_id(), hex_id()
    bridge.restore(lineage=lineage, key=key, data={"cart": [1]})
    data = engine.read(key).data
    bridge.end(lineage=lineage)
    engine.write(key, data, int(time.time()) + 600)
    browser.cookies["sessionid"] = key
    assert browser.visit("/read", legacy).json()["data"] == {}
    assert engine.read(key) is None


def test_logout_of_a_session_that_crossfade_knows_holds_in_both(browser, bridge, api, legacy, each_engine):
    record, key = api.make(state="moved"), hex_id()
    bridge.restore(lineage=record["lineage"], key=key, data={"cart": [1]})
    browser.cookies["sessionid"] = key
    assert browser.visit("/sign_out", legacy)["Crossfade-Session-End"] == "logout"
    assert api.last("End") == {
        "session": {"lineage": record["lineage"]},
        "reason": "logout",
        "legacyDone": True,
    }
    assert ledger.tombstoned(record["lineage"])
    assert bridge.restore(lineage=record["lineage"]) == {
        "restored": False,
        "ended": True,
        "reason": "tombstone",
    }


def test_a_logout_while_crossfade_is_down_is_told_to_the_edge_beside_a_fresh_session(
    browser, bridge, api, legacy, each_engine
):
    key = hex_id()
    bridge.restore(key=key, data={"cart": [1]})
    browser.cookies["sessionid"] = key
    browser.visit("/read", legacy)
    api.down = True
    response = browser.visit("/sign_out?message=1", legacy)
    assert response["Crossfade-Session-End"] == "logout"
    assert response.cookies["sessionid"].value not in ("", key)
    assert "Crossfade-Session-End" not in browser.visit("/sign_out", legacy)  # nobody else's matter


def test_a_logout_racing_the_exchange_ends_the_lineage_that_it_moved_to(
    browser, bridge, api, legacy, each_engine
):
    browser.visit("/put", legacy, body={"cart": [1]})
    moved = []

    def logout_later(request):
        moved.append(bridge.exchange(request.session.session_key)["lineage"])
        request.session.flush()

    site.DURING.append(logout_later)
    browser.visit("/slow", legacy)
    assert api.last("End")["session"] == {"lineage": moved[0]}
    assert ledger.tombstoned(moved[0])


def test_login_keeps_the_lineage_under_the_new_key(browser, bridge, legacy, ann, each_engine):
    lineage, key = hex_id(), hex_id()
    bridge.restore(lineage=lineage, key=key, data={"cart": [1]})
    browser.cookies["sessionid"] = key
    browser.visit("/sign_in", legacy, post=ANN)
    assert key_of(browser) != key
    answer = bridge.call("inspect", key=key_of(browser))
    assert (answer["lineage"], answer["kind"], answer["visitor"]) == (lineage, "authenticated", VISITOR)
    assert engine.read(key) is None


def test_internal_tools_keep_their_legacy_session_when_new_governs(browser, api, ann):
    browser.visit("/sign_in", api.context(sys="new", tools=True), post=ANN)
    assert browser.visit("/who", api.context(sys="new", tools=True)).json()["user"] == "ann"
    assert api.count() == 0


@pytest.mark.parametrize("key", ["../../etc/passwd", "A" * 32, "x", "a" * 41, "a b" * 8, "é" * 12])
def test_a_malformed_key_is_no_session_and_no_error(browser, legacy, key, each_engine):
    browser.cookies["sessionid"] = key
    assert browser.visit("/read", legacy).json()["data"] == {}


@pytest.mark.parametrize(
    "stamp", ["x", 5, [], {"l": "../x", "b": "many", "t": [], "g": -1}, {"v": None}, None]
)
def test_a_stamp_that_is_not_one_counts_as_unstamped(browser, legacy, stamp):
    key = hex_id()
    engine.write(key, {"_crossfade": stamp, "cart": 1}, int(time.time()) + 600)
    browser.cookies["sessionid"] = key
    assert browser.visit("/read", legacy).json()["data"] == {"cart": 1}


class TestMarks:
    """Ends of a subject or of everybody meet each session when it is next asked for."""

    @pytest.fixture
    def signed_in(self, browser, legacy, ann):
        browser.visit("/sign_in", legacy, post=ANN)
        return browser

    def test_a_session_born_before_the_mark_is_over(self, signed_in, bridge, api, legacy, ann):
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        assert signed_in.visit("/who", legacy).json()["user"] is None

    def test_a_session_born_at_the_mark_lives(self, signed_in, bridge, api, legacy, ann):
        bridge.end(subject=str(ann.pk), before=api.mark)
        assert signed_in.visit("/who", legacy).json()["user"] == "ann"

    def test_a_login_without_a_mark_is_judged_by_its_time(self, browser, bridge, ann):
        browser.visit("/sign_in", post=ANN)
        bridge.end(subject=str(ann.pk), before=99)
        assert browser.visit("/who").json()["user"] is None
        browser.visit("/sign_in", post=ANN)
        assert browser.visit("/who").json()["user"] == "ann"

    def test_everybody_includes_guests(self, browser, bridge, api, legacy):
        browser.visit("/put", legacy, body={"cart": [1]})
        bridge.end(everybody=True, before=api.mark + 1)
        assert browser.visit("/who", legacy).json()["cart"] is None

    def test_other_subjects_are_untouched(self, signed_in, bridge, api, legacy):
        bridge.end(subject="nobody", before=api.mark + 1)
        assert signed_in.visit("/who", legacy).json()["user"] == "ann"

    def test_the_spared_lineage_lives_until_the_next_end(self, browser, bridge, api, legacy, ann):
        lineage, key = hex_id(), hex_id()
        browser.visit("/sign_in", legacy, post=ANN)
        data = {k: v for k, v in engine.read(key_of(browser)).data.items() if k.startswith("_auth")}
        bridge.restore(
            lineage=lineage,
            key=key,
            kind="authenticated",
            subject=str(ann.pk),
            data=data,
            auth_time=int(time.time()),
            born=api.mark,
        )
        browser.cookies["sessionid"] = key
        bridge.end(subject=str(ann.pk), before=api.mark + 5, **{"except": lineage})
        assert browser.visit("/who", legacy).json()["user"] == "ann"
        bridge.end(subject=str(ann.pk), before=api.mark + 9)
        assert browser.visit("/who", legacy).json()["user"] is None
        assert EndMark.objects.get().before == api.mark + 9


class TestPassword:
    """The password changes on legacy, in a session that Crossfade may later take over."""

    def change(self, browser, legacy):
        browser.visit("/sign_in", legacy, post=ANN)
        browser.visit("/password", legacy, post={"new": "pw2"})

    def test_the_others_end_and_this_one_is_born_again_at_the_mark(self, browser, api, legacy, ann):
        self.change(browser, legacy)
        assert api.last("End")["subject"] == str(ann.pk)
        assert stamp_of(browser).born == api.mark
        assert browser.visit("/who", legacy).json()["user"] == "ann"

    def test_where_the_mark_is_not_told_a_later_context_brings_it(self, browser, api, legacy, ann):
        api.tell_marks = False
        self.change(browser, legacy)
        before = stamp_of(browser)
        assert before.born < api.mark
        now = int(time.time())
        browser.visit("/who", api.context(sys="legacy", iat=now + 4, exp=now + 30))
        assert stamp_of(browser).born == api.mark

    def test_while_crossfade_is_down_it_happens_when_it_is_back(self, browser, api, legacy, ann):
        from django.core.management import call_command

        browser.visit("/sign_in", legacy, post=ANN)
        api.down = True
        browser.visit("/password", legacy, post={"new": "pw2"})
        assert stamp_of(browser).born < 11
        api.down = False
        call_command("crossfade_flush_outbox", "--now", stdout=io.StringIO())
        assert stamp_of(browser).born == api.mark == 11

    def test_a_rehash_at_login_does_not_log_the_visitor_out_later(self, browser, api, legacy, ann, settings):
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
            *settings.PASSWORD_HASHERS,
        ]
        browser.visit("/sign_in", legacy, post=ANN)
        assert get_user_model()._default_manager.get(pk=ann.pk).password.startswith("pbkdf2")
        assert api.count("End") == 1
        assert stamp_of(browser).born == api.mark
