"""The bridge's signature: shared vectors, and what must not verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.bridge import WINDOW, Verifier, sign
from crossfade.errors import InvalidSignature
from fake import signed

VECTORS = json.loads((Path(__file__).parent / "vectors/bridge_signature.json").read_text())
PATH = "/_crossfade/bridge/v1/exchange"
SECRET = b"s" * 32


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vectors_shared_with_the_go_side(case):
    assert (
        sign(
            case["secret"].encode(),
            case["method"],
            case["path"],
            case["time"],
            case["nonce"],
            case["body"].encode(),
        )
        == case["signature"]
    )


@given(
    body=st.binary(max_size=200),
    nonce=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    when=st.integers(0, 2**39),
    key=st.integers(0, 255),
)
def test_what_was_signed_verifies(body, nonce, when, key):
    headers = signed(SECRET, key, PATH, body, when=when, nonce=nonce)
    call = Verifier({key: SECRET}, clock=lambda: when).verify(headers, "POST", PATH, body)
    assert (call.nonce, call.time) == (nonce, when)


@given(body=st.binary(min_size=1, max_size=50), flip=st.integers(0, 49))
def test_an_altered_body_is_forged(body, flip):
    headers = signed(SECRET, 1, PATH, body, when=100)
    altered = bytearray(body)
    altered[flip % len(body)] ^= 1
    with pytest.raises(InvalidSignature) as caught:
        Verifier({1: SECRET}, clock=lambda: 100).verify(headers, "POST", PATH, bytes(altered))
    assert caught.value.code == "forged"


@given(st.dictionaries(st.sampled_from(list(signed(SECRET, 1, PATH, b""))), st.text(max_size=70)))
def test_no_header_however_odd_raises_anything_else(headers):
    with pytest.raises(InvalidSignature):
        Verifier({1: SECRET}).verify(headers, "POST", PATH, b"")


@pytest.mark.parametrize(
    "change", [{"method": "GET"}, {"path": PATH + "x"}, {"secret": b"t" * 32}, {"key_id": 2}]
)
def test_another_method_path_secret_or_key_is_forged(change):
    given = {"secret": SECRET, "key_id": 1, "path": PATH, "method": "POST"} | change
    headers = signed(given["secret"], given["key_id"], given["path"], b"", method=given["method"], when=100)
    with pytest.raises(InvalidSignature) as caught:
        Verifier({1: SECRET}, clock=lambda: 100).verify(headers, "POST", PATH, b"")
    assert caught.value.code == "forged"


@pytest.mark.parametrize("off", [WINDOW + 1, -WINDOW - 1])
def test_a_good_signature_outside_the_window_is_stale(off):
    headers = signed(SECRET, 1, PATH, b"", when=1000)
    with pytest.raises(InvalidSignature) as caught:
        Verifier({1: SECRET}, clock=lambda: 1000 + off).verify(headers, "POST", PATH, b"")
    assert caught.value.code == "stale"


def test_every_secret_of_the_set_verifies_so_that_one_can_be_replaced():
    verifier = Verifier({1: SECRET, 2: b"t" * 32}, clock=lambda: 100)
    for key_id, secret in ((1, SECRET), (2, b"t" * 32)):
        verifier.verify(signed(secret, key_id, PATH, b"", when=100), "POST", PATH, b"")
