"""Requests without a context, with a forged one, and with a bare token."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.urls import clear_script_prefix, set_script_prefix

from crossfade.django import conf

ANN = {"name": "ann", "password": "pw"}


def counts():
    return conf.runtime().counts.snapshot()


@pytest.mark.parametrize(
    "forge",
    [
        lambda api: "x",
        lambda api: "a.b.c",
        lambda api: "x" * 10_000,
        lambda api: api.context(api.make({"cart": 1}, subject="1"), key=Ed25519PrivateKey.generate()),
        lambda api: api.context(api.make({"cart": 1}), aud="storefront"),
        lambda api: api.context(api.make({"cart": 1}), iat=int(time.time()) - 99, exp=int(time.time()) - 69),
        lambda api: api.context(api.make({"cart": 1})) + "," + api.context(api.make({"cart": 2})),
    ],
)
def test_a_forged_context_counts_as_none_and_is_logged_once(api, browser, caplog, forge):
    for _ in range(3):
        assert browser.visit("/read", forge(api)).json()["data"] == {}
    assert api.count() == 0
    assert sum(n for name, n in counts().items() if name.startswith("context.")) == 3
    assert len([r for r in caplog.records if "treated as none" in r.getMessage()]) == 1


class TestEdgeRequired:
    @pytest.fixture(autouse=True)
    def _required(self, api, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"EDGE": "required", "EDGE_EXEMPT": ["/plain"]}

    @pytest.mark.parametrize("context", [None, "forged"])
    def test_without_a_valid_context_a_clear_page_refuses(self, browser, context):
        response = browser.visit("/read", context)
        assert response.status_code == 403
        assert response["Content-Type"].startswith("text/plain")
        assert b"Crossfade's edge" in response.content

    def test_with_one_the_page_is_served(self, api, browser):
        assert browser.visit("/read", api.context()).status_code == 200

    def test_a_probe_that_is_exempt_is_served(self, browser):
        assert browser.visit("/plain").status_code == 200

    def test_the_bridge_is_served_under_a_script_prefix_too(self, bridge):
        assert "found" in bridge.call("inspect", key="a" * 32)
        set_script_prefix("/shop/")  # as the servers' handlers do
        try:
            path = "/_crossfade/bridge/v1/inspect"
            bridge.client.post(path, SCRIPT_NAME="/shop")
            assert counts()["bridge.forged"] == 1  # heard, and not signed
        finally:
            clear_script_prefix()

    @pytest.mark.parametrize(
        "path",
        [
            "/read/bridge/v1/",
            "/bridge/v1/inspect",
            "/x/_crossfade/bridge/v1/inspect",
            "/_crossfade/bridge/v1/",
            "/_crossfade/bridge/v1/../../read",
        ],
    )
    def test_no_other_path_passes_for_the_bridge(self, browser, path):
        assert browser.visit(path).status_code == 403

    def test_a_bare_token_is_not_enough(self, api, browser):
        browser.cookies["cf_session"] = api.token_of(api.make())
        assert browser.visit("/read").status_code == 403


class TestBareToken:
    """The application is reached without the edge: it resolves the token and writes the cookie itself."""

    @pytest.mark.parametrize("name", ["cf_session", "__Host-cf_session"])
    def test_it_is_resolved_through_the_api(self, api, browser, name):
        browser.cookies[name] = api.token_of(api.make({"cart": [1]}))
        browser.cookies["sessionid"] = "a" * 32
        response = browser.visit("/read")
        assert response.json()["data"] == {"cart": [1]}
        assert response.cookies["sessionid"]["max-age"] == 0  # never two sessions in one browser

    @pytest.mark.parametrize("name", ["cf_session", "__Host-cf_session"])
    def test_a_login_sets_the_new_token_and_a_logout_deletes_it(self, api, browser, ann, name):
        record = api.make({"cart": [1]})
        browser.cookies[name] = api.token_of(record)
        response = browser.visit("/sign_in", post=ANN)
        cookie = response.cookies[name]
        assert cookie.value == "cf1_" + record["secret"]
        assert (cookie["httponly"], cookie["path"], bool(cookie["secure"])) == (
            True,
            "/",
            name.startswith("__Host-"),
        )
        assert "Crossfade-Session" not in response
        assert browser.visit("/who").json()["user"] == "ann"
        response = browser.visit("/sign_out")
        assert (response.cookies[name].value, response.cookies[name]["max-age"]) == ("", 0)

    @pytest.mark.parametrize("worth", ["ended", "moved"])
    def test_one_that_is_not_live_is_plain_legacy(self, api, browser, worth):
        record = api.make({"cart": [1]})
        browser.cookies["cf_session"] = api.token_of(record)
        record["state"] = worth
        browser.visit("/put", body={"cart": [2]})
        assert browser.visit("/who").json()["cart"] == [2]

    @pytest.mark.parametrize("token", ["", "x", "cf1_" + "x" * 400, "cf1_unknown"])
    def test_one_that_is_none_is_plain_legacy(self, api, browser, token):
        browser.cookies["cf_session"] = token
        browser.visit("/put", body={"cart": [2]})
        assert browser.visit("/who").json()["cart"] == [2]

    def test_while_crossfade_is_down_the_site_runs_on_legacy(self, api, browser):
        browser.cookies["cf_session"] = api.token_of(api.make({"cart": [1]}))
        api.down = True
        browser.visit("/put", body={"cart": [2]})
        assert browser.visit("/who").json()["cart"] == [2]


def test_switched_off_the_package_does_nothing(api, browser, bridge, settings, ann):
    settings.CROSSFADE = {"ENABLED": False}
    browser.visit("/sign_in", api.context(api.make()), post=ANN)
    assert browser.visit("/who").json()["user"] == "ann"
    assert bridge.client.post("/_crossfade/bridge/v1/inspect").status_code == 404
    assert api.count() == 0
    ann.delete()
