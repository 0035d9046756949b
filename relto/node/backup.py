"""A backup: one file, sealed to the party's backup key, from which a node can be restored and nothing can be forged.

It holds the database as it stood at one moment, the texts, the settings and the online keys. It does not hold root,
authority and officer keys, which do not belong on a node, nor sessions, nor TLS files. The backup key is made by
`relto node init`, or given to it, and is carried away: the node keeps only its public part and cannot open its own
backups.

A node that is restored is behind what its partners saw. It says so to itself before it has settings, and stays
*recovering* (relto/node/recovery.py).
"""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from relto.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from relto.keys import OpeningKey, OpeningPublic, Random
from relto.node import config as settings
from relto.node import sealed_file
from relto.node.config import Config
from relto.node.sealed_file import Sealed
from relto.store import Directory, KeyFiles, Sqlite
from relto.store.objects import write_durably

PUBLIC = "backup.pub"
DATABASE = "node.sqlite"
_ONLINE = ("keys", "online")


class BackupText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup states. size, root: of the own ledger, in the database that it holds."""

    party: str
    partnership: str
    origin: str
    at: int
    size: int
    root: str


class Backup(Struct, frozen=True, kw_only=True):
    says: BackupText
    key: str
    bytes: int


def keep_public(directory: Path, public: OpeningPublic) -> None:
    write_durably(directory / PUBLIC, sealed_file.public_text(public), 0o644)


def public_key(directory: Path) -> OpeningPublic:
    """The key that this node's backups are sealed to. Raises: NotFound, Malformed."""
    path = directory / PUBLIC
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(
            f"`{directory}` has no backup key",
            hint=f"write the public part of one to `{path}`: `relto node backup --to`",
        ) from None
    return sealed_file.read_public(data, str(path))


def write(directory: Path, out: Path, *, clock: Callable[[], int], random: Random) -> Backup:
    """A backup of the node in this directory, also while it is served.

    Raises: Conflict when `out` is there; NotFound; Unavailable (no room, no database).
    """
    config, public = settings.load(directory), public_key(directory)
    if out.exists():
        raise Conflict(f"there is a file `{out}` already", hint="a backup never replaces another")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=directory) as spare:
        # Beside the database itself, which holds the same; removed when this ends. SQLite makes it in one read
        # transaction: the state after some commit, whoever writes meanwhile. Texts are stored before the acts that name
        # them, so that those of the snapshot are all there by now.
        snapshot = Path(spare) / DATABASE
        _snapshot(directory / DATABASE, snapshot)
        says = _state(config, snapshot, clock())
        sections: dict[str, bytes | Path] = {settings.FILE: (directory / settings.FILE).read_bytes()}
        sections[PUBLIC] = sealed_file.public_text(public)
        online = directory.joinpath(*_ONLINE)
        for name in KeyFiles(online).names():
            sections["/".join((*_ONLINE, f"{name}.key"))] = KeyFiles(online).read(name).encode()
        for path in sorted((directory / "objects").glob("??/*")):
            if len(path.name) == 64:
                sections[f"objects/{path.name}"] = path
        sections[DATABASE] = snapshot
        try:
            size = sealed_file.write(
                out,
                "backup",
                msgspec.json.encode(says, order="sorted"),
                sections,
                by=config.party,
                to=config.party,
                public=public,
                random=random,
            )
        except FileExistsError:
            raise Conflict(f"there is a file `{out}` already", hint="a backup never replaces another") from None
        except OSError as error:
            raise Unavailable(f"`{out}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    return Backup(says=says, key=sealed_file.key_name(public), bytes=size)


def _snapshot(database: Path, target: Path) -> None:
    if not database.is_file():
        raise NotFound(f"there is no database `{database}`")
    try:
        source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
        try:
            target.touch(mode=0o600)
            source.execute("VACUUM INTO ?", (str(target),))
        finally:
            source.close()
    except sqlite3.Error as error:
        raise Unavailable(f"the database `{database}` cannot be copied: {error}", hint="look at the disk") from error


def _state(config: Config, database: Path, at: int) -> BackupText:
    with Sqlite(database, read_only=True) as store:
        head = store.head(config.origin)
    if head is None:
        raise NotFound(f"the database has no ledger `{config.origin}`")
    return BackupText(
        party=config.party,
        partnership=config.partnership,
        origin=config.origin,
        at=at,
        size=head.size,
        root=head.root.hex(),
    )


def restore(file: Path, directory: Path, key: OpeningKey, *, clock: Callable[[], int]) -> BackupText:
    """A node in an empty directory, as it stood in a backup, recovering.

    Raises: Conflict when something is there; NotFound, Malformed, Forged for the file or the key; Unavailable.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"`{directory}` is not empty", hint="restore into a new directory; nothing is ever overwritten")
    held = Sealed(file, key, what="backup")
    held.check()  # every byte, before one is believed
    try:
        says = msgspec.json.decode(held.says, type=BackupText)
        config = settings.parse(held.read(settings.FILE), where=str(file))
    except msgspec.MsgspecError as error:
        raise Malformed("what this backup states cannot be read", where=str(file)) from error
    if (config.party, config.origin) != (says.party, says.origin):
        raise Malformed("this backup holds the settings of another node than it states", where=str(file))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    try:
        _write_sections(held, directory)
        with Sqlite(directory / DATABASE) as store:
            head = store.head(says.origin)
            if head is None or (head.size, head.root.hex()) != (says.size, says.root):
                raise Malformed("the database in this backup is not the one that it states", where=str(file))
            store.execute(
                "INSERT INTO recovering (origin, since, why) VALUES ($1, $2, $3) ON CONFLICT (origin) DO NOTHING",
                (says.origin, clock(), f"restored from a backup of {says.size} entries, made {_utc(says.at)}"),
            )
        # Last: a directory without settings is no node, so a restore that was cut off never signs anything.
        write_durably(directory / settings.FILE, held.read(settings.FILE), 0o644)
    except OSError as error:
        _clear(directory)
        raise Unavailable(f"`{directory}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    except BaseException:
        _clear(directory)
        raise
    return says


def _utc(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _write_sections(held: Sealed, directory: Path) -> None:
    keys, objects = KeyFiles(directory.joinpath(*_ONLINE)), Directory(directory / "objects")
    for name in held.sections:
        *folder, last = name.split("/")
        if name == settings.FILE:
            continue
        if name == PUBLIC:
            write_durably(directory / PUBLIC, held.read(name), 0o644)
        elif name == DATABASE:
            handle = directory / DATABASE
            handle.touch(mode=0o600)
            with handle.open("wb") as out:
                held.copy(name, out)
        elif tuple(folder) == _ONLINE and last.endswith(".key"):
            keys.write(last.removesuffix(".key"), held.read(name).decode())
        elif folder == ["objects"]:
            if objects.put(held.read(name)).hex() != last:
                raise Malformed(f"the text `{last[:16]}` in this backup is another one", where=str(held.path))
        else:
            raise Refused(f"this backup holds `{name[:80]}`, which this relto does not know", hint="use its relto")


def _clear(directory: Path) -> None:
    for one in directory.iterdir():
        if one.is_dir():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)
