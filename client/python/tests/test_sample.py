"""The bridge's sample: names, types and sizes of some sessions, and nothing that could be used or shown."""

from __future__ import annotations

import datetime
import decimal
import json
import time
from pathlib import Path

import django
import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.utils import timezone

from crossfade import shapes
from crossfade.django import draw, engine

MASKS = json.loads(
    (Path(__file__).resolve().parents[3] / "legacy/inventory/testdata/masks.json").read_text("utf-8")
)
SECRET = "the-secret-value"


@pytest.fixture
def own_files(settings, tmp_path):
    settings.SESSION_FILE_PATH = str(tmp_path)
    from django.contrib.sessions.backends import file

    if hasattr(file.SessionStore, "_storage_path"):
        del file.SessionStore._storage_path
    yield
    if hasattr(file.SessionStore, "_storage_path"):
        del file.SessionStore._storage_path


def make(data, expiry=None):
    store = engine.store_class()()
    store.update(data)
    if expiry is not None:
        store.set_expiry(expiry)
    store.create() if not store.session_key else None
    store.save()
    return store.session_key


def by_key(session):
    return {k["key"]: k for k in session["keys"]}


def test_describes_sessions_of_every_engine(bridge, each_engine, own_files):
    keys = [
        make({"cart": [1, 2], "token": SECRET, "cart_4711": {"a": 1}, "_auth_user_id": "42"}),
        make({"cart": []}),
    ]
    answer = bridge.call("sample", limit=10)
    assert answer["engine"].endswith(each_engine)
    assert (answer["whole"], answer["unsupported"]) == (True, None)
    assert len({s["id"] for s in answer["sessions"]}) == 2
    one = next(s for s in answer["sessions"] if s["authenticated"])
    described = by_key(one)
    assert set(described) == {"cart", "token", "cart_*", "_auth_user_id"}
    assert described["token"] == {
        "key": "token",
        "type": "str",
        "odd": "",
        "opaque": "",
        "size": len(SECRET) + 2,
    }
    assert abs(one["expires"] - time.time() - 1_209_600) < 60
    assert one["size"] > 40
    assert one["format"] == ("pickle" if each_engine == "cache" else "json")
    assert one["signed_by"] == (0 if each_engine == "cache" else 1)
    text = json.dumps(answer)
    for hidden in [SECRET, "4711", '"42"', *keys]:
        assert hidden not in text


def test_changes_nothing(bridge, each_engine, own_files):
    key = make({"cart": [1]})
    before = engine.read(key)
    bridge.call("sample", limit=10)
    assert engine.read(key).data == before.data


def test_sessions_in_cookies_are_no_store(bridge, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    answer = bridge.call("sample", limit=10)
    assert "browsers" in answer["unsupported"]
    assert answer["sessions"] == []


def test_a_cache_that_cannot_list_says_so(bridge, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert bridge.call("sample", limit=10)["unsupported"] == draw.NO_LIST


@pytest.fixture
def rows(settings, transactional_db):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    from django.contrib.sessions.models import Session

    return Session.objects


def test_no_more_than_asked_for_and_never_over_the_limit(bridge, rows):
    text = engine.store_class()().encode({"a": 1})
    later = timezone.now() + datetime.timedelta(days=1)
    rows.bulk_create(
        rows.model(session_key=f"{i:032d}", session_data=text, expire_date=later) for i in range(300)
    )
    for asked, most in [(5, 5), (1000, 200), (0, 1)]:
        answer = bridge.call("sample", limit=asked)
        assert len(answer["sessions"]) <= most
        assert not answer["whole"]


def test_every_row_is_as_likely_as_any_other(rows):
    """Two kinds of sessions, one of which is newer: each has its share of what is drawn."""
    import random

    text = engine.store_class()().encode({"a": 1})
    later = timezone.now() + datetime.timedelta(days=1)
    rng = random.Random(1)
    made = [
        rows.model(
            session_key="".join(rng.choice(draw.LETTERS) for _ in range(32)),
            session_data=text,
            expire_date=later + datetime.timedelta(days=i % 2),
        )
        for i in range(2000)
    ]
    rows.bulk_create(made)
    kinds = {m.session_key: i % 2 for i, m in enumerate(made)}
    drawn = [kinds[f.key] for _ in range(5) for f in draw.some(200).found]
    assert len(drawn) > 500
    assert 0.4 < sum(drawn) / len(drawn) < 0.6


def test_expired_rows_are_told_by_their_time(bridge, rows):
    key = make({"a": 1})
    rows.filter(session_key=key).update(expire_date=timezone.now() - datetime.timedelta(days=1))
    assert bridge.call("sample", limit=10)["sessions"] == []


def test_what_cannot_be_opened_is_counted(bridge, rows):
    key = make({"a": 1})
    rows.filter(session_key=key).update(
        session_data="forged:1r31eq:SsFMVuWlrPKzttgEZE045Mjygx62KRW7h_eT-ZH7Q2c"
    )
    one = bridge.call("sample", limit=10)["sessions"][0]
    assert (one["format"], one["keys"], one["signed_by"]) == ("unreadable", [], 0)


def test_says_which_key_signed(bridge, rows, settings):
    make({"a": 1})
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a newer key"
    assert bridge.call("sample", limit=10)["sessions"][0]["signed_by"] == 2


@pytest.mark.skipif(django.VERSION >= (5, 0), reason="Django 5 has no PickleSerializer any more")
@pytest.mark.filterwarnings("ignore:PickleSerializer")
def test_pickled_rows(bridge, rows, settings):
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.PickleSerializer"
    make({"when": datetime.datetime(2024, 1, 2), "a": 1})
    one = bridge.call("sample", limit=10)["sessions"][0]
    assert one["format"] == "pickle"
    assert by_key(one)["when"]["odd"] == "datetime.datetime"


class Basket:
    pass


def test_types_that_cannot_cross(bridge, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    make(
        {
            "pair": (1, 2),
            "price": {"gross": decimal.Decimal("1.5")},
            "basket": [Basket()],
            "nan": float("nan"),
            7: "x",
        }
    )
    described = by_key(bridge.call("sample", limit=10)["sessions"][0])
    assert {k: (v["type"], v["odd"], v["opaque"]) for k, v in described.items()} == {
        "pair": ("tuple", "tuple", ""),
        "price": ("dict", "decimal.Decimal", ""),
        "basket": ("list", "test_sample.Basket", "test_sample.Basket"),
        "nan": ("float", "float nan", ""),
        "(int)": ("str", "a key that is no str", ""),
    }
    assert all(v["size"] > 0 for v in described.values())


def test_an_engine_with_a_format_of_its_own_is_asked_to_decode(bridge, rows, monkeypatch):
    make({"a": 1})
    monkeypatch.setattr(engine.store_class(), "decode", lambda self, text: {"own": 1}, raising=False)
    assert engine.store_class().decode is not SessionBase.decode
    assert list(by_key(bridge.call("sample", limit=10)["sessions"][0])) == ["own"]


def test_an_answer_stays_within_its_room(bridge, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    cache.clear()
    for i in range(200):
        make({f"a_rather_long_name_of_{'abcdefghij'[n % 10]}{n // 10}": i for n in range(200)})
    answer = bridge.call("sample", limit=200)
    assert 0 < len(answer["sessions"]) < 200
    assert len(json.dumps(answer)) < 1 << 20
    assert not answer["whole"]


@pytest.mark.parametrize(("name", "masked"), MASKS.items())
def test_names_show_no_ids(name, masked):
    assert shapes.mask(name) == masked
