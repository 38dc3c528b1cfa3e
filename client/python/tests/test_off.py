"""Turned off, or taken out: what Crossfade has ended or moved does not come back."""

from __future__ import annotations

import asyncio
import io
import time

import pytest
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from conftest import Browser
from crossfade.django import engine, ledger, walk
from crossfade.django.flows import retire
from crossfade.django.models import EndMark, LegacyKey, Outbox, Tombstone
from fake import hex_id

ANN = {"name": "ann", "password": "pw"}
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "crossfade.django.middleware.SessionMiddleware"


@pytest.fixture
def signed_in(api, ann):
    """Makes a browser that has logged in on legacy, through the edge."""

    def make():
        browser = Browser()
        browser.visit("/sign_in", api.context(sys="legacy", vid="e" * 32), post=ANN)
        return browser

    return make


@pytest.fixture
def in_rows(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"


@pytest.fixture
def in_cache(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"


@pytest.fixture
def off(settings):
    def turn():
        settings.CROSSFADE = settings.CROSSFADE | {"ENABLED": False}

    return turn


@pytest.fixture
def out(settings, off):
    """Takes the package's middleware out."""

    def take():
        off()
        settings.MIDDLEWARE = [DJANGOS if name == OURS else name for name in settings.MIDDLEWARE]

    return take


def key_of(browser):
    return browser.cookies["sessionid"].value


def who(browser):
    # A handler of its own: the middleware may be another one by now.
    fresh = Client()
    fresh.cookies = browser.cookies
    return fresh.get("/who").json()["user"]


def run(*args):
    stdout = io.StringIO()
    call_command("crossfade_retire", *args, stdout=stdout)
    return stdout.getvalue()


class TestOff:
    @pytest.mark.parametrize("whom", ["subject", "everybody"])
    def test_a_login_that_was_ended_stays_ended(self, each_engine, signed_in, bridge, api, ann, off, whom):
        browser = signed_in()
        ends = {"subject": {"subject": str(ann.pk)}, "everybody": {"everybody": True}}
        bridge.end(before=api.mark + 1, **ends[whom])
        off()
        assert who(browser) is None
        assert engine.read(key_of(browser)) is None

    def test_the_others_stay_logged_in(self, each_engine, signed_in, bridge, api, off):
        browser = signed_in()
        bridge.end(subject="somebody", before=api.mark + 1)
        off()
        assert who(browser) == "ann"

    def test_who_logs_in_afterwards_stays(self, each_engine, signed_in, bridge, api, off, ann):
        browser = signed_in()
        bridge.end(everybody=True, before=api.mark + 1)
        off()
        browser.visit("/sign_in", post=ANN)
        browser.visit("/put", body={"cart": [1]})
        assert browser.visit("/who").json() == {"user": "ann", "cart": [1]}

    def test_a_guest_who_comes_afterwards_keeps_her_cart(self, each_engine, api, bridge, browser, off):
        bridge.end(everybody=True, before=api.mark + 1)
        off()
        browser.visit("/put", body={"cart": [1]})
        assert browser.visit("/who").json()["cart"] == [1]
        browser.visit("/cycle")
        assert browser.visit("/who").json()["cart"] == [1]

    def test_a_copy_of_a_key_that_moved_opens_nothing(self, each_engine, signed_in, bridge, off):
        browser = signed_in()
        bridge.exchange(key_of(browser))
        off()
        assert who(browser) is None

    def test_a_login_from_before_is_over_after_it_is_on_again(
        self, each_engine, signed_in, bridge, api, off, ann, settings
    ):
        on = settings.CROSSFADE
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        off()
        browser = Browser()
        browser.visit("/sign_in", post=ANN)
        settings.CROSSFADE = on
        assert browser.visit("/who").json()["user"] == "ann"  # it is younger than the mark

    def test_it_costs_one_query_and_no_call(self, signed_in, api, off):
        browser = signed_in()
        calls = api.count()
        off()
        who(browser)  # looks at the tables, once
        with CaptureQueriesContext(connection) as queries:
            assert who(browser) == "ann"
        assert sum("crossfade_" in q["sql"] for q in queries) == 1
        assert api.count() == calls

    def test_without_the_tables_the_site_is_on_its_own_sessions(self, signed_in, off):
        browser = signed_in()
        off()
        assert who(browser) == "ann"
        with connection.schema_editor() as editor:
            editor.delete_model(LegacyKey)
        try:
            assert who(browser) == "ann"
            assert not [m for m in run_checks(tags=["crossfade"]) if m.id == "crossfade.W004"]
            with pytest.raises(CommandError, match="dropped"):
                run()
        finally:
            with connection.schema_editor() as editor:
                editor.create_model(LegacyKey)
            from crossfade.django.stores import off as store

            store._has_tables.cache_clear()

    def test_under_asgi_as_well(self, each_engine, signed_in, bridge, api, ann, off):
        lost = signed_in()
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        off()

        async def visit():
            client = AsyncClient()
            client.cookies["sessionid"] = key_of(lost)
            assert (await client.get("/who")).json()["user"] is None
            await client.get("/async_sign_in")
            await client.get("/async_put")
            return (await client.get("/who")).json()["user"]

        assert asyncio.run(visit()) == "ann"


class TestEndedWhileOff:
    """Off does not mean forgotten: on again, what the site has ended meanwhile is not handed back."""

    @pytest.fixture
    def restored(self, bridge, ann):
        """A browser with a session that came back from new, and the call that would bring it again."""
        call = {
            "lineage": hex_id(),
            "kind": "authenticated",
            "subject": str(ann.pk),
            "auth_time": int(time.time()),
            "data": {
                "_auth_user_id": str(ann.pk),
                "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
                "_auth_user_hash": ann.get_session_auth_hash(),
            },
        }
        browser = Browser()
        browser.cookies["sessionid"] = hex_id()
        bridge.restore(key=key_of(browser), **call)
        return browser, call

    def on_again(self, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"ENABLED": True}

    def test_a_logout(self, each_engine, restored, bridge, api, off, settings):
        browser, call = restored
        bridge.restore(key=hex_id(), generation=2, purpose="counterpart", **call)
        off()
        assert who(browser) == "ann"
        browser.visit("/sign_out")
        assert not any(engine.read(row.session_key) for row in LegacyKey.objects.all())
        assert api.count("End") == 0
        self.on_again(settings)
        answer = bridge.restore(key=hex_id(), generation=2, **call)
        assert (answer["ended"], answer["reason"]) == (True, "tombstone")
        call_command("crossfade_flush_outbox", verbosity=0, stdout=io.StringIO())
        assert api.last("End")["session"] == {"lineage": call["lineage"]}

    def test_a_logout_under_asgi(self, each_engine, restored, off):
        browser, call = restored
        off()

        async def visit():
            client = AsyncClient()
            client.cookies["sessionid"] = key_of(browser)
            await client.get("/async_sign_out")

        asyncio.run(visit())
        assert ledger.tombstoned(call["lineage"])

    def test_a_new_key_or_an_expired_one_ends_nothing(self, each_engine, restored, off):
        browser, call = restored
        off()
        browser.visit("/cycle")
        browser.visit("/sign_in", post=ANN)
        assert who(browser) == "ann"
        assert not ledger.tombstoned(call["lineage"])

    def test_a_row_that_is_deleted(self, restored, off):
        browser, call = restored
        off()
        if not hasattr(engine.store_class(), "get_model_class"):
            pytest.skip("this engine has no rows")
        Session.objects.filter(session_key=key_of(browser)).delete()
        assert ledger.tombstoned(call["lineage"])

    @pytest.mark.parametrize("how", ["deactivated", "deleted"])
    def test_an_account_that_is_closed(self, restored, api, ann, off, settings, how):
        subject = str(ann.pk)
        off()
        if how == "deleted":
            ann.delete()
        else:
            ann.is_active = False
            ann.save()
        assert api.count("End") == 0
        self.on_again(settings)
        call_command("crossfade_flush_outbox", verbosity=0, stdout=io.StringIO())
        assert (api.last("End")["subject"], api.last("End")["reason"]) == (subject, how)

    def test_nothing_is_delivered_before(self, restored, api, off, capsys):
        off()
        restored[0].visit("/sign_out")
        call_command("crossfade_flush_outbox", "--now")
        assert "delivered 0, waiting 1 until Crossfade is on" in capsys.readouterr().out
        assert api.count("End") == 0

    def test_a_logout_does_not_keep_the_package_from_being_retired(self, restored, off, monkeypatch):
        off()
        sweep = retire.sweep

        def meanwhile(**given):
            found = sweep(**given)
            restored[0].visit("/sign_out")
            return found

        monkeypatch.setattr(retire, "sweep", meanwhile)
        assert "the tables are empty" in run()


class TestRetire:
    @pytest.fixture
    def site(self, signed_in, bridge, api, ann):
        """Logins by what became of them; only the last may live on."""
        found = {"marked": signed_in()}
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        api.mark += 1
        found |= {name: signed_in() for name in ("moved", "buried", "alive")}
        bridge.exchange(key_of(found["moved"]))
        buried = bridge.exchange(key_of(found["buried"]))
        ledger.tombstone(buried["lineage"], "logout")  # and the rows were not reached
        return found

    def test_only_who_may_live_is_alive_without_the_package(self, each_engine, site, out, off):
        off()
        if each_engine == "cache":
            with pytest.raises(CommandError, match="cannot be listed"):
                run()
            assert EndMark.objects.exists()
            del site["marked"]  # nobody can find it: so the package stays in until it has expired
        else:
            run()
            assert not retire.remembers()
        out()
        assert {name for name, browser in site.items() if who(browser)} == {"alive"}

    def test_a_counterpart_is_deleted(self, each_engine, signed_in, bridge, off):
        answer = bridge.exchange(key_of(signed_in()))
        off()
        assert engine.read(answer["counterpart"])
        run()
        assert engine.read(answer["counterpart"]) is None

    def test_a_counterpart_that_a_browser_came_with_is_her_session(
        self, each_engine, signed_in, bridge, out, off
    ):
        browser = signed_in()
        browser.cookies["sessionid"] = bridge.exchange(key_of(browser))["counterpart"]
        off()
        assert who(browser) == "ann"
        run()
        out()
        assert who(browser) == "ann"

    def test_a_dry_run_counts_and_changes_nothing(self, each_engine, site, out):
        said = run("--dry-run")
        assert said.startswith("to delete ")
        assert retire.remembers()
        out()
        assert {name for name, browser in site.items() if who(browser)} == set(site)

    def test_what_it_says(self, in_rows, site, off, settings, db):
        off()
        total = sum(len(batch) for batch in walk.sessions())
        said = run()
        assert said.endswith("the tables are empty; drop them with: manage.py migrate crossfade zero\n")
        assert f" of {total} sessions: ended " in said
        assert ", moved 1, counterparts 1\n" in said

    def test_more_than_one_batch(self, each_engine, signed_in, bridge, api, ann, off, monkeypatch):
        monkeypatch.setattr(walk, "BATCH", 2)
        moved = [signed_in() for _ in range(5)]
        for browser in moved:
            bridge.exchange(key_of(browser))
        off()
        run()
        assert not any(engine.read(key_of(browser)) for browser in moved)

    def test_it_refuses_while_crossfade_is_on(self, site):
        with pytest.raises(CommandError, match="ENABLED"):
            run()
        assert retire.remembers()

    def test_it_forgets_nothing_if_a_process_is_still_on(self, in_rows, site, off, settings, monkeypatch):
        off()
        sweep = retire.sweep

        def meanwhile(**given):
            found = sweep(**given)
            ledger.tombstone(hex_id(), "logout")
            return found

        monkeypatch.setattr(retire, "sweep", meanwhile)
        with pytest.raises(CommandError, match="still on"):
            run()
        assert Tombstone.objects.exists()
        assert EndMark.objects.exists()

    def test_a_cache_is_retired_when_what_was_marked_has_expired(self, in_cache, site, off, settings):
        off()
        with pytest.raises(CommandError, match="--forget"):
            run()
        past = (time.time() - settings.SESSION_COOKIE_AGE - 1) * 1_000_000
        EndMark.objects.update(at=int(past), until=0)
        assert "the tables are empty" in run()

    def test_or_when_its_owner_says_that_all_logins_have_ended(self, in_cache, site, off, settings):
        off()
        assert "the tables are empty" in run("--forget")
        assert not Outbox.objects.exists()


class TestRemoval:
    def test_the_tables_are_not_dropped_before_it(self, in_rows, signed_in, bridge, api, ann, off, settings):
        signed_in()
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        off()
        with pytest.raises(CommandError, match="crossfade_retire"):
            call_command("migrate", "crossfade", "zero", verbosity=0, skip_checks=True)
        assert EndMark.objects.exists()
        run()
        try:
            call_command("migrate", "crossfade", "zero", verbosity=0, skip_checks=True)
            assert "crossfade_endmark" not in connection.introspection.table_names()
        finally:
            call_command("migrate", verbosity=0, skip_checks=True)

    def test_a_check_reminds_whoever_has_turned_it_off(
        self, in_rows, signed_in, bridge, api, ann, off, settings
    ):
        def warned():
            return [m.hint for m in run_checks(tags=["crossfade"]) if m.id == "crossfade.W004"]

        signed_in()
        bridge.end(subject=str(ann.pk), before=api.mark + 1)
        assert not warned()
        off()
        assert "crossfade_retire" in warned()[0]
        run()
        assert not warned()
