"""Connections, deadlines and errors of the session client."""

from __future__ import annotations

import socket
import threading

import pytest

from crossfade.errors import Conflict, Misconfigured, Rejected, SessionEnded, Unavailable
from crossfade.sessions import Selector, SessionClient, _error
from crossfade.transport import Answer, Breaker, Transport
from fake import SECRET, Refused


@pytest.fixture
def client(api):
    transport = Transport(api.url, SECRET, 2)
    yield SessionClient(transport)
    transport.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("failed_precondition", SessionEnded),
        ("not_found", SessionEnded),
        ("aborted", Conflict),
        ("invalid_argument", Rejected),
        ("resource_exhausted", Rejected),
        ("permission_denied", Misconfigured),
        ("unavailable", Unavailable),
    ],
)
def test_each_code_has_its_exception(api, client, code, kind):
    def refuse(_):
        raise Refused(code, "because")

    api.before["Get"] = refuse
    with pytest.raises(kind, match="because"):
        client.get(Selector(id="a" * 32))


def test_a_wrong_secret_says_what_to_check(api):
    transport = Transport(api.url, "wrong", 2)
    with pytest.raises(Misconfigured, match="SECRET_FILE"):
        SessionClient(transport).resolve("cf1_x")
    transport.close()


def test_connections_are_kept_alive_in_each_thread(api, client):
    transport = client._transport
    client.resolve("x")
    first = transport._local.held.connection
    client.resolve("x")
    assert transport._local.held.connection is first
    other = []
    thread = threading.Thread(
        target=lambda: (client.resolve("x"), other.append(transport._local.held.connection))
    )
    thread.start()
    thread.join()
    assert other[0] is not first


def test_a_connection_that_the_server_closed_is_replaced(api, client):
    client.resolve("x")
    client._transport._local.held.connection.sock.shutdown(socket.SHUT_RDWR)
    assert client.resolve("x").worth == "invalid"


def test_a_silent_server_costs_one_deadline():
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        transport = Transport(f"http://127.0.0.1:{listener.getsockname()[1]}", SECRET, 0.05)
        with pytest.raises(Unavailable, match="too long"):
            SessionClient(transport).resolve("x")
    finally:
        listener.close()


def test_nobody_listening_is_unavailable():
    with pytest.raises(Unavailable, match="cannot be reached"):
        SessionClient(Transport("http://127.0.0.1:9", SECRET, 1)).resolve("x")


def test_a_page_that_is_not_the_api_is_misconfigured():
    with pytest.raises(Misconfigured, match="internal listener"):
        raise _error("Get", Answer(404, b"<html>", ""), None)


def test_the_breaker_opens_after_failures_in_a_row_and_probes_once_per_pause():
    now = [0.0]
    breaker = Breaker(limit=2, pause=5, clock=lambda: now[0])
    for _ in range(2):
        breaker.enter()
        breaker.leave(False)
    with pytest.raises(Unavailable):
        breaker.enter()
    now[0] = 5
    breaker.enter()
    with pytest.raises(Unavailable):
        breaker.enter()
    breaker.leave(True)
    breaker.enter()
