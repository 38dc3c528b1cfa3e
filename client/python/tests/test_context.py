"""Contexts: what verifies, what does not, and how often keys are asked for."""

from __future__ import annotations

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crossfade.context import Verifier
from crossfade.errors import InvalidContext, Unavailable
from crossfade.keys import LIFETIME, PAUSE, KeySet
from crossfade.transport import Transport
from fake import SECRET


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock(time.time())


@pytest.fixture
def verifier(api, clock):
    transport = Transport(api.url, SECRET, 2)
    yield Verifier("django", KeySet(transport, clock=clock), clock=clock)
    transport.close()


def refused(verifier, token):
    with pytest.raises(InvalidContext) as caught:
        verifier.verify(token)
    return caught.value.code


def test_the_claims_are_read(api, verifier):
    record = api.make(subject="42")
    context = verifier.verify(api.context(record, ret="a" * 32, acr="aal2"))
    assert (context.session, context.lineage, context.subject) == (record["id"], record["lineage"], "42")
    assert (context.kind, context.methods, context.level) == ("authenticated", ("pwd",), "aal2")
    assert (context.returning, context.mark, context.system) == ("a" * 32, api.mark, "new")


def test_the_token_is_in_no_representation(api, verifier):
    token = api.context()
    assert token not in repr(verifier.verify(token))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": "storefront"}, "audience"),
        ({"iss": "somebody"}, "audience"),
        ({"aud": ["django", "x"]}, "audience"),
        ({"sys": "other"}, "malformed"),
        ({"sys": None}, "malformed"),
        ({"vid": "../../etc"}, "malformed"),
        ({"mark": "many"}, "malformed"),
        ({"sid": "a" * 32}, "malformed"),
        ({"exp": None}, "forged"),
    ],
)
def test_claims_that_are_wrong_are_refused(api, verifier, change, code):
    assert refused(verifier, api.context(**change)) == code


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"kid": "nobody"}, {"kid": "../1"}])
def test_type_and_key_id_are_pinned(api, verifier, header):
    assert refused(verifier, api.context(header=header)) in ("forged", "malformed")


def test_another_key_under_our_id_is_forged(api, verifier):
    assert refused(verifier, api.context(key=Ed25519PrivateKey.generate())) == "forged"


def test_another_algorithm_is_forged(api, verifier):
    claims = {
        "iss": "crossfade",
        "aud": "django",
        "iat": int(time.time()),
        "exp": int(time.time()) + 30,
        "sys": "new",
    }
    head = {"typ": "crossfade-context+jwt", "kid": "1"}
    secret = "x" * 32
    assert refused(verifier, jwt.encode(claims, secret, algorithm="HS256", headers=head)) == "forged"
    assert refused(verifier, jwt.encode(claims, None, algorithm="none", headers=head)) == "forged"


def test_an_expired_context_is_refused_after_the_leeway_even_if_it_was_verified_before(api, verifier, clock):
    token = api.context()
    verifier.verify(token)
    clock.now += 34
    verifier.verify(token)
    clock.now += 2
    assert refused(verifier, token) == "expired"
    assert refused(verifier, token) == "expired"


@pytest.mark.parametrize("times", [(0, 31), (60, 90)])
def test_a_long_life_or_a_future_issue_is_refused(api, verifier, clock, times):
    now = int(clock.now)
    assert refused(verifier, api.context(iat=now + times[0], exp=now + times[1])) == "expired"


def test_a_signature_is_checked_once_per_token(api, verifier, monkeypatch):
    token = api.context()
    first = verifier.verify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert verifier.verify(token) is first


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
@given(
    noise=st.text(max_size=60)
    | st.from_regex(r"[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}")
)
def test_no_text_however_odd_raises_anything_else(verifier, noise):
    refused(verifier, noise)


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100
)
@given(at=st.integers(0, 10_000))
def test_every_altered_character_is_refused(api, verifier, at):
    token = api.context()
    at %= token.rindex(".")  # the last character of a signature has bits that carry nothing
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    assert refused(verifier, changed)


def test_unknown_key_ids_are_asked_for_at_a_limited_rate(api, verifier, clock):
    verifier.verify(api.context())
    for n in range(20):
        refused(verifier, api.context(header={"kid": f"invented-{n}"}))
    assert api.jwks_fetches == 1
    clock.now += PAUSE
    refused(verifier, api.context(header={"kid": "invented"}))
    assert api.jwks_fetches == 2


def test_a_new_key_is_found_when_it_first_signs(api, verifier, clock):
    verifier.verify(api.context())
    api.kid, before = "2", api.kid
    try:
        clock.now += PAUSE
        verifier.verify(api.context())
    finally:
        api.kid = before


def test_known_keys_stay_in_use_while_crossfade_is_down(api, verifier, clock):
    verifier.verify(api.context())
    api.down = True
    clock.now += LIFETIME + 1
    now = int(clock.now)
    assert verifier.verify(api.context(iat=now, exp=now + 30)).system == "new"


def test_without_any_key_the_answer_is_unavailable_and_not_forged(api, verifier):
    api.down = True
    with pytest.raises(Unavailable):
        verifier.verify(api.context())
