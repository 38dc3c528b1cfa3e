"""What happens to an account, or to rows of the session table, holds in the new system."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from crossfade.django import engine, ledger
from crossfade.django.models import Outbox
from fake import hex_id

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def everywhere(api, browser, ann):
    """Ann, logged in in both systems."""
    browser.visit("/sign_in", api.context(sys="legacy"), post=ANN)
    return api.make(subject=str(ann.pk))


def test_deactivation_ends_the_subject_and_reactivation_brings_nothing_back(api, browser, everywhere, ann):
    ann.is_active = False
    ann.save()
    assert api.last("End") == {"subject": str(ann.pk), "reason": "deactivated", "legacyDone": True}
    ann.is_active = True
    ann.save()
    assert browser.visit("/who", api.context(sys="legacy")).json()["user"] is None
    browser.visit("/sign_in", api.context(sys="legacy"), post=ANN)
    assert browser.visit("/who", api.context(sys="legacy")).json()["user"] == "ann"


def test_deletion_ends_the_subject(api, browser, everywhere, ann):
    pk = str(ann.pk)
    ann.delete()
    assert api.last("End") == {"subject": pk, "reason": "deleted", "legacyDone": True}


def test_a_password_set_by_somebody_else_ends_all_sessions(api, everywhere, ann):
    ann.set_password("set by an administrator")
    ann.save(update_fields=["password"])
    assert api.last("End") == {"subject": str(ann.pk), "reason": "password", "legacyDone": True}


def test_other_changes_of_the_user_end_nothing(api, everywhere, ann):
    ann.last_login = None
    ann.save()
    ann.save(update_fields=["last_login"])
    assert api.count("End") == 0


def test_the_message_stands_in_the_same_transaction_and_leaves_after_it(api, ann):
    with transaction.atomic():
        ann.is_active = False
        ann.save()
        assert Outbox.objects.count() == 1
        assert api.count("End") == 0
    assert api.count("End") == 1
    assert not Outbox.objects.exists()


def test_a_rolled_back_change_says_nothing(api, ann):
    class Undo(Exception):
        pass

    def act():
        with transaction.atomic():
            ann.set_password("never")
            ann.save()
            raise Undo

    with pytest.raises(Undo):
        act()
    assert api.count("End") == 0
    assert not Outbox.objects.exists()


def test_while_crossfade_is_down_the_message_waits(api, ann):
    api.down = True
    ann.is_active = False
    ann.save()
    assert json.loads(Outbox.objects.get().payload)["reason"] == "deactivated"


def test_a_fixture_ends_nothing(api, ann):
    from django.core import serializers

    text = serializers.serialize("json", [ann])
    for item in serializers.deserialize("json", text):
        item.save()
    assert api.count("End") == 0


class TestSessionRows:
    """The site's own tools delete rows of django_session."""

    @pytest.fixture(autouse=True)
    def _rows(self, settings, api, transactional_db):
        if not hasattr(engine.store_class(), "get_model_class"):
            pytest.skip("this engine has no rows")
        self.rows = engine.store_class().get_model_class()._default_manager

    @pytest.fixture
    def restored(self, bridge, api):
        record, key = api.make(state="moved"), hex_id()
        bridge.restore(lineage=record["lineage"], key=key, data={"cart": [1]})
        return record, key

    def test_deleting_a_row_ends_its_lineage(self, api, restored):
        self.rows.filter(session_key=restored[1]).delete()
        assert restored[0]["state"] == "ended"
        assert api.last("End")["legacyDone"]
        assert ledger.tombstoned(restored[0]["lineage"])

    def test_deleting_the_row_of_a_session_that_moved_ends_it_where_it_went(self, api, bridge, browser):
        browser.visit("/put", body={"cart": [1]})
        key = browser.cookies["sessionid"].value
        record = api.make()
        bridge.exchange(key, lineage=record["lineage"])
        self.rows.get(session_key=key).delete()
        assert record["state"] == "ended"

    def test_expired_rows_are_only_swept(self, api, restored):
        from datetime import timedelta

        from django.core.management import call_command
        from django.utils import timezone

        self.rows.update(expire_date=timezone.now() - timedelta(days=1))
        call_command("clearsessions")
        assert not self.rows.exists()
        assert api.count("End") == 0

    def test_rows_that_crossfade_never_met_are_nobodys_matter(self, api, browser):
        browser.visit("/put", body={"cart": [1]})
        self.rows.all().delete()
        assert api.count("End") == 0

    def test_the_packages_own_deletions_say_nothing(self, api, restored, browser, ann):
        browser.cookies["sessionid"] = restored[1]
        browser.visit("/sign_in", api.context(sys="legacy"), post=ANN)  # cycles the key: the old row goes
        assert not self.rows.filter(session_key=restored[1]).exists()
        assert api.count("End") == 0

    def test_session_delete_by_the_application_ends_the_lineage(self, api, restored):
        from crossfade.django.stores import legacy
        from crossfade.django.visits import Visit

        store = legacy.open_store(restored[1], Visit(self.runtime()))
        store.delete()
        assert restored[0]["state"] == "ended"

    @staticmethod
    def runtime():
        from crossfade.django import conf

        return conf.runtime()


def test_accounts_are_known_by_the_text_of_their_key(api, browser, ann):
    browser.visit("/sign_in", api.context(), post=ANN)
    assert api.last("Upgrade")["subject"] == get_user_model()._meta.pk.value_to_string(ann)
    assert abs(api.last("Upgrade")["authTime"] - time.time()) < 5
