"""What crosses without loss, and what is left behind by name."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
from collections import OrderedDict

import pytest
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from crossfade import mapping
from crossfade.errors import NotJSON

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


def same(a, b):
    """Equal, and of the same types all the way down: 1, 1.0 and True are three values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


class Colour(enum.IntEnum):
    RED = 1


@given(json_values)
def test_whatever_crosses_comes_back_exactly(value):
    assert same(mapping.decode(mapping.encode(value)), value)


@given(json_values)
def test_the_text_is_json_for_others_too(value):
    assert same(json.loads(mapping.encode(value).encode()), value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ((1, 2), "tuple"),
        ([{"a": (1,)}], "tuple"),
        ({1: 2}, "dict with a int key"),
        ({1, 2}, "set"),
        (b"x", "bytes"),
        (float("nan"), "float nan"),
        (float("-inf"), "float -inf"),
        (datetime.datetime(2024, 1, 2), "datetime.datetime"),
        (decimal.Decimal("1.5"), "decimal.Decimal"),
        ("\ud800", "str with a lone surrogate"),
        (SafeString("<b>"), "django.utils.safestring.SafeString"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (Colour.RED, "test_mapping.Colour"),
    ],
)
def test_what_would_be_changed_is_refused_with_its_type(value, named):
    with pytest.raises(NotJSON) as caught:
        mapping.encode(value)
    assert caught.value.type == named


def test_a_list_in_itself_is_refused_and_not_a_crash():
    loop: list = []
    loop.append(loop)
    with pytest.raises(NotJSON):
        mapping.encode(loop)


@given(st.dictionaries(text, json_values | st.just(b"no"), max_size=8), st.integers(0, 400))
def test_every_key_crosses_or_is_named_and_the_limit_holds(data, limit):
    texts, left = mapping.split(data, limit)
    assert set(texts) | {item.key for item in left} == set(data) - {mapping.STAMP_KEY}
    assert not set(texts) & {item.key for item in left}
    assert sum(len(k.encode()) + len(t.encode()) for k, t in texts.items()) <= limit


def test_login_and_csrf_keys_go_before_everything_else():
    data = {"small": 1, "_auth_user_id": "1" * 20, "_csrftoken": "c" * 32, "big": "x" * 500}
    texts, left = mapping.split(data, 110)
    assert set(texts) == {"_auth_user_id", "_csrftoken", "small"}
    assert [item.as_json() for item in left] == [{"key": "big", "reason": "too_large", "type": "str"}]


def test_the_stamp_stays_and_is_not_reported():
    assert mapping.split({"_crossfade": {"v": "x"}}, 100) == ({}, [])


def test_nan_from_elsewhere_is_not_a_value():
    with pytest.raises(ValueError, match="NaN"):
        mapping.decode('{"a": NaN}')
