"""The bridge's endpoints: refusal from outside, exchange, restore, end."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from conftest import BRIDGE_KEY, BRIDGE_SECRET
from crossfade.django import conf, engine, ledger
from crossfade.django.models import LegacyKey, Nonce, Tombstone
from crossfade.django.stamps import Stamp
from fake import hex_id, signed

PATH = "/_crossfade/bridge/v1/"
ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def signed_in(browser, ann, api):
    """A browser that logged in on legacy, and its key."""
    browser.visit("/put", body={"cart": [1]})
    browser.visit("/sign_in", api.context(sys="legacy", vid="e" * 32), post=ANN)
    return browser, browser.cookies["sessionid"].value


@pytest.fixture
def login_data(ann):
    return {
        "_auth_user_id": str(ann.pk),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": ann.get_session_auth_hash(),
    }


class TestRefusal:
    """For outsiders the endpoints do not exist."""

    def assert_absent(self, response):
        assert (response.status_code, response.content) == (404, b"")

    @pytest.mark.parametrize("verb", ["inspect", "exchange", "restore", "end", "other"])
    def test_without_a_signature(self, bridge, verb):
        self.assert_absent(bridge.post(verb, b"{}", {}))

    def test_by_get(self, bridge):
        self.assert_absent(Client().get(PATH + "inspect"))

    @pytest.mark.parametrize(
        "change",
        [
            {"Crossfade-Bridge-Signature": "0" * 64},
            {"Crossfade-Bridge-Key": "8"},
            {"Crossfade-Bridge-Nonce": "xyz"},
            {"Crossfade-Bridge-Time": "yesterday"},
            {"Crossfade-Bridge-Nonce": "0" * 32},
        ],
    )
    def test_with_any_header_altered(self, bridge, change):
        headers = signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", b"{}") | change
        self.assert_absent(bridge.post("inspect", b"{}", headers))
        assert not Nonce.objects.exists()

    def test_a_signature_for_another_verb(self, bridge):
        self.assert_absent(
            bridge.post("end", b"{}", signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", b"{}"))
        )

    def test_a_stale_time(self, bridge):
        headers = signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", b"{}", when=int(time.time()) - 61)
        response = bridge.post("inspect", b"{}", headers)
        assert (response.status_code, response.json()["error"]) == (409, "stale")
        assert response.json()["hint"]

    def test_a_replay_even_to_another_worker(self, bridge):
        headers = signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", b'{"key":"x"}')
        assert bridge.post("inspect", b'{"key":"x"}', headers).status_code == 200
        again = bridge.post("inspect", b'{"key":"x"}', headers)
        assert (again.status_code, again.json()["error"]) == (409, "replayed")

    def test_a_body_over_a_mebibyte(self, bridge):
        body = json.dumps({"key": "x" * (1 << 20)}).encode()
        self.assert_absent(
            bridge.post("inspect", body, signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", body))
        )

    def test_a_body_of_just_under_a_mebibyte_is_taken(self, bridge, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000  # the site's own limit is for its own forms
        lineage = hex_id()
        bridge.restore(lineage=lineage, key="k" * 32, data={"big": "x" * 900_000})
        assert len(engine.read("k" * 32).data["big"]) == 900_000

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"key": 5}', b'{"key": NaN}', b"[" * 100_000]
    )
    def test_malformed_bodies_say_what_is_wrong(self, bridge, body):
        response = bridge.post("inspect", body, signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "inspect", body))
        assert response.status_code == 400
        assert response.json()["error"]

    @pytest.mark.parametrize(
        "change",
        [
            {"lineage": "x"},
            {"lineage": None},
            {"key": "../x"},
            {"key": "short"},
            {"purpose": "fun"},
            {"kind": "admin"},
            {"expires": None},
            {"expires": 1.5},
            {"expires": 1 << 60},
            {"expires": 1 << 39},  # after the last of all dates
            {"data": []},
            {"born": -1},
            {"operation": None},
            {"generation": True},
            {"visitor": 5},
        ],
    )
    def test_a_field_of_the_wrong_shape_is_named(self, bridge, change):
        message = {
            "operation": hex_id(),
            "purpose": "active",
            "key": hex_id(),
            "lineage": hex_id(),
            "generation": 1,
            "kind": "guest",
            "expires": int(time.time()) + 60,
            "data": {},
        } | change
        body = json.dumps(message).encode()
        response = bridge.post("restore", body, signed(BRIDGE_SECRET, BRIDGE_KEY, PATH + "restore", body))
        assert response.status_code == 400
        assert next(iter(change)) in response.json()["error"]

    def test_the_bridge_answers_where_the_edge_is_required(self, bridge, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"EDGE": "required"}
        assert bridge.call("inspect", key="x") == {"found": False}


class TestInspect:
    def test_nothing_known(self, bridge, each_engine):
        for key in ("a" * 32, "../etc", "", "é"):
            assert bridge.call("inspect", key=key) == {"found": False}

    def test_a_guest(self, bridge, browser, api, each_engine):
        browser.visit("/put", api.context(sys="legacy", vid="e" * 32), body={"cart": [1]})
        answer = bridge.call("inspect", key=browser.cookies["sessionid"].value)
        assert abs(answer.pop("expires") - time.time() - 1209600) < 5
        assert answer == {
            "found": True,
            "moved": False,
            "ended": False,
            "kind": "guest",
            "subject": None,
            "lineage": None,
            "visitor": "e" * 32,
            "auth_time": None,
            "born": 10,
            "transient": False,
        }

    def test_a_login(self, bridge, signed_in, ann):
        answer = bridge.call("inspect", key=signed_in[1])
        assert (answer["kind"], answer["subject"]) == ("authenticated", str(ann.pk))
        assert abs(answer["auth_time"] - time.time()) < 5
        assert isinstance(answer["auth_time"], int)

    def test_an_unstamped_login_is_of_unknown_age(self, bridge, login_data, each_engine):
        engine.write("k" * 32, login_data, int(time.time()) + 60)
        answer = bridge.call("inspect", key="k" * 32)
        assert (answer["auth_time"], answer["born"], answer["visitor"]) == (None, None, None)

    def test_an_expired_session_is_not_found(self, bridge, each_engine, monkeypatch):
        engine.write("k" * 32, {"a": 1}, int(time.time()) + 60)
        later = time.time() + 120
        conf.runtime().bridge._clock = lambda: later
        monkeypatch.setattr(time, "time", lambda: later)
        assert bridge.call("inspect", key="k" * 32) == {"found": False}

    def test_it_changes_nothing(self, bridge, signed_in):
        bridge.call("inspect", key=signed_in[1])
        assert not LegacyKey.objects.exists()
        assert signed_in[0].visit("/who").json()["user"] == "ann"


class TestExchange:
    def test_data_crosses_with_its_types_and_the_login_with_its_hash(
        self, bridge, each_engine, signed_in, ann
    ):
        browser, key = signed_in
        browser.visit(
            "/put", body={"n": 1.0, "i": 1, "b": True, "none": None, "name": "Zoë 🛒", "deep": {"a": [{}]}}
        )
        answer = bridge.exchange(key, lineage="1" * 32)
        assert (answer["lineage"], answer["found"], answer["ended"], answer["generation"]) == (
            "1" * 32,
            True,
            False,
            0,
        )
        data = answer["data"]
        assert data["name"] == "Zoë 🛒"
        assert [type(data[k]) for k in ("n", "i", "b")] == [float, int, bool]
        assert data["_auth_user_hash"] == ann.get_session_auth_hash()
        assert "_crossfade" not in data
        assert answer["left_behind"] == []
        assert answer["idle"] == 1209600

    def test_the_counterpart_is_made_and_is_a_live_legacy_session(self, bridge, each_engine, signed_in, api):
        browser, key = signed_in
        answer = bridge.exchange(key, counterpart="c" * 32)
        assert answer["counterpart"] == "c" * 32
        browser.cookies["sessionid"] = "c" * 32
        assert browser.visit("/who", api.context(sys="legacy")).json() == {"user": "ann", "cart": [1]}

    def test_asked_twice_the_lineage_data_and_counterpart_are_the_same(self, bridge, each_engine, signed_in):
        first = bridge.exchange(signed_in[1])
        again = bridge.exchange(signed_in[1])
        assert again["moved"]
        assert not first["moved"]
        assert abs(again.pop("expires") - first.pop("expires")) <= 1  # a cache counts from now
        assert {**again, "moved": False} == first

    def test_a_guest_needs_no_counterpart(self, bridge, browser):
        browser.visit("/put", body={"cart": [1]})
        assert bridge.exchange(browser.cookies["sessionid"].value)["counterpart"] is None

    def test_nobody_gets_a_session_who_had_none(self, bridge, each_engine):
        assert bridge.exchange("a" * 32) == {"found": False}
        assert not LegacyKey.objects.exists()

    def test_objects_are_left_behind_by_name_and_come_back_with_the_session(self, bridge, browser, settings):
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        when = datetime.datetime(2024, 1, 2)
        engine.write("k" * 32, {"cart": [1], "when": when, "pair": (1, 2), 5: "five"}, int(time.time()) + 600)
        answer = bridge.exchange("k" * 32)
        assert answer["data"] == {"cart": [1]}
        assert answer["left_behind"] == [
            {"key": "when", "reason": "not_json", "type": "datetime.datetime"},
            {"key": "pair", "reason": "not_json", "type": "tuple"},
            {"key": "5", "reason": "not_json", "type": "int"},
        ]
        bridge.restore(lineage=answer["lineage"], key="r" * 32, data={"cart": [1, 2]})
        data = engine.read("r" * 32).data
        assert (data["when"], data["pair"], data[5], data["cart"]) == (when, (1, 2), "five", [1, 2])

    def test_what_is_too_large_is_left_behind_by_name(self, bridge, browser):
        browser.visit("/put", body={"big": "x" * 70_000, "cart": [1]})
        answer = bridge.exchange(browser.cookies["sessionid"].value)
        assert answer["data"] == {"cart": [1]}
        assert answer["left_behind"] == [{"key": "big", "reason": "too_large", "type": "str"}]

    @pytest.mark.parametrize("change", ["password", "inactive", "deleted", "backend"])
    def test_a_login_that_django_would_not_accept_has_ended(self, bridge, signed_in, ann, settings, change):
        users = get_user_model()._default_manager.filter(pk=ann.pk)
        if change == "password":
            users.update(password="md5$other$hash")
        elif change == "inactive":
            users.update(is_active=False)
        elif change == "deleted":
            users._raw_delete(users.db)
        else:
            settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
        answer = bridge.exchange(signed_in[1])
        assert answer["found"]
        assert answer["ended"]
        assert "data" not in answer
        assert not LegacyKey.objects.exists()

    def test_a_hash_made_with_a_fallback_secret_is_accepted_and_kept(self, bridge, signed_in, ann, settings):
        before = engine.read(signed_in[1]).data["_auth_user_hash"]
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "the next key"
        # The database engine signs with the secret too, and verifies with the fallbacks.
        assert bridge.exchange(signed_in[1])["data"]["_auth_user_hash"] == before

    def test_a_lineage_that_ended_is_answered_as_ended(self, bridge, each_engine):
        lineage, key = hex_id(), hex_id()
        bridge.restore(lineage=lineage, key=key, data={"a": 1})
        data = engine.read(key).data
        bridge.end(lineage=lineage)
        engine.write(key, data, int(time.time()) + 60)
        assert bridge.exchange(key)["ended"]

    def test_the_csrf_token_crosses_there_and_back_unchanged(self, bridge, browser, settings, api):
        settings.CSRF_USE_SESSIONS = True
        token = browser.visit("/form", api.context(sys="legacy")).content.decode()
        answer = bridge.exchange(browser.cookies["sessionid"].value)
        back = hex_id()
        bridge.restore(lineage=answer["lineage"], key=back, data=answer["data"])
        browser.cookies["sessionid"] = back
        browser.handler.enforce_csrf_checks = True
        response = browser.visit("/submit", api.context(sys="legacy"), post={"csrfmiddlewaretoken": token})
        assert response.content == b"accepted"


class TestRestore:
    @pytest.mark.parametrize("purpose", ["active", "counterpart", "tools"])
    def test_a_login_is_written_under_the_key_that_was_chosen(
        self, bridge, browser, api, ann, login_data, each_engine, purpose
    ):
        key, lineage, now = hex_id(), hex_id(), int(time.time())
        assert bridge.restore(
            purpose=purpose,
            key=key,
            lineage=lineage,
            generation=3,
            kind="authenticated",
            subject=str(ann.pk),
            auth_time=now - 50,
            born=8,
            expires=now + 1000,
            data=login_data | {"cart": [2]},
        ) == {"restored": True}
        browser.cookies["sessionid"] = key
        assert browser.visit("/who", api.context(sys="legacy")).json() == {"user": "ann", "cart": [2]}
        stamp = Stamp.of(engine.read(key).data)
        assert (stamp.lineage, stamp.generation, stamp.born, stamp.login) == (lineage, 3, 8, now - 50)
        answer = bridge.call("inspect", key=key)
        assert (answer["lineage"], answer["auth_time"], answer["born"]) == (lineage, now - 50, 8)
        assert bridge.exchange(key)["generation"] == 3

    def test_the_expiry_is_honoured(self, bridge, each_engine):
        key, when = hex_id(), int(time.time()) + 1000
        bridge.restore(key=key, expires=when, data={"a": 1})
        row = engine.read(key)
        if each_engine != "cache":  # a cache does not tell
            assert abs(row.expires - when) <= 2
        assert "_session_expiry" not in row.data

    @pytest.mark.parametrize("own", [0, 600, 3_000_000])
    def test_the_expiry_is_honoured_beside_a_lifetime_of_the_sessions_own(self, bridge, each_engine, own):
        key, when = hex_id(), int(time.time()) + 500
        bridge.restore(key=key, expires=when, data={"a": 1, "_session_expiry": own})
        answer = bridge.call("inspect", key=key)
        assert answer["found"]
        if each_engine != "cache":
            assert abs(answer["expires"] - when) <= 2

    def test_a_key_that_was_handed_over_opens_again(self, bridge, browser, api, each_engine):
        browser.visit("/put", body={"cart": [1]})
        key = browser.cookies["sessionid"].value
        answer = bridge.exchange(key)
        bridge.restore(key=key, lineage=answer["lineage"], generation=1, data={"cart": [1, 2]})
        assert browser.visit("/who").json()["cart"] == [1, 2]

    def test_repeated_it_does_not_undo_what_the_visitor_did_since(self, bridge, browser, api, each_engine):
        call = {"operation": hex_id(), "key": hex_id(), "lineage": hex_id(), "data": {"cart": [1]}}
        bridge.restore(**call)
        browser.cookies["sessionid"] = call["key"]
        browser.visit("/put", api.context(sys="legacy"), body={"cart": [1, 2]})
        assert bridge.restore(**call) == {"restored": True}
        assert browser.visit("/who", api.context(sys="legacy")).json()["cart"] == [1, 2]

    def test_repeated_late_it_does_not_reopen_a_key_that_has_moved_on(
        self, bridge, browser, api, each_engine
    ):
        call = {"operation": hex_id(), "key": hex_id(), "lineage": hex_id(), "data": {"cart": [1]}}
        bridge.restore(**call)
        bridge.exchange(call["key"])
        assert bridge.restore(**call) == {"restored": True}
        assert bridge.call("inspect", key=call["key"])["moved"]

    def test_a_row_that_was_lost_is_written_again(self, bridge, each_engine):
        call = {"operation": hex_id(), "key": hex_id(), "lineage": hex_id(), "data": {"cart": [1]}}
        bridge.restore(**call)
        engine.delete(call["key"])
        bridge.restore(**call)
        assert engine.read(call["key"]).data["cart"] == [1]

    def test_a_changed_password_ends_the_lineage(self, bridge, ann, login_data):
        lineage = hex_id()
        ann.set_password("new")
        get_user_model()._default_manager.filter(pk=ann.pk).update(password=ann.password)
        call = {
            "lineage": lineage,
            "kind": "authenticated",
            "subject": str(ann.pk),
            "data": login_data,
            "auth_time": int(time.time()),
        }
        assert bridge.restore(**call) == {"restored": False, "ended": True, "reason": "auth_hash"}
        assert Tombstone.objects.get().lineage == lineage
        assert bridge.restore(**call)["reason"] == "tombstone"

    @pytest.mark.parametrize(
        ("data", "subject", "reason"),
        [
            ({}, None, "subject"),
            ({"_auth_user_id": "999"}, None, "subject"),
            ({"_auth_user_hash": ""}, None, "auth_hash"),
            ({"_auth_user_hash": None}, None, "auth_hash"),
            ({"_auth_user_backend": "x.Y"}, None, "backend"),
            ({"_auth_user_id": "999"}, "999", "inactive"),
            ({"_auth_user_id": "x"}, "x", "inactive"),
        ],
    )
    def test_no_login_is_made_up(self, bridge, ann, login_data, data, subject, reason):
        key = hex_id()
        given = login_data | data if data else {}
        answer = bridge.restore(
            key=key,
            kind="authenticated",
            subject=subject or str(ann.pk),
            data=given,
            auth_time=int(time.time()),
        )
        assert answer == {"restored": False, "ended": True, "reason": reason}
        assert engine.read(key) is None

    def test_a_guest_cannot_bring_a_login_along(self, bridge, login_data):
        assert bridge.restore(kind="guest", data=login_data)["reason"] == "subject"

    def test_a_login_before_a_mark_is_refused(self, bridge, ann, login_data):
        bridge.end(subject=str(ann.pk), before=9)
        call = {
            "kind": "authenticated",
            "subject": str(ann.pk),
            "data": login_data,
            "auth_time": int(time.time()),
        }
        assert bridge.restore(born=8, **call)["reason"] == "mark"
        assert bridge.restore(born=9, **call) == {"restored": True}

    def test_an_end_that_comes_while_it_is_written_wins(self, bridge, monkeypatch):
        lineage, key = hex_id(), hex_id()
        write = engine.write

        def ended_meanwhile(*given):
            write(*given)
            ledger.tombstone(lineage, "logout")

        monkeypatch.setattr(engine, "write", ended_meanwhile)
        assert bridge.restore(lineage=lineage, key=key, data={"a": 1})["ended"]
        assert engine.read(key) is None

    def test_a_new_counterpart_replaces_the_old_one(self, bridge, ann, login_data):
        lineage, old, fresh = hex_id(), hex_id(), hex_id()
        call = {
            "purpose": "counterpart",
            "lineage": lineage,
            "kind": "authenticated",
            "subject": str(ann.pk),
            "data": login_data,
            "auth_time": int(time.time()),
        }
        bridge.restore(key=old, **call)
        bridge.restore(key=fresh, **call)
        assert engine.read(old) is None
        assert engine.read(fresh)


class TestEnd:
    def test_a_lineage_with_all_its_rows(self, bridge, each_engine, signed_in):
        key = signed_in[1]
        answer = bridge.exchange(key)
        assert bridge.end(lineage=answer["lineage"]) == {"ended": 2, "unsupported": None}
        assert engine.read(key) is None
        assert engine.read(answer["counterpart"]) is None
        assert bridge.end(lineage=answer["lineage"]) == {"ended": 0, "unsupported": None}
        assert bridge.exchange(key) == {"found": False}

    def test_a_subject_but_for_one_lineage(self, bridge, ann, login_data):
        keep, drop = (hex_id(), hex_id()), (hex_id(), hex_id())
        for lineage, key in (keep, drop):
            bridge.restore(
                lineage=lineage,
                key=key,
                kind="authenticated",
                subject=str(ann.pk),
                data=login_data,
                auth_time=int(time.time()),
            )
        assert bridge.end(subject=str(ann.pk), before=50, **{"except": keep[0]})["ended"] == 1
        assert engine.read(keep[1])
        assert engine.read(drop[1]) is None

    def test_a_subject_of_whom_nothing_is_known_yet(self, bridge, signed_in, ann, api):
        assert bridge.end(subject=str(ann.pk), before=99) == {"ended": 0, "unsupported": None}
        assert bridge.call("inspect", key=signed_in[1])["ended"]
        assert signed_in[0].visit("/who", api.context(sys="legacy")).json()["user"] is None

    def test_without_a_mark_everything_until_now(self, bridge, signed_in, browser, ann, api):
        bridge.end(subject=str(ann.pk))
        assert signed_in[0].visit("/who", api.context(sys="legacy")).json()["user"] is None
        browser.visit("/sign_in", api.context(sys="legacy"), post=ANN)
        assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"

    def test_what_it_cannot_evaluate_it_says(self, bridge):
        answer = bridge.end(predicate={"ip": "10.0.0.0/8"})
        assert answer["ended"] == 0
        assert "lineage" in answer["unsupported"]
