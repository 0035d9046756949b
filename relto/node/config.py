"""A node's settings: `relto.toml` in its directory.

Unknown keys are refused with their name; nothing is read from the environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from relto.errors import Malformed, NotFound

FILE = "relto.toml"
SHOWN = ("pin", "demo", "sync_s")

LegacyClient = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}(/p-[a-z2-7]{26})?\Z")]
BrowserOrigin = Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9.:\[\]-]{1,255}\Z")]

KeyDigest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """party, partnership: ids. url: where this node answers, scheme and host and port.

    demo: built-in log-in and signing by button, loopback only. listen: where the process listens, when that is not what
    `url` says. tls_*: PEM files, relative to the directory.
    """

    party: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}\Z")]
    partnership: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    url: Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9.:\[\]-]{1,255}\Z")]
    origin: str
    pin: str = ""  # id of the founding proposal, for a node that did not found
    demo: bool = False
    open_ledger: bool = False  # anybody may read checkpoints, tiles and what the witness cosigned
    sync_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 30.0  # how often a served node asks the others
    listen: Annotated[str, Meta(pattern=r"\A([A-Za-z0-9.:\[\]-]{1,255}:[0-9]{1,5})?\Z")] = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    proxy: Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f.:]{0,45}\Z")] = ""  # whose X-Forwarded-For is believed
    rate_per_minute: Annotated[int, Meta(ge=0, le=10_000_000)] = 6000  # calls of one address; 0: no limit
    token_module: Annotated[str, Meta(max_length=4096)] = ""  # a PKCS#11 library; its keys open shares
    token_label: Annotated[str, Meta(max_length=32)] = ""
    legacy_clients: tuple[LegacyClient, ...] = ()  # whose clients may prove less than possession of a key
    authzen_keys: tuple[KeyDigest, ...] = ()  # who may ask for decisions over AuthZEN
    authzen_open: bool = False  # anybody who reaches the node may
    browser_origins: tuple[BrowserOrigin, ...] = ()  # pages from which key access may be called

    def takes_legacy(self, party: str, pseudonym: str) -> bool:
        """Whether the switch is on for this person's client: for the party as a whole, or for the person."""
        return party in self.legacy_clients or f"{party}/{pseudonym}" in self.legacy_clients

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        scheme, _, rest = self.url.partition("://")
        rest = self.listen or rest
        host, _, port = rest.rpartition(":") if ":" in rest.rpartition("]")[2] else (rest, "", "")
        usual = 443 if scheme == "https" else 80
        return host.strip("[]").replace("localhost", "127.0.0.1"), int(port) if port.isdecimal() else usual


def load(directory: Path) -> Config:
    """Raises: NotFound when the directory holds no node; Malformed."""
    path = directory / FILE
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            f"`{directory}` holds no node",
            hint="`relto node init` makes one; `--node DIR` or RELTO_NODE says where it is",
        ) from error
    return parse(text, where=str(path))


def parse(text: bytes, where: str = "") -> Config:
    """Raises: Malformed."""
    try:
        return msgspec.convert(tomllib.loads(text.decode()), Config)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not a settings file: {error}", where=where) from error
    except msgspec.ValidationError as error:
        raise Malformed(str(error), where=where) from error


def save(config: Config, directory: Path) -> None:
    """Writes what is not as it is by default, and the few that everybody should see."""
    rows, defaults = [], {field.name: field.default for field in msgspec.structs.fields(Config)}
    for name, value in msgspec.structs.asdict(config).items():
        if value == defaults.get(name, msgspec.NODEFAULT) and name not in SHOWN:
            continue
        rows.append(
            f"{name} = {str(value).lower() if isinstance(value, bool) else msgspec.json.encode(value).decode()}"
        )
    target, spare = directory / FILE, directory / (FILE + ".new")
    spare.write_text("\n".join(rows) + "\n")
    spare.replace(target)
