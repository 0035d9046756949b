"""A node's directory: what lies where, how a party begins, how a node is opened.

    relto.toml          settings
    node.sqlite         ledgers, mirrors and the node's own rows
    objects/            texts by digest
    keys/online/        node, vouch, seal, log, opening, access keys and the pseudonym key
    backup.pub          the key that backups are sealed to
    keys/offline/       root, authority, officer and backup keys: written here by `init`, meant to be carried away
    lock, socket        held and served by `relto node serve`

Contracts of the design, sections 1, 16 and 19.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from relto import acts
from relto.errors import Conflict, Malformed, NotFound, Refused
from relto.keys import AccessKey, OpeningKey, OpeningPublic, Random, SecretKey, Unwrapper
from relto.ledger import Cosigner, Log, New, commit, make_leaf, slots_for, witness_name
from relto.node import config as settings
from relto.node.backup import keep_public
from relto.node.config import Config
from relto.node.node import Clock, Node
from relto.store import Directory, KeyFiles, Sqlite
from relto.store.token import Token

Office = Literal["disclosure", "licensing", "registrar", "safety"]
OFFICES: tuple[Office, ...] = get_args(Office)

Algorithm = Literal["rsa:2048", "ec:secp256r1", "hpqt:secp256r1-mlkem768"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


def system_clock() -> int:
    return time.time_ns() // 1_000_000


def init(
    directory: Path,
    config: Config,
    *,
    root: tuple[int, int] = (2, 3),
    authority: tuple[int, int] = (2, 3),
    backup: OpeningPublic | None = None,
    clock: Clock = system_clock,
    random: Random = secrets.token_bytes,
) -> Node:
    """A party begins: keys, origin, entry 0. Never over an existing directory with a node in it.

    root, authority: threshold and number of keys. backup: the key that backups are sealed to; else one is made.
    Raises: Conflict; Malformed for a threshold that cannot be met.
    """
    for threshold, count in (root, authority):
        if not 1 <= threshold <= count <= 8:
            raise Malformed(f"a quorum of {threshold} of {count} keys cannot be", hint="for example 2/3")
    if directory.exists() and not directory.is_dir():
        raise Conflict(f"`{directory}` is not a directory")
    if (directory / settings.FILE).exists() or (directory / "node.sqlite").exists():
        raise Conflict(f"`{directory}` holds a node already", hint="a ledger is begun once; choose another directory")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    online, offline = KeyFiles(directory / "keys" / "online"), KeyFiles(directory / "keys" / "offline")
    keyset = _make_keys(config, online, offline, root, authority, random)
    act = acts.Inception(
        author=config.party, log=config.origin, at=clock(), name=config.name, address=config.url, keys=keyset
    )
    envelope = acts.sign(act, [SecretKey.from_text(offline.read(f"root-{n + 1}")) for n in range(root[0])])
    if backup is None:
        key = OpeningKey.generate(random)
        offline.write("backup", key.to_text())
        backup = key.public
    keep_public(directory, backup)
    store = Sqlite(directory / "node.sqlite", create=True)
    salt = random(32)
    keys, commitment = FileKeys(directory), commit(salt, envelope)
    leaf = make_leaf(commitment, acts.common_tags(act, commitment), slots_for(1), random)
    Log.create(store, keys.log).append([New(leaf=leaf, salt=salt, envelope=envelope)])
    settings.save(config, directory)
    return Node(config, store, Directory(directory / "objects"), keys, clock, random)


def _make_keys(
    config: Config,
    online: KeyFiles,
    offline: KeyFiles,
    root: tuple[int, int],
    authority: tuple[int, int],
    random: Random,
) -> acts.KeySet:
    name = config.party

    def signing(where: KeyFiles, title: str, *, hybrid: bool = True, key_name: str = "") -> SecretKey:
        key = SecretKey.generate(key_name or f"{name}/{title}", random, hybrid=hybrid)
        where.write(title, key.to_text())
        return key

    roots = [signing(offline, f"root-{n + 1}") for n in range(root[1])]
    successors = [signing(offline, f"next-root-{n + 1}") for n in range(root[1])]
    authorities = [signing(offline, f"authority-{n + 1}") for n in range(authority[1])]
    officers = [(office, signing(offline, f"{office}-1")) for office in OFFICES]
    node, vouch, seal = (signing(online, title, hybrid=False) for title in ("node", "vouch", "seal"))
    log = signing(online, "log", hybrid=False, key_name=config.origin)
    log_pq = Cosigner.generate(config.origin, random, log=True)
    witness = Cosigner.generate(witness_name(config.origin), random)
    opening = OpeningKey.generate(random)
    access = [AccessKey.generate(kind, random) for kind in ALGORITHMS]
    pseudonyms = random(32)
    online.write("log-mldsa44", log_pq.to_text())
    online.write("witness", witness.to_text())
    online.write("opening", opening.to_text())
    for number, one in enumerate(access, 1):
        online.write(f"access-{number}", one.to_text())
    online.write("pseudonyms", pseudonyms.hex())
    return acts.KeySet(
        root=acts.Quorum(threshold=root[0], keys=tuple(one.public for one in roots)),
        next_root=acts.Successors(threshold=root[0], digests=tuple(acts.key_digest(one.public) for one in successors)),
        authority=acts.Quorum(threshold=authority[0], keys=tuple(one.public for one in authorities)),
        officers=tuple(acts.Officer(office=office, key=key.public) for office, key in officers),
        node=node.public,
        vouch=vouch.public,
        seal=seal.public,
        log=acts.LogKey(ed25519=log.public.ed25519, mldsa44=log_pq.verifiers[0].public),
        witness=acts.LogKey(ed25519=witness.verifiers[0].public, mldsa44=witness.verifiers[1].public),
        opening=opening.public,
        access=tuple(
            acts.AccessPublic(kid=one.kid, algorithm=kind, pem=one.public_pem)
            for kind, one in zip(ALGORITHMS, access, strict=True)
        ),
    )


def trusted(config: Config, directory: Path) -> str:
    """The file of further certificate authorities, empty when none is named."""
    return str(directory / config.tls_ca) if config.tls_ca else ""


def read_signer(path: Path) -> SecretKey:
    """A signing key file. Raises: NotFound, Refused (its permissions), Malformed."""
    return SecretKey.from_text(KeyFiles(path.parent).read(path.name.removesuffix(".key")))


class FileKeys:
    """The online keys as files, each read when first needed: an RSA key loads slower than a question is answered."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = KeyFiles(directory / "keys" / "online")

    def _signer(self, name: str) -> SecretKey:
        return SecretKey.from_text(self._files.read(name))

    @cached_property
    def node(self) -> SecretKey:
        return self._signer("node")

    @cached_property
    def vouch(self) -> SecretKey:
        return self._signer("vouch")

    @cached_property
    def seal(self) -> SecretKey:
        return self._signer("seal")

    @cached_property
    def log(self) -> SecretKey:
        return self._signer("log")

    @cached_property
    def publish(self) -> Cosigner:
        return Cosigner.from_text(self._files.read("log-mldsa44"))

    @cached_property
    def witness(self) -> Cosigner:
        return Cosigner.from_text(self._files.read("witness"))

    @cached_property
    def opening(self) -> OpeningKey:
        return OpeningKey.from_text(self._files.read("opening"))

    @cached_property
    def access(self) -> tuple[Unwrapper, ...]:
        """In files, and in the token where the settings name one; the newest of a kind last."""
        token = self.token
        return (*self._in_files(), *(token.held() if token else ()))

    @cached_property
    def token(self) -> Token | None:
        config = settings.load(self._directory)
        if not config.token_module:
            return None
        return Token(config.token_module, config.token_label, self._files.read("token-pin").strip())

    def _in_files(self) -> tuple[AccessKey, ...]:
        names = (name for name in self._files.names() if name.startswith("access-"))
        # By number: the last of a kind is the newest.
        numbered = sorted(names, key=lambda name: int(name.removeprefix("access-")))
        return tuple(AccessKey.from_text(self._files.read(name)) for name in numbered)

    @cached_property
    def pseudonyms(self) -> bytes:
        return bytes.fromhex(self._files.read("pseudonyms"))


def open_node(
    directory: Path, *, write: bool = False, clock: Clock = system_clock, random: Random = secrets.token_bytes
) -> Node:
    """A node as it stands. For writing the caller holds `locked(directory)`.

    Raises: NotFound, Malformed, Forged (the stored ledger is not what its head says).
    """
    config = settings.load(directory)
    store = Sqlite(directory / "node.sqlite", read_only=not write)
    keys = FileKeys(directory)
    try:
        _ = keys.opening
    except (NotFound, Refused):
        # Without the opening key one can read, but not tell which closed leaves are addressed to this party.
        return Node(config, store, Directory(directory / "objects"), None, clock, random)
    return Node(config, store, Directory(directory / "objects"), keys, clock, random)


def directory_of(node: Node) -> Path:
    """Of a node that `open_node` opened."""
    return Path(node.store.path).parent


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One writer for a directory. Raises: Conflict while another process serves it."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another process writes to `{directory}`", hint="stop it, or go through its socket"
            ) from error
        yield
    finally:
        os.close(handle)
