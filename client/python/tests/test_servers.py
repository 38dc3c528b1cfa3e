"""Under the servers that people run: gunicorn with several workers, uvicorn."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from conftest import BRIDGE_KEY, BRIDGE_SECRET
from fake import signed

HERE = os.path.dirname(__file__)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(params=["gunicorn", "uvicorn"])
def site(request, api, tmp_path):
    """A real server process on a database of its own."""
    port = free_port()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "projects.db_sessions",
        "CROSSFADE_TEST_API": api.url,
        "CROSSFADE_TEST_FOLDER": str(tmp_path),
        "HOME": str(tmp_path),  # gunicorn keeps a control socket there
        "PYTHONPATH": os.pathsep.join([HERE, os.path.join(HERE, "..", "src")]),
    }
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], env=env, check=True)
    command = {
        "gunicorn": [
            "gunicorn",
            "-w2",
            "--threads=2",
            f"-b127.0.0.1:{port}",
            "--log-level=warning",
            "projects.wsgi",
        ],
        "uvicorn": [
            "uvicorn",
            f"--port={port}",
            "--log-level=warning",
            "--lifespan=off",
            "projects.asgi:application",
        ],
    }[request.param]
    process = subprocess.Popen([sys.executable, "-m", *command], env=env, cwd=HERE, start_new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(base + "/plain")
                break
            except httpx.TransportError:
                assert process.poll() is None, "the server did not start"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)  # a process of its own: nothing to wait on but the port
        yield base
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_a_visitor_reads_writes_and_is_handed_over(api, site):
    record = api.make({"cart": [1]})
    with httpx.Client(base_url=site) as client:

        def headers():
            return {"Crossfade-Context": api.context(record)}

        assert client.get("/read", headers=headers()).json()["data"] == {"cart": [1]}
        client.post("/put", headers=headers(), json={"cart": [1, 2]})
        assert api.data(record["id"]) == {"cart": [1, 2]}

        response = client.post("/put", json={"cart": ["legacy"]})
        key = response.cookies["sessionid"]
        body = b'{"key":"%s"}' % key.encode()
        signature = signed(BRIDGE_SECRET, BRIDGE_KEY, "/_crossfade/bridge/v1/inspect", body)
        answers = [
            client.post("/_crossfade/bridge/v1/inspect", content=body, headers=signature) for _ in range(6)
        ]
        assert [a.status_code for a in answers] == [200] + [409] * 5  # whichever worker was asked
        assert answers[0].json()["kind"] == "guest"
        refused = client.post("/_crossfade/bridge/v1/inspect", content=body)
        assert (refused.status_code, refused.content) == (404, b"")
