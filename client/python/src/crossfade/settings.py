"""The settings of one application that talks to Crossfade, checked once, when they are built."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from .errors import Misconfigured

EDGE_CHOICES = ("optional", "required")
UNAVAILABLE_CHOICES = ("legacy", "guest", "error")
MIN_SECRET = 32


@dataclass(frozen=True)
class Settings:
    """What a project writes into ``CROSSFADE = {...}``, in lower case. Times are seconds."""

    api: str = ""
    """Address of Crossfade's internal listener, for example ``http://127.0.0.1:8081``."""
    name: str = ""
    """This upstream's name in Crossfade's configuration: the audience of every context."""
    secret: str = field(default="", repr=False)
    """The API client's secret. Prefer ``secret_file``."""
    secret_file: str = ""
    """File that holds the secret; surrounding white space is ignored."""
    bridge_secret: str = field(default="", repr=False)
    """Secret with which Crossfade signs its bridge calls. Prefer ``bridge_secret_file``."""
    bridge_secret_file: str = ""
    """File with one secret a line, ``<key id>:<secret>``; a line without an id has id 1."""
    edge: str = "optional"
    """``required`` refuses requests that carry no valid context. ``optional`` serves them: a bare
    session token is resolved through the API, anything else is the site's own session."""
    edge_exempt: tuple[str, ...] = ()
    """Path prefixes that ``edge: required`` leaves alone, such as a load balancer's probe."""
    on_unavailable: str = "legacy"
    """What happens while Crossfade cannot be reached: ``legacy`` serves the site on its legacy
    session, ``guest`` serves everybody as a guest, ``error`` answers 503."""
    timeout: float = 1.0
    """Deadline of one API call, connection included."""
    leeway: float = 5.0
    """How far this machine's clock may be off when a context's times are checked."""
    max_data_bytes: int = 65536
    """Session data over this size is left behind at a handover, largest values first."""
    notice_deleted_rows: bool = True
    """Whether deleting a row of ``django_session`` ends the session in the new system as well."""
    enabled: bool = True
    """False: the package does nothing; the site runs on Django's own sessions."""

    @classmethod
    def from_mapping(cls, given: Mapping[str, object]) -> Settings:
        """Build from ``{"API": ..., "NAME": ...}``. Unknown names are errors that name the nearest."""
        known = {f.name.upper(): f.name for f in fields(cls)}
        values: dict[str, object] = {}
        for name, value in given.items():
            if name not in known:
                near = difflib.get_close_matches(str(name).upper(), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
                raise Misconfigured(f"CROSSFADE has no setting {name!r}", hint=hint, code="unknown")
            values[known[name]] = tuple(value) if isinstance(value, list) else value
        for name in ("secret_file", "bridge_secret_file"):
            if name in values:
                values[name] = str(values[name])
        return cls(**values)  # type: ignore[arg-type]

    def problems(self) -> list[Misconfigured]:
        """Everything that is wrong, so that a newcomer mends it in one go. Reads the secret files."""
        if not self.enabled:
            return []
        found = [
            Misconfigured(f"CROSSFADE[{name!r}] is empty", hint=hint, code="missing")
            for name, value, hint in (
                ("API", self.api, 'the internal listener, such as "http://127.0.0.1:8081"'),
                ("NAME", self.name, "the upstream's name in crossfade.yaml"),
            )
            if not value
        ]
        if self.api and (
            urlsplit(self.api).scheme not in ("http", "https") or not urlsplit(self.api).hostname
        ):
            found.append(
                Misconfigured(f"CROSSFADE['API'] is {self.api!r}", hint='want "http://host:port"', code="api")
            )
        for name, value, choices in (
            ("EDGE", self.edge, EDGE_CHOICES),
            ("ON_UNAVAILABLE", self.on_unavailable, UNAVAILABLE_CHOICES),
        ):
            if value not in choices:
                found.append(
                    Misconfigured(
                        f"CROSSFADE[{name!r}] is {value!r}",
                        hint=f"want one of {', '.join(choices)}",
                        code="choice",
                    )
                )
        for read in (self.api_secret, self.bridge_secrets):
            try:
                read()
            except Misconfigured as problem:
                found.append(problem)
        return found

    def api_secret(self) -> str:
        """The bearer secret of the session API."""
        text = (self.secret or _read("SECRET", self.secret_file)).strip()
        if not text or any(c.isspace() for c in text):
            raise Misconfigured(
                "the API secret is empty or has white space inside",
                code="secret",
                hint="copy it again from Crossfade's configuration",
            )
        return text

    def bridge_secrets(self) -> dict[int, bytes]:
        """Bridge secrets by key id. All verify, so that one can be replaced without a gap."""
        secrets: dict[int, bytes] = {}
        for line in (self.bridge_secret or _read("BRIDGE_SECRET", self.bridge_secret_file)).splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            key_id, colon, secret = line.partition(":")
            if not (colon and key_id.isdigit()):
                key_id, secret = "1", line
            if len(secret) < MIN_SECRET:
                raise Misconfigured(
                    f"bridge secret {key_id} has {len(secret)} characters, needs {MIN_SECRET} or more",
                    code="bridge_secret",
                    hint="make one with: openssl rand -hex 32",
                )
            secrets[int(key_id)] = secret.encode()
        if not secrets:
            raise Misconfigured(
                "there is no bridge secret", code="bridge_secret", hint="set CROSSFADE['BRIDGE_SECRET_FILE']"
            )
        return secrets


def _read(name: str, path: str) -> str:
    if not path:
        raise Misconfigured(
            f"CROSSFADE[{name + '_FILE'!r}] is empty",
            code=name.lower(),
            hint=f"name the file that holds the secret, or set CROSSFADE[{name!r}]",
        )
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"cannot read CROSSFADE[{name + '_FILE'!r}]: {error}",
            code=name.lower(),
            hint="check the path and that this process may read it",
        ) from error
