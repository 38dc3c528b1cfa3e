"""System checks, and the command that checks a running pair."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db.models import F

from crossfade import Settings
from crossfade.django import conf, outbox
from crossfade.django.models import Outbox
from crossfade.errors import Misconfigured

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "crossfade.django.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"


def ids(deploy=False):
    messages = run_checks(tags=["crossfade"], include_deployment_checks=deploy)
    assert all(m.hint for m in messages if m.id != "crossfade.E001" or m.hint)
    return {m.id for m in messages} - {"crossfade.W001"}


def test_a_project_that_is_set_up_right_has_nothing_to_mend(settings):
    assert ids() == set()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "crossfade.E001"),
        ({}, "crossfade.E001"),
        ({"API": ""}, "crossfade.E001"),
        ({"API": "127.0.0.1:8081"}, "crossfade.E002"),
        ({"EDGE": "always"}, "crossfade.E002"),
        ({"ON_UNAVAILABLE": "panic"}, "crossfade.E002"),
        ({"SECRET": "two words"}, "crossfade.E002"),
        ({"SECRET": "", "SECRET_FILE": "/nowhere/at/all"}, "crossfade.E002"),
        ({"BRIDGE_SECRET": "short"}, "crossfade.E002"),
        ({"APl": "x"}, "crossfade.E001"),
    ],
)
def test_settings_that_are_wrong_are_named(settings, given, expected):
    settings.CROSSFADE = given if not given else settings.CROSSFADE | given
    assert expected in ids()


def test_an_unknown_setting_names_the_nearest(settings):
    settings.CROSSFADE = settings.CROSSFADE | {"SECRET_FLE": "x"}
    (message,) = [m for m in run_checks(tags=["crossfade"]) if m.id == "crossfade.E001"]
    assert "SECRET_FILE" in message.hint


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([DJANGOS, AUTH], {"crossfade.E003", "crossfade.E004"}),
        ([DJANGOS, OURS, AUTH], {"crossfade.E003"}),
        ([AUTH, OURS], {"crossfade.E005"}),
        ([AUTH], {"crossfade.E004"}),
        ([OURS, AUTH], set()),
    ],
)
def test_the_middleware_must_replace_djangos_and_stand_before_its_users(settings, middleware, expected):
    settings.MIDDLEWARE = middleware
    assert ids() == expected


def test_signed_cookies_are_refused(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert "crossfade.E006" in ids()


def test_missing_urls_are_named(settings):
    settings.ROOT_URLCONF = "projects.people.models"
    import projects.people

    projects.people.urlpatterns = []
    settings.ROOT_URLCONF = "projects.people"
    assert "crossfade.E007" in ids()


def test_deployment_warnings(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert ids(deploy=True) == {"crossfade.W002", "crossfade.W003"}
    settings.CROSSFADE = settings.CROSSFADE | {"EDGE": "required"}
    settings.SECURE_REDIRECT_EXEMPT = [r"^_crossfade/"]
    assert ids(deploy=True) == set()


class TestSettings:
    def test_secrets_come_from_files_and_are_in_no_representation(self, tmp_path):
        (tmp_path / "api").write_text("  the secret\n".replace(" secret", "-secret"))
        (tmp_path / "bridge").write_text(f"# the next one\n2:{'n' * 32}\n\n1:{'o' * 32}\n")
        settings = Settings.from_mapping(
            {
                "API": "http://x",
                "NAME": "n",
                "SECRET_FILE": tmp_path / "api",
                "BRIDGE_SECRET_FILE": tmp_path / "bridge",
            }
        )
        assert settings.api_secret() == "the-secret"
        assert settings.bridge_secrets() == {2: b"n" * 32, 1: b"o" * 32}
        assert settings.problems() == []

    def test_a_bare_line_is_key_1(self):
        assert Settings(bridge_secret="ab:cd" * 8).bridge_secrets() == {1: b"ab:cd" * 8}

    def test_inline_secrets_do_not_show(self):
        assert "hush" not in repr(Settings(secret="hush", bridge_secret="hush" * 9))

    def test_a_file_that_is_no_text_is_a_clear_error(self, tmp_path):
        (tmp_path / "s").write_bytes(b"\xff\xfe")
        with pytest.raises(Misconfigured, match="cannot read"):
            Settings(secret_file=str(tmp_path / "s")).api_secret()


@pytest.mark.django_db
class TestCommand:
    def run(self, capsys):
        try:
            call_command("crossfade_check")
            failed = None
        except CommandError as error:
            failed = str(error)
        conf.runtime().transport.close()
        return capsys.readouterr().out, failed

    def test_all_is_well(self, api, capsys):
        out, failed = self.run(capsys)
        assert failed is None
        assert [line.split()[0] for line in out.splitlines()] == ["ok"] * 4

    def test_a_wrong_secret(self, api, capsys, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"SECRET": "wrong"}
        out, failed = self.run(capsys)
        assert failed == "1 of 4 checks failed"
        assert "FAIL  secret" in out
        assert "SECRET_FILE" in out

    def test_a_name_that_is_not_the_upstreams(self, api, capsys, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"NAME": "dj"}
        out, failed = self.run(capsys)
        assert failed == "1 of 4 checks failed"
        assert "it is the secret of 'django', and CROSSFADE['NAME'] is 'dj'" in out

    def test_a_clock_that_is_right_is_no_second_off(self, api, capsys, monkeypatch):
        import datetime
        import time

        now = int(time.time())
        theirs = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
        monkeypatch.setattr(time, "time", lambda: now + 0.9)
        monkeypatch.setattr("email.utils.parsedate_to_datetime", lambda _: theirs)
        assert "clocks 0 s apart" in self.run(capsys)[0]

    def test_a_clock_that_is_off(self, api, capsys, monkeypatch):
        import time

        now = time.time() + 100
        monkeypatch.setattr(time, "time", lambda: now)
        monkeypatch.setattr("email.utils.parsedate_to_datetime", _an_hour_ago)
        out, failed = self.run(capsys)
        assert "NTP" in out
        assert failed

    def test_what_waits_too_long_in_the_outbox(self, api, capsys):
        outbox.put_end(lineage="a" * 32, reason="test")
        Outbox.objects.update(created=F("created") - outbox.STALE + 60)
        assert self.run(capsys)[1] is None
        Outbox.objects.update(created=F("created") - 120)
        out, failed = self.run(capsys)
        assert failed == "1 of 4 checks failed"
        assert "FAIL  tables and outbox: 1 waiting in the outbox, the oldest for 11 minutes" in out
        assert "crossfade_flush_outbox" in out

    def test_nobody_there(self, api, capsys, settings):
        settings.CROSSFADE = settings.CROSSFADE | {"API": "http://127.0.0.1:9"}
        out, failed = self.run(capsys)
        assert "cannot be reached" in out
        assert failed == "2 of 4 checks failed"


def _an_hour_ago(_):
    import datetime

    return datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
