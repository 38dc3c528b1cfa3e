"""HTTP to Crossfade: one kept-alive connection per thread, one deadline per call, a breaker over all.

Nothing here knows what is said; the callers are the session client and the key set.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import Misconfigured, Unavailable

MAX_ANSWER = 4 << 20  # bytes; the API's own limits stay far below


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    date: str  # the Date header, for the clock check
    audience: str = ""  # for whom Crossfade makes this client's contexts


class Breaker:
    """Stops asking for ``pause`` seconds after ``limit`` failures in a row, then lets one call probe.

    Without it, every page of the site would wait a full timeout while Crossfade is gone.
    """

    def __init__(
        self, limit: int = 5, pause: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._pause, self._clock = limit, pause, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def enter(self) -> None:
        with self._lock:
            if self._failures < self._limit:
                return
            now = self._clock()
            if now < self._until:
                raise Unavailable("Crossfade failed several times in a row; not asked now", code="breaker")
            self._until = now + self._pause  # this call probes; the others keep waiting

    def leave(self, ok: bool) -> None:
        with self._lock:
            self._failures = 0 if ok else self._failures + 1
            if self._failures >= self._limit:
                self._until = self._clock() + self._pause


class _Held:
    """A thread's connection and the process that opened it; closed when the thread is gone."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.process = os.getpid()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()

    __del__ = close


class Transport:
    """``send`` is safe from any thread and after a fork."""

    def __init__(self, base: str, secret: str, timeout: float, breaker: Breaker | None = None) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured(f"{base!r} is not an address", hint='want "http://host:port"')
        self._new = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
        self._timeout = timeout
        self._breaker = breaker or Breaker()
        self._local = threading.local()

    def send(self, method: str, path: str, body: bytes | None = None, *, repeatable: bool = False) -> Answer:
        """One answer of any status, or Unavailable. A repeatable call is tried again, once, on a fresh
        connection when a kept-alive one turns out to be dead."""
        self._breaker.enter()
        deadline = time.monotonic() + self._timeout
        ok = False
        try:
            answer = self._attempt(method, path, body, deadline, repeatable)
            ok = answer.status not in (502, 503, 504)
            return answer
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            reason = "took too long" if isinstance(error, TimeoutError) else f"cannot be reached: {error}"
            raise Unavailable(
                f"Crossfade {reason}",
                code="network",
                hint='is "crossfade serve" running, and is API the address of its internal.listen?',
            ) from error
        finally:
            self._breaker.leave(ok)

    def close(self) -> None:
        """Close the calling thread's connection. The next call opens another."""
        self._drop()

    def _attempt(
        self, method: str, path: str, body: bytes | None, deadline: float, repeatable: bool
    ) -> Answer:
        connection, reused = self._connection(deadline)
        try:
            return self._exchange(connection, method, path, body, deadline)
        except (ConnectionError, http.client.RemoteDisconnected, http.client.BadStatusLine):
            self._drop()
            if not (reused and repeatable):
                raise
            return self._exchange(self._connection(deadline)[0], method, path, body, deadline)
        except BaseException:
            self._drop()  # half a conversation is of no use to the next caller
            raise

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        deadline: float,
    ) -> Answer:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, self._prefix + path, body=body, headers=headers)
        _limit(connection, deadline)
        response = connection.getresponse()
        parts: list[bytes] = []
        size = 0
        while True:
            _limit(connection, deadline)
            part = response.read1(65536)
            if not part:
                break
            size += len(part)
            if size > MAX_ANSWER:
                raise http.client.HTTPException("the answer is too large")
            parts.append(part)
        response.read()  # read1 leaves an exhausted response open, and the connection with it
        if response.will_close:
            self._drop()
        return Answer(
            response.status,
            b"".join(parts),
            response.getheader("Date", ""),
            response.getheader("Crossfade-Audience", ""),
        )

    def _connection(self, deadline: float) -> tuple[http.client.HTTPConnection, bool]:
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None and held.process == os.getpid() and _quiet(held.connection):
            _limit(held.connection, deadline)
            return held.connection, True
        self._drop()
        connection = self._new(self._host, self._port, timeout=max(0.001, deadline - time.monotonic()))
        self._local.held = _Held(connection)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, False

    def _drop(self) -> None:
        held: _Held | None = getattr(self._local, "held", None)
        self._local.held = None
        if held is not None:
            held.close()


def _quiet(connection: http.client.HTTPConnection) -> bool:
    # A kept-alive socket with something to read was closed by the other side, or is out of step.
    if connection.sock is None:
        return False
    poll = select.poll()  # not select(): a busy server has descriptors over 1024
    poll.register(connection.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poll.poll(0)


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("deadline")
    if connection.sock is not None:
        connection.sock.settimeout(left)
