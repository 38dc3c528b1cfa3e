"""Sessions that last until the browser is closed: ``set_expiry(0)`` and SESSION_EXPIRE_AT_BROWSER_CLOSE."""

from __future__ import annotations

import pytest

from crossfade.django import engine
from fake import hex_id

ANN = {"name": "ann", "password": "pw"}


@pytest.fixture
def by_setting(settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True


class TestOnNew:
    def test_a_login_without_remember_me_says_so(self, api, browser, ann):
        record = api.make()
        response = browser.visit("/sign_in", api.context(record), post=ANN | {"forget": "1"})
        assert record["transient"]
        assert response["Crossfade-Session"] in api.handoffs
        assert engine.read(record["counterpart"]).transient  # the way back knows it too

    def test_any_other_login_says_that_it_is_not(self, api, browser, ann):
        record = api.make(transient=True)
        browser.visit("/sign_in", api.context(record), post=ANN)
        assert api.last("Upgrade")["transient"] is False
        assert not record["transient"]

    def test_by_the_setting_each_login_and_each_new_guest_is(self, api, browser, ann, by_setting):
        record = api.make()
        browser.visit("/sign_in", api.context(record), post=ANN)
        assert record["transient"]
        response = browser.visit("/put", api.guest_context(), body={"cart": [1]})
        sid, _ = api.handoffs[response["Crossfade-Session"]]
        assert api.sessions[sid]["transient"]

    def test_set_expiry_brings_a_cookie_that_says_so_in_the_same_call(self, api, browser):
        record = api.make({"cart": [1]})
        response = browser.visit("/until_closed", api.context(record))
        assert [name for name, _ in api.calls if name != "Get"] == ["Patch"]
        assert record["transient"]
        assert response["Crossfade-Session"] in api.handoffs
        browser.visit("/remember", api.context(record))
        assert not record["transient"]

    def test_a_page_that_leaves_the_lifetime_alone_does_not_mention_it(self, api, browser, by_setting):
        record = api.make({"cart": [1]}, transient=True)
        browser.visit("/put", api.context(record), body={"cart": [2]})
        assert "transient" not in api.last("Patch")

    def test_a_second_login_says_it_behind_the_step_up(self, api, browser, ann):
        record = api.make()
        browser.visit("/sign_in", api.context(record), post=ANN)
        browser.visit("/sign_in", api.context(record), post=ANN | {"forget": "1"})
        assert record["transient"]


class TestWithoutTheEdge:
    @pytest.mark.parametrize("forget", ["", "1"])
    def test_the_cookie_that_the_application_writes(self, api, browser, ann, forget):
        browser.cookies["cf_session"] = api.token_of(api.make())
        response = browser.visit("/sign_in", post=ANN | {"forget": forget})
        cookie = response.cookies["cf_session"]
        assert bool(cookie["max-age"]) == (not forget)
        assert not cookie["expires"] or not forget

    @pytest.mark.parametrize("forget", ["", "1"])
    def test_a_login_while_crossfade_is_down(self, api, browser, ann, forget):
        context = api.context(api.make())
        browser.visit("/plain", context)  # the signing keys are known
        api.before["Upgrade"] = lambda _: setattr(api, "down", True)
        api.down = True
        cookie = browser.visit("/sign_in", context, post=ANN | {"forget": forget}).cookies["sessionid"]
        assert bool(cookie["max-age"]) == (not forget)


class TestTheBridge:
    def legacy(self, api, browser, path="/put"):
        context = api.context(sys="legacy")
        browser.visit("/put", context, body={"cart": [1]})
        if path != "/put":
            browser.visit(path, context)
        return browser.cookies["sessionid"].value

    def test_it_tells_which_sessions_are(self, api, browser, bridge, each_engine):
        assert bridge.call("inspect", key=self.legacy(api, browser))["transient"] is False
        key = self.legacy(api, browser, "/until_closed")
        assert bridge.call("inspect", key=key)["transient"] is True
        assert bridge.exchange(key)["transient"] is True

    def test_by_the_setting_all_are(self, api, browser, bridge, by_setting):
        assert bridge.exchange(self.legacy(api, browser))["transient"] is True

    def test_there_and_back_it_is_the_same_session(self, api, browser, bridge):
        answer = bridge.exchange(self.legacy(api, browser, "/until_closed"))
        key = hex_id()
        bridge.restore(lineage=answer["lineage"], key=key, data=answer["data"], transient=answer["transient"])
        assert engine.read(key).data["_session_expiry"] == 0
        browser.cookies["sessionid"] = key
        cookie = browser.visit("/put", api.context(sys="legacy"), body={"cart": [2]}).cookies["sessionid"]
        assert (cookie["max-age"], cookie["expires"]) == ("", "")  # as Django writes it

    def test_one_that_another_service_made_so_is_so_on_legacy(self, bridge):
        key, other = hex_id(), hex_id()
        bridge.restore(key=key, data={"cart": [1]}, transient=True)
        bridge.restore(key=other, data={"cart": [1], "_session_expiry": 600}, transient=True)
        assert engine.read(key).transient
        assert not engine.read(other).transient  # what the application said itself stands
