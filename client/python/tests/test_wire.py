"""The session API refuses a request with a field that it does not know: the client sends none."""

import json
import re
from pathlib import Path

from crossfade.sessions import SERVICE, Selector, SessionClient
from crossfade.transport import Answer

PROTO = Path(__file__).resolve().parents[3] / "proto/crossfade/session/v1/session.proto"
WHOLE = Selector("a" * 32, "b" * 32, "context")


def messages():
    """The type of each field by message and JSON name."""
    found = {}
    for name, body in re.findall(r"^message (\w+) \{(.*?)^\}", PROTO.read_text(), re.M | re.S):
        fields = re.findall(r"^\s+(?:repeated |optional )?(map<[^>]*>|\w+) (\w+) = \d+;", body, re.M)
        found[name] = {re.sub(r"_(\w)", lambda m: m[1].upper(), field): kind for kind, field in fields}
    return found


class Recorder:
    def __init__(self):
        self.sent = []

    def send(self, method, path, body=None, *, repeatable=False):
        self.sent.append((path.removeprefix(SERVICE), json.loads(body)))
        return Answer(200, b"{}", "")


def unknown(known, kind, value, at):
    for name, inner in value.items():
        if name not in known[kind]:
            yield f"{at}.{name}"
        elif known[kind][name] in known:
            yield from unknown(known, known[kind][name], inner, f"{at}.{name}")


def test_every_field_of_every_call_is_in_the_contract():
    recorder = Recorder()
    client = SessionClient(recorder)
    client.resolve("token")
    client.get(WHOLE)
    client.patch(WHOLE, {"a": "1"}, ["b"], if_version={"a": 1}, idle_seconds=1, transient=False)
    client.upgrade(
        WHOLE,
        "42",
        auth_time=1,
        born=1,
        set={"a": "1"},
        delete=["b"],
        counterpart="key",
        counterpart_expires=1,
        idle_seconds=1,
        visitor="c" * 32,
        transient=True,
    )
    client.step_up(WHOLE, auth_time=1, level="aal2", set={"a": "1"}, counterpart="key", counterpart_expires=1)
    client.rotate(WHOLE)
    client.end(session=WHOLE, except_session="d" * 32, reason="r", legacy_done=True)
    client.end(subject="42", reason="r")
    client.end(everybody=True, reason="r")
    client.redeem("handoff")

    known = messages()
    assert len(recorder.sent) == 10
    assert set(known["Selector"]) == {"id", "lineage", "context"}
    strange = [u for method, body in recorder.sent for u in unknown(known, f"{method}Request", body, method)]
    assert strange == []
