"""A Crossfade in miniature: real HTTP on loopback, the session API's semantics, contexts it signs.

It keeps to what proto/crossfade/session/v1 promises and no more, so that the suite tests this package
against the contract and not against one implementation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "the-api-secret"


def hex_id() -> str:
    return secrets.token_hex(16)


class Refused(Exception):
    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message or code


STATUS = {
    "failed_precondition": 400,
    "invalid_argument": 400,
    "not_found": 404,
    "aborted": 409,
    "unauthenticated": 401,
    "permission_denied": 403,
    "unavailable": 503,
    "resource_exhausted": 429,
}


class FakeCrossfade:
    def __init__(self) -> None:
        self.signer = Ed25519PrivateKey.generate()
        self.kid = "1"
        self.audience = "django"
        self.lock = threading.RLock()
        self.reset()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def reset(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}
        self.handoffs: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.jwks_fetches = 0
        self.connections = 0
        self.mark = 10
        self.subject_marks: dict[str, int] = {}
        self.down = False
        self.tell_marks = True
        self.before: dict[str, Any] = {}  # method → callable run before it
        self.spent: set[str] = set()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # What the tests set up and look at.

    def count(self, method: str = "") -> int:
        return sum(1 for name, _ in self.calls if method in ("", name))

    def last(self, method: str) -> dict[str, Any]:
        return next(m for name, m in reversed(self.calls) if name == method)

    def make(self, data: dict[str, Any] | None = None, *, subject: str = "", **more: Any) -> dict[str, Any]:
        record = {
            "id": hex_id(),
            "lineage": hex_id(),
            "generation": 1,
            "kind": "authenticated" if subject else "guest",
            "subject": subject,
            "version": 3,
            "visitor": hex_id(),
            "state": "live",
            "born": self.mark,
            "attributes": {k: (json.dumps(v), 1) for k, v in (data or {}).items()},
            "secret": hex_id(),
            "transient": False,
        } | more
        self.sessions[record["id"]] = record
        return record

    def data(self, sid: str) -> dict[str, Any]:
        return {k: json.loads(t) for k, (t, _) in self.sessions[sid]["attributes"].items()}

    def token_of(self, record: dict[str, Any]) -> str:
        token = "cf1_" + record["secret"]
        self.tokens[token] = record["id"]
        return token

    def context(
        self, record: dict[str, Any] | None = None, *, key: Any = None, header: Any = None, **claims: Any
    ) -> str:
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": "crossfade",
            "aud": self.audience,
            "iat": now,
            "exp": now + 30,
            "sys": "new",
            "vid": "e" * 32,
            "arm": "new",
            "epoch": 1,
            "mark": self.mark,
        }
        if record:
            said |= {
                "sid": record["id"],
                "lin": record["lineage"],
                "gen": record["generation"],
                "ver": record["version"],
                "kind": record["kind"],
                "vid": record["visitor"],
            }
            if record["subject"]:
                said |= {"sub": record["subject"], "auth_time": now, "amr": ["pwd"]}
        said |= claims
        return jwt.encode(
            {k: v for k, v in said.items() if v is not None},
            key or self.signer,
            algorithm="EdDSA",
            headers={"typ": "crossfade-context+jwt", "kid": self.kid} | (header or {}),
        )

    def guest_context(self, **claims: Any) -> str:
        now = int(time.time())
        return self.context(
            sid=hex_id(), lin=hex_id(), kind="guest", unwritten=True, gi=now, gx=now + 3600, gb=1, **claims
        )

    # The API.

    def call(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.calls.append((method, message))
            if method in self.before:
                self.before[method](message)
            return getattr(self, "_" + method)(message)

    def _find(self, selector: dict[str, Any]) -> dict[str, Any]:
        if selector.get("id"):
            record = self.sessions.get(selector["id"])
        elif selector.get("lineage"):
            record = next(
                (
                    s
                    for s in self.sessions.values()
                    if s["lineage"] == selector["lineage"] and s["state"] == "live"
                ),
                None,
            )
        else:
            claims = self._claims(selector["context"])
            record = self.sessions.get(claims["sid"])
        if record is None:
            raise Refused("not_found")
        if record["state"] != "live" or record["born"] < self.subject_marks.get(record["subject"], 0):
            raise Refused("failed_precondition", "session is not live")
        return record

    def _claims(self, context: str) -> dict[str, Any]:
        return jwt.decode(context, self.signer.public_key(), algorithms=["EdDSA"], audience=self.audience)

    def _open(self, selector: dict[str, Any]) -> tuple[dict[str, Any], bool, str]:
        """The record to write to, whether it was made now, and the id that the request's context named."""
        if not selector or "sid" not in self._claims(selector.get("context") or self.context(sid="x")):
            return self.make(version=0), True, ""
        if selector.get("context"):
            claims = self._claims(selector["context"])
            if not claims.get("unwritten"):
                return self._find(selector), False, claims["sid"]
            if claims["sid"] in self.spent:
                raise Refused("failed_precondition", "guest token is spent")
            self.spent.add(claims["sid"])
            record = self.make(id=claims["sid"], lineage=claims["lin"], visitor=claims["vid"], version=0)
            return record, True, claims["sid"]
        record = self._find(selector)
        return record, False, record["id"]

    def _write(self, record: dict[str, Any], message: dict[str, Any]) -> None:
        for key, version in (message.get("ifVersion") or {}).items():
            have = record["attributes"].get(key, ("", 0))[1]
            if have > version or (have == 0) != (version == 0):
                raise Refused("aborted", f"{key} changed")
        record["version"] += 1
        record["transient"] = message.get("transient", record["transient"])
        for key, text in (message.get("set") or {}).get("values", {}).items():
            json.loads(text)
            record["attributes"][key] = (text, record["version"])
        for key in message.get("delete") or ():
            record["attributes"].pop(key, None)

    def _handoff(self, record: dict[str, Any], named: str) -> str:
        record["secret"] = hex_id()
        handoff = "handoff-" + hex_id()
        self.handoffs[handoff] = (record["id"], named)
        return handoff

    def _json(self, record: dict[str, Any]) -> dict[str, Any]:
        # As protobuf's JSON: 64-bit numbers are strings, zero values are absent.
        said = {
            "id": record["id"],
            "lineage": record["lineage"],
            "generation": record["generation"],
            "kind": record["kind"],
            "subject": record["subject"],
            "version": str(record["version"]),
            "state": record["state"],
            "born": str(record["born"]),
            "expiresAt": str(int(time.time()) + 86400),
            "transient": record["transient"],
        }
        return {k: v for k, v in said.items() if v not in ("", "0", 0, False)}

    def _Resolve(self, message: dict[str, Any]) -> dict[str, Any]:
        sid = self.tokens.get(message.get("token", ""))
        record = self.sessions.get(sid or "")
        if record is None:
            return {"worth": "invalid"}
        if record["state"] != "live":
            return {"worth": record["state"], "session": self._json(record)}
        return {"worth": "live", "session": self._json(record), "context": self.context(record)}

    def _Get(self, message: dict[str, Any]) -> dict[str, Any]:
        record = self._find(message["session"])
        return {
            "session": self._json(record),
            "attributes": {"values": {k: t for k, (t, _) in record["attributes"].items()}},
        }

    def _Patch(self, message: dict[str, Any]) -> dict[str, Any]:
        record, made, named = self._open(message["session"])
        before = record["transient"]
        self._write(record, message)
        made = made or record["transient"] != before
        answer = {"version": str(record["version"]), "session": self._json(record)}
        return answer | ({"handoff": self._handoff(record, named)} if made else {})

    def _Upgrade(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["born"] < self.subject_marks.get(message["subject"], 0):
            raise Refused("failed_precondition", "the login began before a mark")
        record, _, named = self._open(message["session"])
        self._write(record, message)
        record |= {
            "kind": "authenticated",
            "subject": message["subject"],
            "born": message["born"],
            "counterpart": message.get("counterpart"),
        }
        return {
            "version": str(record["version"]),
            "session": self._json(record),
            "handoff": self._handoff(record, named),
        }

    def _StepUp(self, message: dict[str, Any]) -> dict[str, Any]:
        record = self._find(message["session"])
        self._write(record, message)
        if message.get("counterpart"):
            record["counterpart"] = message["counterpart"]
        return {
            "version": str(record["version"]),
            "session": self._json(record),
            "handoff": self._handoff(record, record["id"]),
        }

    def _Rotate(self, message: dict[str, Any]) -> dict[str, Any]:
        record = self._find(message["session"])
        return {
            "version": str(record["version"]),
            "session": self._json(record),
            "handoff": self._handoff(record, record["id"]),
        }

    def _End(self, message: dict[str, Any]) -> dict[str, Any]:
        assert message["reason"]
        if "session" in message:
            selector, ended = message["session"], 0
            for record in self.sessions.values():
                if selector.get("id") == record["id"] or selector.get("lineage") == record["lineage"]:
                    record["state"], ended = "ended", ended + 1
            return {"ended": str(ended)} if ended else {}
        self.mark += 1
        self.subject_marks[message["subject"]] = self.mark
        spared = self.sessions.get(message.get("exceptSession", ""))
        if spared:
            spared["born"] = self.mark
        return {"ended": "1"} | ({"mark": str(self.mark)} if self.tell_marks else {})

    def _Redeem(self, message: dict[str, Any]) -> dict[str, Any]:
        record = self.sessions[self.handoffs.pop(message["handoff"])[0]]
        return {"token": self.token_of(record), "session": self._json(record)}

    def jwks(self) -> dict[str, Any]:
        raw = self.signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {
            "keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}]
        }

    def _handler(fake) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                with fake.lock:
                    fake.connections += 1
                super().setup()

            def do_GET(self) -> None:
                if fake.down:
                    return self._send(503, {})
                fake.jwks_fetches += 1
                return self._send(200, fake.jwks())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if fake.down:
                    return self._send(503, {})
                if self.headers["Authorization"] != f"Bearer {SECRET}":
                    return self._send(401, {"code": "unauthenticated", "message": "unknown secret"})
                try:
                    return self._send(200, fake.call(self.path.rsplit("/", 1)[1], json.loads(body)))
                except Refused as refusal:
                    return self._send(
                        STATUS[refusal.code], {"code": refusal.code, "message": refusal.message}
                    )

            def _send(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if self.headers["Authorization"] == f"Bearer {SECRET}":
                    self.send_header("Crossfade-Audience", fake.audience)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def signed(
    secret: bytes,
    key_id: int,
    path: str,
    body: bytes,
    *,
    when: int | None = None,
    nonce: str | None = None,
    method: str = "POST",
) -> dict[str, str]:
    """Bridge headers, written from the contract and not with the package's own signer."""
    import hmac

    when = int(time.time()) if when is None else when
    nonce = nonce or hex_id()
    text = f"v1\n{method}\n{path}\n{when}\n{nonce}\n{hashlib.sha256(body).hexdigest()}".encode()
    return {
        "Crossfade-Bridge-Key": str(key_id),
        "Crossfade-Bridge-Time": str(when),
        "Crossfade-Bridge-Nonce": nonce,
        "Crossfade-Bridge-Signature": hmac.new(secret, text, hashlib.sha256).hexdigest(),
    }
