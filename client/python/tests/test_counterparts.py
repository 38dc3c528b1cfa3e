"""Counterparts follow the new session: a refresh is late, early, overtaken or out of place, and never undoes
what a visitor did."""

from __future__ import annotations

import datetime
import time

import pytest
from django.core.management import call_command

from crossfade.django import conf, engine, ledger
from crossfade.django.flows import counterpart
from crossfade.django.models import LegacyKey, Tombstone
from fake import hex_id

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def kept(bridge, ann, each_engine):
    """A counterpart of ann's new session, at version 3 of generation 1, and the way to refresh it."""
    return Kept(bridge, ann)


class Kept:
    def __init__(self, bridge, ann):
        self.bridge, self.lineage, self.key = bridge, hex_id(), hex_id()
        self.call = {
            "purpose": "counterpart",
            "lineage": self.lineage,
            "kind": "authenticated",
            "subject": str(ann.pk),
            "auth_time": int(time.time()),
        }
        self.login = {
            "_auth_user_id": str(ann.pk),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            "_auth_user_hash": ann.get_session_auth_hash(),
        }
        assert self.refresh(3, cart=[3]) == {"restored": True}

    def refresh(self, version, generation=1, key=None, **data):
        more = {"version": version, "generation": generation, "key": key or self.key}
        return self.bridge.restore(**self.call, **more, data=self.login | data)

    def cart(self):
        row = engine.read(self.key)
        return row and row.data.get("cart")


def left(reason):
    return {"restored": False, "ended": False, "reason": reason}


class TestOrder:
    def test_a_newer_version_replaces_the_data(self, kept):
        assert kept.refresh(4, cart=[4]) == {"restored": True}
        assert kept.cart() == [4]

    def test_an_older_refresh_that_arrives_late_changes_nothing(self, kept):
        kept.refresh(5, cart=[5])
        assert kept.refresh(4, cart=[4]) == left("newer")
        assert kept.cart() == [5]

    def test_the_same_version_may_be_written_again_to_live_longer(self, kept):
        assert kept.refresh(3, cart=[3]) == {"restored": True}

    def test_versions_begin_anew_with_each_generation(self, kept):
        kept.refresh(9, cart=[9])
        assert kept.refresh(1, generation=2, cart=[1]) == {"restored": True}
        assert kept.refresh(10, cart=[10]) == left("newer")
        assert kept.cart() == [1]

    def test_what_cannot_cross_stays_in_it(self, bridge, browser, ann, api, settings):
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        browser.visit("/sign_in", api.context(sys="legacy", vid="e" * 32), post=ANN)
        key, when = browser.cookies["sessionid"].value, datetime.datetime(2024, 1, 2)
        row = engine.read(key)
        engine.write(key, row.data | {"when": when}, row.expires)
        answer = bridge.exchange(key)
        for version in (2, 3):
            assert bridge.restore(
                purpose="counterpart",
                key=answer["counterpart"],
                lineage=answer["lineage"],
                generation=1,
                version=version,
                kind="authenticated",
                subject=str(ann.pk),
                auth_time=answer["auth_time"],
                data=answer["data"] | {"cart": [version]},
            ) == {"restored": True}
            data = engine.read(answer["counterpart"]).data
            assert (data["when"], data["cart"]) == (when, [version])


class TestServed:
    """After the visitor went back to legacy with it, the key is her real session."""

    @pytest.fixture
    def back(self, kept, browser, api):
        browser.cookies["sessionid"] = kept.key
        return lambda path="/cart", **more: browser.visit(path, api.context(sys="legacy"), **more)

    def test_what_she_did_there_is_not_written_over(self, kept, back):
        back("/put", body={"cart": ["hers"]})
        assert kept.refresh(9, cart=["late"]) == left("served")
        assert kept.cart() == ["hers"]

    def test_a_look_at_a_page_is_enough(self, kept, back):
        assert back("/who").json() == {"user": "ann", "cart": [3]}
        assert kept.refresh(9, cart=["late"]) == left("served")

    def test_without_an_edge_as_well(self, kept, browser):
        browser.cookies["sessionid"] = kept.key
        browser.visit("/put", body={"cart": ["hers"]})
        assert kept.refresh(9, cart=["late"]) == left("served")
        assert kept.cart() == ["hers"]

    def test_a_refresh_between_a_read_and_its_mark_is_seen_by_the_page(self, kept, back, monkeypatch):
        def late(key, served=ledger.served):
            monkeypatch.setattr(ledger, "served", served)
            assert kept.refresh(4, cart=[4], menu="m") == {"restored": True}
            return served(key)

        monkeypatch.setattr(ledger, "served", late)
        assert back("/who").json() == {"user": "ann", "cart": [4]}
        back("/put", body={"cart": ["hers"]})
        data = engine.read(kept.key).data
        assert (data["cart"], data["menu"]) == (["hers"], "m")

    def test_a_refresh_between_a_save_and_its_mark_loses_to_the_save(self, kept, back, monkeypatch):
        asked = []

        def late(key, served=ledger.served):
            asked.append(key)
            if len(asked) == 1:
                from django.db import DatabaseError

                raise DatabaseError("database is locked")  # the page went on without the mark
            assert kept.refresh(4, cart=["late"])["restored"] == (len(asked) == 2)
            return served(key)

        monkeypatch.setattr(ledger, "served", late)
        back("/put", body={"cart": ["hers"]})
        monkeypatch.undo()
        assert len(asked) == 2
        assert kept.cart() == ["hers"]
        assert kept.refresh(9, cart=["late"]) == left("served")

    def test_lent_for_a_request_it_is_still_a_counterpart(self, kept, browser, api):
        browser.cookies["sessionid"] = kept.key
        assert browser.visit("/who", api.context(sys="legacy", lent=True)).json()["user"] == "ann"
        assert kept.refresh(4, cart=[4]) == {"restored": True}

    def test_taken_over_by_the_new_system_it_stays_closed(self, kept, browser, api):
        kept.bridge.exchange(kept.key)
        assert kept.refresh(9, cart=["late"]) == left("served")
        browser.cookies["sessionid"] = kept.key
        assert browser.visit("/who", api.context(sys="legacy")).json()["user"] is None

    def test_an_exchange_asked_again_does_not_write_over_it(self, bridge, browser, ann, api):
        browser.visit("/sign_in", api.context(sys="legacy", vid="e" * 32), post=ANN)
        key = browser.cookies["sessionid"].value
        first = bridge.exchange(key, counterpart="c" * 32)
        browser.cookies["sessionid"] = "c" * 32
        browser.visit("/put", api.context(sys="legacy"), body={"cart": ["hers"]})
        assert bridge.exchange(key, counterpart="c" * 32)["counterpart"] is None
        assert first["counterpart"] == "c" * 32
        assert engine.read("c" * 32).data["cart"] == ["hers"]

    def test_a_session_that_crossfade_was_not_told_of_is_nobodys_counterpart(self, kept, bridge):
        other = hex_id()
        engine.write(other, {"cart": ["hers"]}, int(time.time()) + 600)
        assert kept.refresh(9, key=other, cart=["late"]) == left("unknown")
        assert engine.read(other).data == {"cart": ["hers"]}
        assert not ledger.known(other)


class TestEnded:
    def test_an_end_that_came_first_wins(self, kept):
        kept.bridge.end(lineage=kept.lineage)
        assert kept.refresh(4, cart=[4])["ended"]
        assert engine.read(kept.key) is None

    def test_an_end_while_it_is_written_wins(self, kept, monkeypatch):
        def write(key, data, expires, write=engine.write):
            write(key, data, expires)
            ledger.tombstone(kept.lineage, "logout")

        monkeypatch.setattr(engine, "write", write)
        assert kept.refresh(4, cart=[4])["ended"]
        assert engine.read(kept.key) is None

    def test_an_end_that_comes_after_deletes_what_was_written(self, kept):
        kept.refresh(4, cart=[4])
        kept.bridge.end(lineage=kept.lineage)
        assert engine.read(kept.key) is None

    def test_ended_with_all_of_the_subjects_it_is_refused(self, kept, ann):
        kept.bridge.end(subject=str(ann.pk), before=50)
        assert kept.refresh(4, cart=[4])["ended"]

    def test_a_new_password_ends_nothing_behind_the_back_of_who_changed_it(self, kept, ann):
        # Her new session learns of the password when the request that changed it ends.
        ann.set_password("another")
        ann.save()
        assert kept.refresh(4, cart=[4]) == left("auth_hash")
        assert not Tombstone.objects.exists()
        kept.login["_auth_user_hash"] = ann.get_session_auth_hash()
        assert kept.refresh(5, cart=[5]) == {"restored": True}


class TestReplaced:
    def test_a_late_refresh_of_the_one_before_neither_returns_nor_removes_the_new_one(self, kept):
        old, kept.key = kept.key, hex_id()
        assert kept.refresh(6, cart=[6]) == {"restored": True}
        assert engine.read(old) is None
        assert kept.refresh(5, key=old, cart=[5]) == left("newer")
        assert engine.read(old) is None
        assert kept.cart() == [6]

    def test_a_refresh_while_a_login_makes_its_counterpart_does_not_remove_that(self, kept):
        fresh = hex_id()  # the client package makes it before Crossfade hears of the login
        engine.write(fresh, kept.login, int(time.time()) + 600)
        ledger.open_key(
            fresh, kept.lineage, "counterpart", subject="1", born=5, generation=1, operation="", expires=1
        )
        assert kept.refresh(4, cart=[4]) == {"restored": True}
        assert engine.read(fresh)
        counterpart.retire_others(kept.lineage, fresh)
        assert kept.cart() is None

    def test_one_that_a_browser_was_seen_with_is_not_removed(self, kept):
        ledger.served(kept.key)
        old, kept.key = kept.key, hex_id()
        assert kept.refresh(6, cart=[6]) == {"restored": True}
        assert engine.read(old)

    def test_after_a_round_trip_it_has_the_data_of_now(self, kept, browser, api):
        active = hex_id()
        kept.bridge.restore(
            **kept.call | {"purpose": "active"}, key=active, generation=1, data=kept.login | {"cart": [3]}
        )
        browser.cookies["sessionid"] = active
        browser.visit("/put", api.context(sys="legacy"), body={"cart": ["hers"]})
        assert kept.bridge.exchange(active)["counterpart"] == kept.key
        assert kept.cart() == ["hers"]
        assert kept.refresh(99, cart=["late"]) == left("newer")
        assert kept.refresh(1, generation=2, cart=["next"]) == {"restored": True}
        assert LegacyKey.objects.filter(lineage=kept.lineage, purpose="counterpart").count() == 1


class TestLent:
    """The new system's store is down, and the counterpart serves single requests. The browser keeps its
    token."""

    @pytest.fixture
    def lent(self, api, browser, ann):
        browser.visit("/sign_in", api.context(api.make({"cart": [1]})), post=ANN)
        record = next(iter(api.sessions.values()))
        browser.visit("/plain", api.context())  # the keys are fetched
        api.down = True

        def visit(path, **more):
            browser.cookies["sessionid"] = record["counterpart"]  # as the edge puts it into each request
            return browser.visit(path, api.context(sys="legacy", lent=True), **more)

        visit.record = record
        return visit

    def test_what_is_written_reaches_the_session_when_the_store_is_back(self, api, lent):
        lent("/put", body={"cart": [1, 2]})
        assert lent("/who").json() == {"user": "ann", "cart": [1, 2]}
        api.down = False
        conf.runtime().transport._breaker.leave(True)
        call_command("crossfade_flush_outbox", "--now", verbosity=0)
        assert api.data(lent.record["id"])["cart"] == [1, 2]

    def test_a_new_key_is_not_made_for_it_since_the_ticket_has_this_one(self, lent):
        lent("/cycle")
        assert lent("/who").json() == {"user": "ann", "cart": [1]}

    def test_a_logout_ends_both(self, api, lent):
        lent("/sign_out")
        assert lent("/who").json()["user"] is None
        assert ledger.tombstoned(lent.record["lineage"])
